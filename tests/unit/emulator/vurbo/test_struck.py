"""What faults do to a connection."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from satellite.emulator.faults import Fault
from satellite.emulator.report import ConnectionLog
from satellite.emulator.vurbo.stream import Stream
from satellite.emulator.vurbo.struck import HUGE_BYTES, OpenStream, Struck


@dataclass
class FakeStream:
    """An open stream that remembers what became of it."""

    socket: Any = None
    log: ConnectionLog = field(default_factory=lambda: ConnectionLog(1, 5.0))
    is_stalled: bool = False
    last_heartbeat_s: float = 7.0
    said: list[tuple[object, ...]] = field(default_factory=list)

    async def fail(self, code: str, text: str) -> None:
        self.said.append((code, text))

    async def close(self, code: int, reason: str) -> None:
        self.said.append((code, reason))


def test_a_stream_is_what_is_struck() -> None:
    names = {name for name in vars(OpenStream) if not name.startswith("_")} - {"socket", "log"}
    assert {name for name in names if hasattr(Stream, name)} >= {"fail", "close"}


async def test_errors_and_closes() -> None:
    stream = FakeStream()
    struck = Struck(stream)
    await struck.strike_error(Fault("error"))
    await struck.strike_error(Fault("error", status=400))
    await struck.close(1011, "x")
    codes = [each[0] for each in stream.said]
    assert codes == ["audio_process_failed", "internal_error", 1011]


def test_a_stalled_connection_is_not_blamed_for_its_silence() -> None:
    stream = FakeStream()
    struck = Struck(stream)
    struck.stalled(True)
    assert (stream.is_stalled, stream.last_heartbeat_s) == (True, 7.0)
    struck.stalled(False)
    assert stream.last_heartbeat_s == 37.0


@pytest.mark.parametrize("what", ["array", "unknown", "huge", "wrong_frame", "not_json"])
def test_garbage(what: str) -> None:
    frame = Struck(FakeStream()).garbage(what)
    assert isinstance(frame, bytes) is (what == "wrong_frame")
    if what == "not_json":
        with pytest.raises(ValueError, match="Expecting"):
            json.loads(frame)
    assert (len(frame) > HUGE_BYTES) is (what == "huge")
