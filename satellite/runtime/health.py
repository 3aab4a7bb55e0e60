"""HealthMeter: figures about work done, for `health`, and whether the pipeline moves, for the watchdog."""

from collections.abc import Callable

from satellite.core.audio import RATE_HZ
from satellite.homeassistant.payloads import HealthFigures
from satellite.ports import Clock, ProcessFigures
from satellite.runtime.listener import Listener
from satellite.runtime.uplink import Uplink

ALIVE_WITHIN_S = 5.0
"""An open microphone has delivered audio, or was opened, within this time, or the pipeline stands still."""


class HealthMeter:
    """Reads the counters of the services; holds none of its own."""

    def __init__(
        self,
        listener: Listener,
        uplink: Uplink,
        outbox_length: Callable[[], int],
        process: Callable[[], ProcessFigures],
        clock: Clock,
    ) -> None:
        self._listener = listener
        self._uplink = uplink
        self._outbox_length = outbox_length
        self._process = process
        self._clock = clock
        self._started_at = clock.monotonic()

    def is_alive(self, *, is_muted: bool) -> bool:
        """True while audio flows, is not meant to, or cannot because the device is known to be gone.

        A device that is pulled out is a problem that was told and is being worked on: a restart would not mend it.
        """
        heard = self._listener.counters
        signs = [at for at in (heard.opened_at, heard.last_block_at) if at is not None]
        now = self._clock.monotonic()
        return is_muted or self._listener.is_waiting_for_device or any(now - at < ALIVE_WITHIN_S for at in signs)

    def figures(self, version: str, lost_ms: float) -> HealthFigures:
        """The figures now."""
        heard = self._listener.counters
        sent = self._uplink.counters
        streamed_s = self._uplink.streamed_samples / RATE_HZ
        process = self._process()
        return HealthFigures(
            version=version,
            uptime_s=self._clock.monotonic() - self._started_at,
            captured_s=heard.captured_samples / RATE_HZ,
            streamed_s=streamed_s,
            billed_s=streamed_s,
            utterances=self._listener.utterances,
            sessions=sent.sessions,
            resumes=sent.resumes,
            reconnects=sent.reconnects,
            lost_audio_ms=lost_ms,
            outbox=self._outbox_length(),
            capture_age_ms=self._capture_age_ms(),
            cpu_s=process.cpu_s,
            rss_bytes=process.rss_bytes,
            uplink_p50_ms=self._uplink.waiting_ms.at(0.5),
            uplink_p95_ms=self._uplink.waiting_ms.at(0.95),
        )

    def _capture_age_ms(self) -> float | None:
        last = self._listener.counters.last_block_at
        return None if last is None else (self._clock.monotonic() - last) * 1000
