"""Figures about work done, and whether the pipeline moves."""

import pytest

from satellite.core.liveness import Vital
from satellite.errors import DeviceError
from satellite.ports import ProcessFigures
from satellite.runtime.control import Rooms
from satellite.runtime.health import FLOOR_PATIENCE_S, HealthMeter, Outgoing
from satellite.runtime.listener import CAPTURE_PATIENCE_S
from satellite.runtime.speaker import PATIENCE_S
from satellite.runtime.uplink import SESSION_PATIENCE_S, STREAMING_PATIENCE_S
from tests.fakes.stage import Stage, spoken
from tests.fakes.virtual_time import pass_time, running, virtual
from tests.fakes.voice import REFUSED, Fate


class Play(Stage):
    """A satellite with a meter, which is asked each second."""

    def __init__(self, *fates: Fate) -> None:
        super().__init__(fates)
        self.broker: Vital | None = None
        self.stuck: str | None = None
        rooms = Rooms(self.listener, self.uplink, self.speaker, self.floor)
        outgoing = Outgoing(lambda: 7, self.vital_of_broker)
        self.meter = HealthMeter(rooms, outgoing, lambda: ProcessFigures(cpu_s=1.5, rss_bytes=50_000_000), self.clock)

    def vital_of_broker(self) -> Vital:
        return self.broker or Vital(None, is_due=False, patience_s=1.0)

    async def stuck_after(self, seconds: float) -> float | None:
        """When something was stuck, None when nothing was in that time."""
        for second in range(round(seconds)):
            self.stuck = self.meter.stuck()
            if self.stuck is not None:
                return second
            await pass_time(1.0)
        return None


@virtual
async def test_at_first_there_is_nothing_to_measure() -> None:
    figures = Play().meter.figures("1.0", 0.0)
    assert (figures.version, figures.uptime_s, figures.captured_s, figures.outbox) == ("1.0", 0.0, 0.0, 7)
    assert (figures.capture_age_ms, figures.uplink_p50_ms, figures.uplink_p95_ms) == (None, None, None)


@virtual
async def test_the_figures_are_those_of_the_services() -> None:
    play = Play()
    play.room.speak(2.0, in_s=1.0)
    async with play.on():
        await pass_time(10.05)
        figures = play.meter.figures("1.0", 120.0)
    assert figures.uptime_s == pytest.approx(10.05)
    assert figures.captured_s == pytest.approx(10.0)
    assert figures.streamed_s == figures.billed_s == pytest.approx(3.3)
    assert (figures.utterances, figures.sessions, figures.resumes, figures.reconnects) == (1, 1, 0, 0)
    assert (figures.lost_audio_ms, figures.cpu_s, figures.rss_bytes) == (120.0, 1.5, 50_000_000)
    assert figures.capture_age_ms == pytest.approx(50)
    assert (figures.uplink_p50_ms, figures.uplink_p95_ms) == (0.0, 500.0), "half a second waited for the session"


# --- what moves ---------------------------------------------------------------------------------------------------


@virtual
async def test_half_an_hour_of_talk_and_answers_is_well() -> None:
    play = Play()
    async with play.on():
        for _ in range(30):
            play.room.speak(20.0)
            play.speaker.speech(spoken(25.0), None)
            assert await play.stuck_after(60) is None


@virtual
async def test_a_capture_that_ends_without_a_word_is_stuck() -> None:
    play = Play()
    async with play.on():
        assert await play.stuck_after(20) is None
        play.room.capture.skip(1e6)
        assert await play.stuck_after(60) == pytest.approx(CAPTURE_PATIENCE_S, abs=1.1)
    assert play.stuck == "capture"


@virtual
async def test_a_listener_that_never_began_is_stuck() -> None:
    play = Play()
    assert await play.stuck_after(60) is not None
    assert play.stuck == "capture"


@virtual
async def test_a_device_that_hangs_when_it_is_closed_is_stuck() -> None:
    play = Play()
    play.room.stop_s = 1e6
    async with play.on():
        await pass_time(5)
        play.room.capture.fail()
        assert await play.stuck_after(60) is not None
    assert play.stuck == "capture"


@virtual
async def test_a_session_that_takes_no_sound_is_stuck() -> None:
    play = Play(Fate(is_hungry=False, idle_close_s=1e5))
    async with play.on():
        play.room.speak(2.0)
        assert await play.stuck_after(300) == pytest.approx(STREAMING_PATIENCE_S, abs=3)
    assert play.stuck == "the uplink"


@virtual
async def test_a_session_that_never_begins_is_stuck() -> None:
    play = Play(Fate(opens_after_s=1e5, idle_close_s=1e5))
    async with play.on():
        play.room.speak(2.0)
        assert await play.stuck_after(300) == pytest.approx(SESSION_PATIENCE_S, abs=3)
    assert play.stuck == "the uplink"


@virtual
async def test_a_broker_link_that_keeps_what_it_has_is_stuck() -> None:
    play = Play()
    async with play.on():
        play.broker = Vital(3, is_due=True, patience_s=30.0)
        assert await play.stuck_after(60) == 30
    assert play.stuck == "the broker link"


@virtual
async def test_a_loudspeaker_that_takes_nothing_is_stuck() -> None:
    play = Play()
    async with play.on():
        play.sink.open_s = 1e5
        play.speaker.speech(spoken(2.0), None)
        assert await play.stuck_after(60) == pytest.approx(PATIENCE_S, abs=2)
    assert play.stuck == "playback"


@virtual
async def test_a_microphone_that_is_kept_closed_for_nothing_is_stuck() -> None:
    play = Play()
    async with play.on():
        play.floor.playback_started()
        assert await play.stuck_after(60) == pytest.approx(FLOOR_PATIENCE_S, abs=2)
    assert play.stuck == "the floor"


@virtual
async def test_speech_that_waits_for_nobody_is_stuck() -> None:
    play = Play()
    play.floor.on_start_playback = lambda: None
    async with play.on():
        play.speaker.speech(spoken(2.0), None)
        assert await play.stuck_after(60) == pytest.approx(FLOOR_PATIENCE_S, abs=20)
    assert play.stuck == "the floor"


# --- what is known and told ---------------------------------------------------------------------------------------


@virtual
async def test_muted_it_is_well_without_sound() -> None:
    play = Play()
    async with play.on():
        play.listener.mute(is_muted=True)
        assert await play.stuck_after(100) is None
        play.listener.mute(is_muted=False)
        assert await play.stuck_after(20) is None


@virtual
async def test_a_device_that_is_known_to_be_gone_is_no_reason_for_a_restart() -> None:
    play = Play()
    play.room.refusals.extend([DeviceError("pulled out")] * 100)
    async with running(play.listener.run):
        assert await play.stuck_after(100) is None


@virtual
async def test_a_service_that_is_known_to_be_away_is_no_reason_for_a_restart() -> None:
    play = Play(*[Fate(failure=REFUSED)] * 200)
    async with play.on():
        for _ in range(30):
            play.room.speak(5.0)
            assert await play.stuck_after(60) is None


@virtual
async def test_speech_that_waits_for_somebody_to_end_is_well() -> None:
    play = Play()
    async with play.on():
        play.room.speak(100.0)
        await pass_time(1.0)
        play.speaker.speech(spoken(2.0), None)
        assert await play.stuck_after(90) is None
