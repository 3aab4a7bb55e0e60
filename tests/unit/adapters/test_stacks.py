"""What a stall leaves in the log."""

import asyncio
import faulthandler
from collections.abc import AsyncIterator

import pytest

from satellite.adapters.stacks import dump_when_aborted, told


async def wait_deep(secret: str, event: asyncio.Event) -> None:
    async for _ in numbers(secret, event):
        pass


async def numbers(secret: str, event: asyncio.Event) -> AsyncIterator[str]:
    await event.wait()
    yield secret


async def test_what_is_stuck_is_told_with_where_everything_is(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    event = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(wait_deep("good morning", event), name="satellite.ears")
        await asyncio.sleep(0)
        group.create_task(wait_deep("good morning", event), name="satellite.new")
        assert told(lambda: "capture")() == "capture"
        event.set()
    (record,) = caplog.records
    assert record.message.startswith("capture stands still")
    assert "satellite.ears: wait_deep " in record.message
    assert "satellite.new: wait_deep " in record.message
    assert "good morning" not in record.message
    assert "most recent call first" in capfd.readouterr().err


def test_when_nothing_is_stuck_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert told(lambda: None)() is None
    assert caplog.records == []


def test_an_abort_shows_the_threads() -> None:
    """What is shown then, tests/system shows; here it is on already, by pytest, and stays as it is."""
    dump_when_aborted()
    assert faulthandler.is_enabled()
