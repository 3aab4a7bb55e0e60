"""HealthMeter: figures about work done, for `health`, and whether the pipeline moves, for the watchdog."""

from collections.abc import Callable
from dataclasses import dataclass

from satellite.core.audio import RATE_HZ
from satellite.core.liveness import Liveness, Vital
from satellite.core.turn import TurnState
from satellite.homeassistant.payloads import HealthFigures
from satellite.ports import Clock, ProcessFigures
from satellite.runtime.control import Rooms

FLOOR_PATIENCE_S = 30.0
"""More than the floor keeps the microphone closed for speech that is not heard yet, or not any longer."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is known of the way to the broker."""

    waiting: Callable[[], int]
    vital: Callable[[], Vital] | None
    """None for what takes the place of a broker: it keeps up."""


class HealthMeter:
    """Reads what the services count; of its own it only knows how long each of them stood still."""

    def __init__(self, rooms: Rooms, outgoing: Outgoing, process: Callable[[], ProcessFigures], clock: Clock) -> None:
        self._rooms = rooms
        self._outgoing = outgoing
        self._process = process
        self._clock = clock
        self._liveness = Liveness()
        self._started_at = clock.monotonic()

    def stuck(self) -> str | None:
        """The part of the pipeline that has work and does none, for no reason that is known; to be asked steadily."""
        return self._liveness.stuck(self._vitals(), self._clock.monotonic())

    def figures(self, version: str, lost_ms: float) -> HealthFigures:
        """The figures now."""
        listener, uplink = self._rooms.listener, self._rooms.uplink
        sent = uplink.counters
        streamed_s = uplink.streamed_samples / RATE_HZ
        process = self._process()
        return HealthFigures(
            version=version,
            uptime_s=self._clock.monotonic() - self._started_at,
            captured_s=listener.counters.captured_samples / RATE_HZ,
            streamed_s=streamed_s,
            billed_s=streamed_s,
            utterances=listener.utterances,
            sessions=sent.sessions,
            resumes=sent.resumes,
            reconnects=sent.reconnects,
            lost_audio_ms=lost_ms,
            outbox=self._outgoing.waiting(),
            capture_age_ms=self._capture_age_ms(),
            cpu_s=process.cpu_s,
            rss_bytes=process.rss_bytes,
            uplink_p50_ms=uplink.waiting_ms.at(0.5),
            uplink_p95_ms=uplink.waiting_ms.at(0.95),
        )

    def _vitals(self) -> dict[str, Vital]:
        """In the order of the pipeline: the first that is stuck is named."""
        rooms = self._rooms
        is_closed_for_nothing = rooms.floor.state is not TurnState.LISTENING and not rooms.speaker.is_busy
        waits_for_nobody = rooms.speaker.is_waiting_for_floor and not rooms.listener.is_open
        vitals = {
            "capture": rooms.listener.vital,
            "the uplink": rooms.uplink.vital,
            "playback": rooms.speaker.vital,
            "the floor": Vital(rooms.floor.state, is_closed_for_nothing or waits_for_nobody, FLOOR_PATIENCE_S),
        }
        if self._outgoing.vital is not None:
            vitals["the broker link"] = self._outgoing.vital()
        return vitals

    def _capture_age_ms(self) -> float | None:
        last = self._rooms.listener.counters.last_block_at
        return None if last is None else (self._clock.monotonic() - last) * 1000
