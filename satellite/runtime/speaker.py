"""Speaker: speech → jitter buffer → loudspeaker when the floor allows it, with events at the moment of sound."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from satellite.core.audio import SAMPLE_BYTES, AudioFormat
from satellite.core.events import SpeechChunk
from satellite.errors import DeviceError
from satellite.ports import DecoderFactory, PlaybackSink
from satellite.runtime.floor import Floor
from satellite.runtime.intake import Passage, Piece, SpeechIntake
from satellite.runtime.volume import scale

log = logging.getLogger(__name__)


class SpeechReport(Protocol):
    """Who is told what is heard."""

    def speech_event(self, event: str, passage: Passage, duration_ms: int) -> None:
        """`started`, `finished` or `cut`, at that moment."""

    def speaker_failed(self, detail: str) -> None:
        """The playback device is lost or cannot be opened; this speech is not heard."""

    def speaker_works(self) -> None:
        """Sound comes out (again)."""


@dataclass(frozen=True, slots=True)
class SpeakerSettings:
    """How speech is played. `limit_s` bounds what may wait; beyond it the rest of that speech is refused."""

    jitter_s: float = 0.2
    gap_s: float = 0.25
    idle_close_s: float = 10.0
    limit_s: float = 60.0


class Speaker:
    """Plays speech in order of arrival; never holds up transcripts."""

    def __init__(
        self,
        sink: PlaybackSink,
        make_decoder: DecoderFactory,
        floor: Floor,
        report: SpeechReport,
        settings: SpeakerSettings,
    ) -> None:
        self._sink = sink
        self._floor = floor
        self._report = report
        self._settings = settings
        self._arrived = asyncio.Event()
        self._may_start = asyncio.Event()
        self._silent = asyncio.Event()
        self._silent.set()
        self._is_cut = False
        self._open_rate_hz: int | None = None
        self._intake = SpeechIntake(make_decoder, self._arrived.set, report.speaker_failed, settings.limit_s)
        self.volume_percent = 80

    def speech(self, chunk: SpeechChunk, utterance_id: str | None) -> None:
        """Queue synthesised speech of an utterance."""
        if self._intake.speech(chunk, utterance_id):
            self._announce()

    def speech_stream_ended(self) -> None:
        """The service's stream of speech is over; a new one begins anew."""
        self._intake.stream_ended()

    def sound(self, pcm: bytes, rate_hz: int) -> None:
        """Queue a sound behind the speech that waits."""
        self._intake.push(Piece(Passage(None, ""), pcm, rate_hz))
        self._announce()

    def start(self) -> None:
        """The floor is ours."""
        self._may_start.set()

    def cut(self, reason: str) -> None:
        """Fall silent now and drop what waits, and the rest of the present speech when it arrives."""
        log.info("speaker: cut (%s)", reason)
        self._is_cut = True
        self._intake.drop()
        self._arrived.set()
        if not self._may_start.is_set() and not self._silent.is_set():
            self._silent.set()
            self._floor.speech_gone()

    async def settled(self) -> None:
        """Wait until nothing plays and nothing waits."""
        await self._silent.wait()

    async def run(self) -> None:
        """Play whenever the floor allows it, for ever."""
        try:
            while True:
                await self._wait_for_start()
                await self._play()
        finally:
            self._intake.close()
            await self._sink.close()

    async def _wait_for_start(self) -> None:
        """Wait for the floor; give the device back when it was idle for long."""
        while not self._may_start.is_set():
            timeout_s = None if self._open_rate_hz is None else self._settings.idle_close_s
            try:
                await asyncio.wait_for(self._may_start.wait(), timeout_s)
            except TimeoutError:
                self._open_rate_hz = None
                await self._sink.close()

    async def _play(self) -> None:
        """One run of sound: from the first piece to the drained device."""
        self._is_cut = False
        passage: Passage | None = None
        try:
            while self._intake.seconds < self._settings.jitter_s and await self._more(self._settings.jitter_s):
                pass  # the jitter buffer fills, to ride out gaps of arrival
            while (piece := await self._next_piece()) is not None:
                passage = await self._sound_piece(piece, passage)
            if not self._is_cut:
                await self._sink.drain()
            elif passage is not None:
                await self._sink.clear()
        except DeviceError as error:
            await self._lose_device(error)
        self._finish_run(passage)

    async def _lose_device(self, error: DeviceError) -> None:
        log.warning("speaker: %s", error)
        self._report.speaker_failed(str(error))
        self._is_cut = True
        self._intake.drop()
        self._open_rate_hz = None
        await self._sink.close()

    def _finish_run(self, passage: Passage | None) -> None:
        """Tell that it is silent, and ask for the floor again when more came in meanwhile."""
        if passage is not None:
            self._tell("cut" if self._is_cut else "finished", passage)
        self._may_start.clear()
        self._floor.playback_drained()
        if self._intake.is_empty:
            self._silent.set()
        else:
            self._floor.speech_waiting()

    async def _next_piece(self) -> Piece | None:
        """The next piece to be heard; None when the speech is over or was cut."""
        if self._intake.is_empty and not await self._more(self._settings.gap_s):
            await self._intake.flush()
        if self._is_cut or self._intake.is_empty:
            return None
        return self._intake.pop()

    async def _more(self, timeout_s: float) -> bool:
        """Wait for a piece to come in; False when none did in time, or playback was cut."""
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), timeout_s)
        except TimeoutError:
            return False
        return not self._is_cut

    async def _sound_piece(self, piece: Piece, before: Passage | None) -> Passage:
        """Hand one piece to the device; the passage it belongs to is heard from now on."""
        if self._open_rate_hz != piece.rate_hz:
            if self._open_rate_hz is not None:
                await self._sink.drain()
            await self._sink.open(AudioFormat(piece.rate_hz))
            self._open_rate_hz = piece.rate_hz
        if before is None:
            self._floor.playback_started()
        for part in _parts(piece):
            if self._is_cut:
                break
            await self._sink.write(scale(part, self.volume_percent))
            if piece.passage is not before:
                self._change(before, piece.passage)
                before = piece.passage
            piece.passage.played_ms += len(part) / SAMPLE_BYTES * 1000 / piece.rate_hz
        return piece.passage

    def _change(self, before: Passage | None, passage: Passage) -> None:
        if before is not None:
            self._tell("finished", before)
        else:
            self._report.speaker_works()
        self._tell("started", passage)

    def _tell(self, event: str, passage: Passage) -> None:
        duration_ms = passage.announced_ms if event == "started" else round(passage.played_ms)
        if passage.language:
            self._report.speech_event(event, passage, duration_ms)

    def _announce(self) -> None:
        """Ask for the floor when there is something to be heard and nothing is."""
        if self._silent.is_set():
            self._silent.clear()
            self._floor.speech_waiting()


def _parts(piece: Piece) -> Iterator[bytes]:
    """100 ms at a time, so that a cut or a change of volume is heard at once."""
    step_bytes = piece.rate_hz // 10 * SAMPLE_BYTES
    for at in range(0, len(piece.pcm), step_bytes):
        yield piece.pcm[at : at + step_bytes]
