"""Loudspeaker: decoded pieces → playback device, and what is heard told at the moment it is."""

from collections.abc import Callable, Iterator
from typing import Protocol

from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, AudioFormat
from satellite.homeassistant.bodies import SpeechEvent
from satellite.ports import PlaybackSink
from satellite.runtime.intake import Passage, Piece
from satellite.runtime.volume import scale


class SpeechReport(Protocol):
    """Who is told what is heard."""

    def playing(self, is_heard: bool) -> None:
        """Sound comes out, be it speech or not, or has ended."""

    def speech_event(self, event: SpeechEvent, passage: Passage, duration_ms: int) -> None:
        """`started`, `finished` or `cut`, at that moment."""

    def speaker_failed(self, detail: str) -> None:
        """The playback device is lost or cannot be opened, or speech cannot be decoded: it is not heard."""

    def speaker_works(self) -> None:
        """Sound comes out (again)."""


class Loudspeaker:
    """Sounds one piece after the other; two passages never overlap, so that each is told true to its sound.

    A run of sound goes from its first piece to `end` or `cut`. Everything that sounds may raise DeviceError.
    """

    def __init__(self, sink: PlaybackSink, report: SpeechReport, on_sound: Callable[[], None]) -> None:
        self._sink = sink
        self._report = report
        self._on_sound = on_sound
        self._rate_hz: int | None = None
        self._heard: Passage | None = None
        self._is_sounding = False
        self.has_failed = False
        """True from a failure of the device until it is seen to work."""
        self.volume_percent = 80
        self.parts = 0
        """Handed over so far."""

    @property
    def is_open(self) -> bool:
        """True while the device is ours."""
        return self._rate_hz is not None

    @property
    def queued_s(self) -> float:
        """Seconds until the device has run dry."""
        return self._sink.queued_s

    async def sound(self, piece: Piece) -> None:
        """Hand a piece over; another passage begins when the one before was heard."""
        if self._heard is not None and self._heard is not piece.passage:
            await self._sink.drain()
            self._tell_end("finished", 0.0)
        await self._open(piece.rate_hz)
        self._sounds()
        for part in _parts(piece):
            piece.passage.played_ms += len(part) / SAMPLE_BYTES * 1000 / piece.rate_hz
            await self._sink.write(scale(part, self.volume_percent))
            self.parts += 1
            self._hears(piece.passage)

    async def prepare(self, rate_hz: int) -> None:
        """Open the device before anything is heard: one that hangs in that must not keep the microphone waiting."""
        await self._sink.open(AudioFormat(rate_hz))
        self._rate_hz = rate_hz

    async def retry(self) -> None:
        """Open a device that failed, to see whether it is back."""
        await self.prepare(RATE_HZ)
        self._works()

    async def drain(self) -> None:
        """Return when everything was heard."""
        if self.is_open:
            await self._sink.drain()

    async def cut(self) -> None:
        """Fall silent now; what was not heard yet never is."""
        unheard_ms = 0.0
        if self.is_open:
            unheard_ms = self._sink.queued_s * 1000
            await self._sink.clear()
        self._end("cut", unheard_ms)

    def fail(self) -> None:
        """The device failed: what was being heard is told as cut. It is to be closed."""
        self.has_failed = True
        self._end("cut", self._sink.queued_s * 1000)

    def end(self) -> None:
        """The run is over, all of it was heard."""
        self._end("finished", 0.0)

    async def close(self) -> None:
        """Give the device back."""
        self._rate_hz = None
        await self._sink.close()

    async def _open(self, rate_hz: int) -> None:
        if self._rate_hz != rate_hz:
            await self.drain()
            await self.prepare(rate_hz)

    def _sounds(self) -> None:
        if not self._is_sounding:
            self._is_sounding = True
            self._on_sound()
            self._report.playing(is_heard=True)

    def _hears(self, passage: Passage) -> None:
        """The device took sound of this passage."""
        if self._heard is passage:
            return
        self._heard = passage
        self._works()
        if passage.language:
            self._report.speech_event("started", passage, passage.announced_ms)

    def _works(self) -> None:
        self.has_failed = False
        self._report.speaker_works()

    def _end(self, outcome: SpeechEvent, unheard_ms: float) -> None:
        self._tell_end(outcome, unheard_ms)
        if self._is_sounding:
            self._is_sounding = False
            self._report.playing(is_heard=False)

    def _tell_end(self, outcome: SpeechEvent, unheard_ms: float) -> None:
        passage, self._heard = self._heard, None
        if passage is not None and passage.language:
            self._report.speech_event(outcome, passage, round(max(0.0, passage.played_ms - unheard_ms)))


def _parts(piece: Piece) -> Iterator[bytes]:
    """100 ms at a time, so that a cut or a change of volume is heard at once."""
    step_bytes = piece.rate_hz // 10 * SAMPLE_BYTES
    for at in range(0, len(piece.pcm), step_bytes):
        yield piece.pcm[at : at + step_bytes]
