"""What the libraries say in the log while they carry secrets and speech: nothing, at any level whoever sets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.broker import Broker

SPOKEN = "what-was-said-0123"
TOKEN = "token-of-one-use-4567"
KEY = "key-of-the-account-89"
TOPIC = "a-topic-of-the-house"

TALK = """
import asyncio, logging, sys
import aiomqtt
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError
from satellite.adapters.logs import set_up_logging

SPOKEN, TOKEN, KEY, TOPIC, port, manner = sys.argv[1:7]

async def echo(connection):
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosedError:
        pass

async def refuse(connection, request):
    return connection.respond(403, SPOKEN) if "refuse" in request.path else None

async def over_websocket():
    async with serve(echo, "127.0.0.1", 0, process_request=refuse) as server:
        where = "ws://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        async with connect(where + "/v?token=" + TOKEN, additional_headers={"Authorization": KEY}) as client:
            await client.send(SPOKEN)
            assert await client.recv() == SPOKEN
            await client.send(SPOKEN.encode())
            client.transport.abort()
        try:
            await connect(where + "/refuse?token=" + TOKEN, additional_headers={"Authorization": KEY})
        except Exception as error:
            assert "403" in str(error)

async def over_mqtt():
    async with aiomqtt.Client("127.0.0.1", int(port), username="u", password=KEY) as client:
        await client.subscribe(TOPIC)
        await client.publish(TOPIC, SPOKEN, qos=1)
        async for message in client.messages:
            assert message.payload == SPOKEN.encode()
            return

set_up_logging("debug")
if manner != "discreet":
    logging.getLogger().setLevel(logging.DEBUG)
if manner == "leaky":
    logging.getLogger().handlers[0].setFormatter(None)
asyncio.run(over_websocket())
asyncio.run(over_mqtt())
logging.getLogger("satellite.talk").debug("talked")
"""


def talk(broker_port: int, manner: str) -> str:
    """Standard error of a process in which each library carries something secret."""
    arguments = [SPOKEN, TOKEN, KEY, TOPIC, str(broker_port), manner]
    environment = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
    ran = subprocess.run(
        [sys.executable, "-c", TALK, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stderr


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    return Broker(tmp_path / "broker")


def test_libraries_write_neither_speech_nor_secrets(broker: Broker) -> None:
    with broker:
        (line,) = talk(broker.port, "discreet").splitlines()
    assert line.endswith("DEBUG   satellite.talk: talked")


def test_let_speak_they_tell_where_and_not_what(broker: Broker) -> None:
    with broker:
        said = talk(broker.port, "opened")
    assert "websockets.client: a word from" in said
    assert [secret for secret in (SPOKEN, TOKEN, KEY, TOPIC) if secret in said] == []


def test_they_would_if_they_were_let(broker: Broker) -> None:
    with broker:
        said = talk(broker.port, "leaky")
    assert [secret for secret in (SPOKEN, TOKEN, KEY) if secret not in said] == []
