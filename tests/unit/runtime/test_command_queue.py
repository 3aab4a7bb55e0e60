"""A flood of commands is thinned: what a person asked for last holds, and soon."""

import asyncio
import logging

import pytest

from satellite.homeassistant.commands import (
    Command,
    CommandRefused,
    Play,
    RestartSession,
    RunBackendAction,
    SetMute,
    SetVolume,
)
from satellite.runtime.command_queue import BURST, GAP_S, IN_ORDER_MAX, CommandQueue
from tests.fakes.virtual_time import pass_time, virtual


class LoopClock:
    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        raise AssertionError("not needed")


class Obeyed:
    """A queue, and what came out of it when."""

    def __init__(self) -> None:
        self.queue = CommandQueue(self._obey, LoopClock())
        self.commands: list[Command | CommandRefused] = []
        self._began_at = LoopClock().monotonic()

    def _obey(self, command: Command | CommandRefused) -> None:
        self.commands.append(command)

    def exhaust(self) -> None:
        """Use up what may be obeyed at once."""
        for percent in range(BURST):
            self.queue.put(SetVolume(percent))
        self.commands.clear()


@virtual
async def test_what_comes_at_a_person_s_pace_is_obeyed_at_once() -> None:
    obeyed = Obeyed()
    for percent in range(100):
        obeyed.queue.put(SetVolume(percent))
        assert obeyed.commands[-1] == SetVolume(percent)
        await pass_time(GAP_S + 0.001)
    assert obeyed.queue.passed_over == 0


@virtual
async def test_of_a_flood_the_newest_counts_and_no_more_than_the_pace_is_obeyed() -> None:
    obeyed = Obeyed()
    for turn in range(1000):
        for percent in range(100):
            obeyed.queue.put(SetVolume((turn + percent) % 101))
        await pass_time(0.01)
    obeyed.queue.put(SetVolume(42))
    await pass_time(1)
    assert obeyed.commands[-1] == SetVolume(42)
    assert len(obeyed.commands) <= BURST + 11 / GAP_S
    assert obeyed.queue.passed_over + len(obeyed.commands) == 100_001


@virtual
async def test_mute_goes_first() -> None:
    obeyed = Obeyed()
    obeyed.exhaust()
    for command in (SetVolume(1), RestartSession(), CommandRefused("x", "", "no"), SetMute(muted=True)):
        obeyed.queue.put(command)
    assert obeyed.commands == []
    await pass_time(GAP_S + 0.001)
    assert obeyed.commands == [SetMute(muted=True)]
    await pass_time(1)
    assert obeyed.commands[1:] == [SetVolume(1), RestartSession(), CommandRefused("x", "", "no")]


@virtual
async def test_sounds_and_actions_wait_in_order_up_to_a_bound() -> None:
    obeyed = Obeyed()
    obeyed.exhaust()
    wanted: list[Command] = [Play(f"/{number}") for number in range(10)]
    wanted += [RunBackendAction(f"a{number}", {}) for number in range(10)]
    for command in wanted:
        obeyed.queue.put(command)
    await pass_time(5)
    assert obeyed.commands == wanted[:IN_ORDER_MAX]
    assert obeyed.queue.passed_over == len(wanted) - IN_ORDER_MAX


@virtual
async def test_a_flood_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    obeyed = Obeyed()
    for _ in range(130):
        for percent in range(50):
            obeyed.queue.put(SetVolume(percent))
        await pass_time(1)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["commands come in a flood"] * 3
