import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from satellite.emulator.doors import Doors
from satellite.emulator.http import HttpAnswer, HttpRequest
from satellite.emulator.settings import EmulatorSettings


async def handle(request: HttpRequest) -> HttpAnswer:
    return HttpAnswer.json(200, {"path": request.path})


async def judge(connection: ServerConnection, request: Request) -> Response | None:
    return None if request.path == "/in" else connection.respond(403, "no\n")


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def doors(**settings: str) -> Doors:
    return Doors(EmulatorSettings(**settings), handle, judge, echo)  # type: ignore[arg-type]  # only texts are set


async def test_they_close_and_open_again_on_the_same_ports() -> None:
    house = doors()
    await house.open()
    url = house.socket_url
    async with connect(f"{url}/in") as inside:
        house.refuse()
        with pytest.raises(ConnectionError):
            await connect(f"{url}/in")
        await inside.send("still here")
        assert await inside.recv() == "still here"
    await house.reopen()
    assert house.socket_url == url
    async with connect(f"{url}/in"):
        pass
    await house.close()


def test_clients_can_be_told_of_something_in_between() -> None:
    assert doors(advertised="127.0.0.1:99").socket_url == "ws://127.0.0.1:99"
    assert doors().http_url.startswith("http://127.0.0.1:")
