"""Every encrypted connection verifies who answers: the service's two and the broker's, against every wrong answer."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from satellite.adapters import httpcall, websocket
from satellite.adapters.mqtt_connection import MqttConnection
from satellite.adapters.mqtt_settings import MqttSettings, TlsSettings, tls_context
from satellite.backends.base import HttpFailed, HttpRequest, OpenSocket
from satellite.errors import BrokerError
from satellite.homeassistant.messages import Message
from tests.fakes.link_peers import tcp_server
from tests.fakes.wall_clock import WallClock

SECRET = b"secret-that-must-not-be-sent"
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
GOOD = "subjectAltName=DNS:localhost"
WRONG = {
    "another host": "subjectAltName=DNS:elsewhere.example",
    "without a name": "keyUsage=digitalSignature",
    "a wildcard of nothing": "subjectAltName=DNS:*",
    "an address": "subjectAltName=IP:127.0.0.1",
    "a client's": f"{GOOD}\nextendedKeyUsage=clientAuth",
    "expired": GOOD,
    "of another authority": GOOD,
    "its own authority": GOOD,
}
"""Certificates that a peer called localhost may show, and must be refused for."""


@dataclass(frozen=True)
class Authorities:
    """A trusted authority and what was made below it, or aside from it."""

    directory: Path

    @property
    def trusted(self) -> str:
        return str(self.directory / "ca.pem")

    def server(self, name: str) -> ssl.SSLContext:
        """The context of a server with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / f"{name}.pem", self.directory / "server.key")
        return context


def openssl(directory: Path, *arguments: str, days_ago: int = 0) -> None:
    clock = WallClock(directory)
    clock.set(-days_ago * 86_400)
    environment = {**os.environ, **(clock.environment if days_ago else {})}
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, env=environment)


def make_authority(directory: Path, name: str) -> None:
    extensions = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    subject = ("-subj", f"/CN={name}", "-days", "2")
    openssl(directory, "req", "-x509", *EC, "-keyout", f"{name}.key", "-out", f"{name}.pem", *subject, *extensions)


def make_leaf(directory: Path, name: str, extensions: str, authority: str) -> None:
    (directory / "names").write_text(
        f"{extensions}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n", encoding="utf-8"
    )
    signing = ("-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-extfile", "names")
    made = ("x509", "-req", "-in", "server.csr", *signing, "-days", "2", "-out", f"{name}.pem")
    openssl(directory, *made, days_ago=3 if name == "expired" else 0)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    directory = tmp_path_factory.mktemp("tls")
    for name in ("ca", "stranger"):
        make_authority(directory, name)
    openssl(directory, "req", *EC, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=somebody")
    for name, extensions in {"good": GOOD, **WRONG}.items():
        make_leaf(directory, name, extensions, "stranger" if name == "of another authority" else "ca")
    own = ("-subj", "/CN=localhost", "-addext", GOOD, "-days", "2")
    openssl(directory, "req", "-x509", "-key", "server.key", "-out", "its own authority.pem", *own)
    return Authorities(directory)


async def over_http(port: int, trusted: str) -> str:
    """Why a request failed."""
    request = HttpRequest("POST", f"https://localhost:{port}/", {"Authorization": SECRET.decode()}, SECRET)
    answer = await httpcall.perform(request, ssl.create_default_context(cafile=trusted))
    assert isinstance(answer, HttpFailed)
    return answer.detail


async def over_websocket(port: int, trusted: str) -> str:
    """Why a dial failed."""
    action = OpenSocket(f"wss://localhost:{port}/?token={SECRET.decode()}")
    with pytest.raises(websocket.DialError) as failed:
        await websocket.dial(action, ssl.create_default_context(cafile=trusted))
    return failed.value.closed.reason


async def over_mqtt(port: int, trusted: str) -> str:
    """Why a login failed."""
    settings = MqttSettings("localhost", port, "sat1", SECRET.decode(), tls=TlsSettings(trusted), timeout_s=5.0)
    connection = MqttConnection(settings, "sat1", Message("t", b"offline"), is_version_5=True)
    with pytest.raises(BrokerError) as failed:
        await connection.open()
    connection.abort()
    return str(failed.value)


Attempt = Callable[[int, str], Awaitable[str]]
ATTEMPTS = pytest.mark.parametrize("attempt", [over_http, over_websocket, over_mqtt])


class Listener:
    """A server that keeps what it is sent and hangs up."""

    def __init__(self) -> None:
        self.got = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.got += await reader.read(4096)


@ATTEMPTS
@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_certificate_is_told_nothing(attempt: Attempt, name: str, authorities: Authorities) -> None:
    listener = Listener()
    async with tcp_server(listener, authorities.server(name)) as port:
        why = await attempt(port, authorities.trusted)
    assert "certificate" in why
    assert SECRET not in listener.got


@ATTEMPTS
async def test_the_right_one_is_told(attempt: Attempt, authorities: Authorities) -> None:
    listener = Listener()
    async with tcp_server(listener, authorities.server("good")) as port:
        why = await attempt(port, authorities.trusted)
    assert "certificate" not in why
    assert SECRET in listener.got


@ATTEMPTS
async def test_who_does_not_encrypt_is_told_nothing(attempt: Attempt, authorities: Authorities) -> None:
    listener = Listener()
    async with tcp_server(listener) as port:
        await attempt(port, authorities.trusted)
    assert listener.got, "nobody called"
    assert SECRET not in listener.got


@ATTEMPTS
async def test_an_outdated_protocol_is_told_nothing(attempt: Attempt, authorities: Authorities) -> None:
    outdated = authorities.server("good")
    outdated.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1 is deprecated"):
        outdated.minimum_version = outdated.maximum_version = ssl.TLSVersion.TLSv1_1
    listener = Listener()
    async with tcp_server(listener, outdated) as port:
        await attempt(port, authorities.trusted)
    assert SECRET not in listener.got


@pytest.mark.parametrize("trusted", [None, "ours"])
def test_contexts_verify_chain_and_name(trusted: str | None, authorities: Authorities) -> None:
    context = tls_context(TlsSettings(authorities.trusted if trusted else None))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
