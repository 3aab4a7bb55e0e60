"""What the ports of every emulated service do alike."""

import asyncio
import logging

import pytest

from satellite.emulator.registry import load, names
from tests.fakes.rawdeepl import DATA


@pytest.mark.parametrize("target", ["//[", "//a]"])
@pytest.mark.parametrize("service", names())
async def test_a_handshake_for_no_address_is_answered(
    service: str, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "websockets.emulator")
    double = load(service)
    settings = double.settings(recording=DATA / "demo.wav", labels=DATA / "demo.labels.json", speech="tones")
    async with double.make(settings) as emulator, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", emulator.doors.socket_port)
        headers = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        writer.write(f"GET {target} HTTP/1.1\r\n{headers}{key}\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
        writer.close()
    assert caplog.records == []
