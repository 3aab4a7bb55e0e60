"""The voice link under faults, over real sockets in real time: what is lost, what is told, and when it goes on."""

import asyncio
from pathlib import Path

import pytest

from satellite.core.events import ConnectionLost, SessionFailed, SessionOpened
from tests.fakes.broker import make_certificates
from tests.fakes.voice_link import UNIT_MS, Way, way

pytestmark = pytest.mark.slow


async def until(what: str, holds: object, timeout_s: float = 20.0) -> None:
    """Wait for a condition, a callable without arguments."""
    assert callable(holds)
    try:
        async with asyncio.timeout(timeout_s):
            while not holds():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {timeout_s} s") from None


async def spoken_out(run: Way, seconds: float) -> None:
    """Say the rest, and wait until all of it went out and was answered."""
    await run.speak(seconds)
    await run.end()
    await until("the end", lambda: run.backlog.is_empty and run.uplink._present is None)


async def test_a_link_that_stalls_for_a_moment_costs_nothing_and_makes_no_burst(tmp_path: Path) -> None:
    make_certificates(tmp_path, "localhost,IP:127.0.0.1")
    async with way(tmp_path) as run:
        await run.speak(3.0)
        run.relay.blackhole()
        await run.speak(2.0)
        assert 1.5 <= run.backlog.seconds <= 2.2, "what is not taken up stays with us"
        await run.relay.up()
        await spoken_out(run, 4.0)
        assert run.missing_ms() == 0
        assert run.heard.lost_ms == 0
        assert run.emulator.violations == []
        assert len(run.emulator.sessions[0].connections) == 1
        assert run.worst_time_off_ms(0.0) <= 150


async def test_a_link_that_is_dead_without_a_sign_is_found_and_replaced() -> None:
    async with way() as run:
        await run.speak(3.0)
        run.relay.swallow()
        await run.speak(10.0)
        await until("another connection", lambda: len(run.heard.all(SessionOpened)) == 2)
        (lost,) = run.heard.all(ConnectionLost)
        assert "nothing arrived for 8 s" in lost.reason
        await spoken_out(run, 3.0)
        assert run.missing_ms() <= run.heard.lost_ms + UNIT_MS <= 1000
        assert run.heard.lost_ms > 0
        assert run.heard.dropped_ms == 0
        assert run.worst_time_off_ms(4.0) <= 150


async def test_a_link_that_is_reset_is_resumed_at_once() -> None:
    async with way() as run:
        for _ in range(2):
            await run.speak(4.0)
            await run.relay.interrupt()
        await spoken_out(run, 4.0)
        assert len(run.heard.all(SessionOpened)) == 3
        assert len(run.emulator.sessions) == 1
        assert run.missing_ms() <= run.heard.lost_ms + UNIT_MS <= 500
        assert run.worst_time_off_ms(8.0) <= 250, "half a chunk for each gap"
        assert run.emulator.violations == []


async def test_on_a_link_too_slow_for_speech_no_more_than_a_second_is_under_way() -> None:
    async with way() as run:
        await run.speak(2.0)
        run.relay.bytes_per_s = 24_000  # PCM needs 32 000
        await run.speak(5.0)
        assert run.backlog.seconds >= 1.0
        run.relay.bytes_per_s = None
        await run.relay.interrupt()
        await spoken_out(run, 3.0)
        assert run.missing_ms() <= run.heard.lost_ms + UNIT_MS <= 1000
        assert run.heard.dropped_ms == 0
        assert run.heard.all(SessionFailed) == []
