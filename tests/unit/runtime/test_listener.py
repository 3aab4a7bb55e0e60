"""The capture device: kept open, closed on purpose, opened again; what it delivers is heard."""

import asyncio
import itertools

import pytest

from satellite.core.audio import RATE_HZ
from satellite.core.backoff import Backoff
from satellite.core.gate import EndReason, VadGate
from satellite.errors import DeviceError
from satellite.runtime.listener import Listener, ListenerParts
from tests.fakes.room import LoudDetector, Room
from tests.fakes.stage import GATE
from tests.fakes.virtual_time import VirtualClock, pass_time, running, virtual
from tests.unit.runtime.test_hearing import Sink


class Report:
    """listener.MicrophoneReport."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []

    def microphone_failed(self, detail: str) -> None:
        self.told.append((seconds(), detail))

    def microphone_works(self) -> None:
        self.told.append((seconds(), "works"))


def seconds() -> float:
    """Since the beginning."""
    return round(asyncio.get_running_loop().time() - 1000, 3)


class Play:
    """A listener in a room. A device that was lost is tried again after 1, 2, 4, … seconds."""

    def __init__(self) -> None:
        self.room, self.sink, self.report = Room(), Sink(), Report()
        numbers = itertools.count(1)
        parts = ListenerParts(
            open_capture=self.room.open_capture,
            detector=LoudDetector(),
            gate=VadGate(GATE),
            clock=VirtualClock(),
            backoff=Backoff(lambda: 1.0, cap_s=10.0),
            new_id=lambda: f"u{next(numbers)}",
        )
        self.listener = Listener(parts, self.sink, self.report)

    @property
    def reasons(self) -> list[EndReason | None]:
        return [utterance.reason for utterance in self.sink.utterances]


@virtual
async def test_it_hears_what_is_said_and_counts() -> None:
    play = Play()
    play.room.speak(2.0, in_s=1.0)
    async with running(play.listener.run):
        await pass_time(2.0)
        was_open = play.listener.is_open
        await pass_time(4.05)
        assert (was_open, play.listener.is_open) == (True, False)
    assert play.reasons == [EndReason.SILENCE]
    counters = play.listener.counters
    assert counters.captured_samples == 6 * RATE_HZ
    assert [counters.opened_at, counters.last_block_at] == pytest.approx([1000.0, 1006.0])
    assert play.listener.utterances == 1
    assert play.report.told == [(0.1, "works")]


@virtual
async def test_cancelling_closes_the_device_and_ends_the_utterance() -> None:
    play = Play()
    play.room.speak(9.0, in_s=1.0)
    async with running(play.listener.run):
        await pass_time(3)
    assert play.room.capture.stopped_at is not None
    assert play.reasons == [EndReason.STOPPED]


# --- the end of the input -----------------------------------------------------------------------------------------


@virtual
async def test_the_end_of_a_file_is_the_end_of_the_run() -> None:
    play = Play()
    play.room.ends_at = 1002.0
    play.room.speak(9.0, in_s=1.0)
    await play.listener.run()
    assert seconds() == pytest.approx(2.1)
    assert play.reasons == [EndReason.STOPPED]
    assert len(play.sink.utterances[0].audio) == 2 * round(1.4 * RATE_HZ)
    assert len(play.room.captures) == 1


@virtual
async def test_stop_ends_the_utterance_at_once_and_then_the_run() -> None:
    play = Play()
    play.room.speak(9.0, in_s=1.0)
    async with running(play.listener.run) as (run,):
        await pass_time(3)
        play.room.stop_s = 1.5
        play.listener.stop()
        assert play.reasons == [EndReason.STOPPED]
        play.room.capture.block(1003.0)
        assert len(play.sink.utterances) == 1, "what was on its way is not heard"
        await pass_time(2)
        assert run.done()
    assert play.room.capture.stopped_at == 1004.5


@virtual
async def test_stop_before_the_start() -> None:
    play = Play()
    play.listener.stop()
    await play.listener.run()
    assert play.room.captures == []


@virtual
async def test_stop_while_muted() -> None:
    play = Play()
    play.listener.mute(is_muted=True)
    async with running(play.listener.run) as (run,):
        await pass_time(3)
        play.listener.stop()
        await pass_time()
        assert run.done()


@virtual
async def test_stop_while_waiting_for_the_device() -> None:
    play = Play()
    play.room.refusals.extend([DeviceError("not there")] * 9)
    async with running(play.listener.run) as (run,):
        await pass_time(0.5)
        play.listener.stop()
        await pass_time()
        assert run.done()


@virtual
async def test_stop_while_a_lost_device_is_being_closed() -> None:
    play = Play()
    play.room.stop_s = 1.0
    async with running(play.listener.run) as (run,):
        await pass_time(0.5)
        play.room.capture.fail()
        await pass_time(0.5)
        play.listener.stop()
        await pass_time(1)
        assert run.done()
    assert play.report.told == [(0.1, "works"), (0.5, "pulled out")], "before it was closed, which took long"


# --- mute ---------------------------------------------------------------------------------------------------------


@virtual
async def test_mute_closes_the_device_and_ends_the_utterance() -> None:
    play = Play()
    play.room.speak(60.0, in_s=1.0)
    async with running(play.listener.run) as (run,):
        await pass_time(3)
        play.listener.mute(is_muted=True)
        assert play.reasons == [EndReason.MUTED]
        play.room.capture.block(1003.0)
        await pass_time()
        assert play.room.capture.stopped_at == 1003.0
        await pass_time(20)
        assert len(play.room.captures) == 1
        play.listener.mute(is_muted=False)
        await pass_time(2)
        assert len(play.room.captures) == 2
        assert play.reasons == [EndReason.MUTED, None]
        assert play.sink.utterances[1].start_s == pytest.approx(play_wall(23.0), abs=0.002), "no pre-roll from before"
        assert not run.done()


def play_wall(at_s: float) -> float:
    return VirtualClock().wall_s + at_s


@virtual
async def test_mute_taken_back_at_once_does_not_end_the_run() -> None:
    play = Play()
    async with running(play.listener.run) as (run,):
        await pass_time(1)
        play.listener.mute(is_muted=True)
        play.listener.mute(is_muted=False)
        await pass_time(1)
        assert not run.done()
        assert len(play.room.captures) == 2
        assert play.room.captures[0].stopped_at is not None


@virtual
async def test_mute_taken_back_while_the_device_closes_opens_it_again() -> None:
    play = Play()
    play.room.stop_s = 1.0
    async with running(play.listener.run):
        await pass_time(1)
        play.listener.mute(is_muted=True)
        await pass_time(0.5)
        play.listener.mute(is_muted=False)
        await pass_time(2)
        assert [capture.opened_at for capture in play.room.captures] == [1000.0, 1002.0]


@virtual
async def test_muted_from_the_start_no_device_is_opened() -> None:
    play = Play()
    play.listener.mute(is_muted=True)
    async with running(play.listener.run):
        await pass_time(60)
        assert play.room.captures == []
        play.listener.mute(is_muted=False)
        await pass_time(1)
        assert len(play.room.captures) == 1


@virtual
async def test_mute_while_waiting_for_the_device() -> None:
    play = Play()
    play.room.refusals.append(DeviceError("busy"))
    async with running(play.listener.run):
        await pass_time(0.5)
        play.listener.mute(is_muted=True)
        await pass_time(60)
        assert len(play.room.captures) == 1, "nobody wants it"


# --- a device that is lost ----------------------------------------------------------------------------------------


@virtual
async def test_a_lost_device_is_told_and_opened_again() -> None:
    play = Play()
    play.room.speak(60.0, in_s=1.0)
    async with running(play.listener.run):
        await pass_time(3)
        play.room.capture.fail(DeviceError("the microphone was pulled out"))
        await pass_time()
        assert play.reasons == [EndReason.DEVICE_LOST]
        assert play.room.capture.stopped_at == 1003.0
        was_due = play.listener.vital.is_due
        await pass_time(3)
        assert (was_due, play.listener.vital.is_due) == (False, True)
        assert [capture.opened_at for capture in play.room.captures] == [1000.0, 1004.0]
        assert play.reasons == [EndReason.DEVICE_LOST, None]
    assert play.report.told == [(0.1, "works"), (3.0, "the microphone was pulled out"), (4.1, "works")]


@virtual
async def test_a_device_that_does_not_open_is_tried_less_and_less_often_for_ever() -> None:
    play = Play()
    play.room.refusals.extend([DeviceError("not there")] * 7)
    async with running(play.listener.run):
        await pass_time(60)
    tries = [told[0] for told in play.report.told]
    assert tries == [0, 1, 3, 7, 15, 25, 35, 45.1], "1, 2, 4, 8, then the cap of 10 s"
    assert play.report.told[-1][1] == "works"
    assert not any(capture.opened_at for capture in play.room.captures[:7])


@virtual
async def test_after_a_stable_life_the_device_is_tried_soon_again() -> None:
    play = Play()
    play.room.refusals.extend([DeviceError("not there")] * 4)
    async with running(play.listener.run):
        await pass_time(15.5)
        await pass_time(60)
        play.room.capture.fail()
        opened_before = len(play.room.captures)
        await pass_time(1.0)
        assert len(play.room.captures) == opened_before + 1


@virtual
async def test_what_the_device_could_not_deliver_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    play = Play()
    play.room.overruns = 3
    async with running(play.listener.run):
        await pass_time(1)
        play.room.capture.fail()
        await pass_time(2)
    assert play.listener.counters.overruns == 6
    assert "microphone: 3 blocks were lost" in caplog.messages


@virtual
async def test_a_late_end_of_a_closed_device_means_nothing() -> None:
    play = Play()
    async with running(play.listener.run) as (run,):
        await pass_time(1)
        play.listener.mute(is_muted=True)
        play.room.capture.fail()
        await pass_time(1)
        assert not run.done()
    assert play.report.told == [(0.1, "works")]


# --- the gate's other masters ---------------------------------------------------------------------------------------


@virtual
async def test_suppression_and_release() -> None:
    play = Play()
    play.room.speak(60.0, in_s=1.0)
    async with running(play.listener.run):
        await pass_time(3)
        play.listener.suppress()
        await pass_time(3)
        play.listener.release(1006.5)
        await pass_time(3)
    assert play.reasons == [EndReason.SUPPRESSED, EndReason.STOPPED]
    assert play.sink.utterances[1].start_s == pytest.approx(play_wall(6.5), abs=0.021)


@virtual
async def test_push_to_talk() -> None:
    play = Play()
    async with running(play.listener.run):
        await pass_time(3)
        play.listener.hold(is_held=True)
        await pass_time(2)
        play.listener.hold(is_held=False)
        await pass_time(2)
    assert play.reasons == [EndReason.RELEASED]
    assert play.sink.utterances[0].start_s == pytest.approx(play_wall(2.6), abs=0.11)


@virtual
async def test_what_is_no_failure_of_a_device_is_raised() -> None:
    """A bug in the thread of a device would otherwise look like a device that comes and goes for ever."""
    play = Play()

    async def listen() -> None:
        with pytest.raises(KeyError):
            await play.listener.run()

    async with running(listen):
        await pass_time(1)
        play.room.capture.fail(KeyError("a bug"))
        await pass_time(1)
    assert [detail for _, detail in play.report.told] == ["works"]
