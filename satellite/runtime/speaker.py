"""Speaker: speech → jitter buffer → loudspeaker when the floor allows it."""

import asyncio
import logging
from dataclasses import dataclass

from satellite.core.events import SpeechChunk
from satellite.core.liveness import Vital
from satellite.errors import DeviceError
from satellite.ports import DecoderFactory, PlaybackSink
from satellite.runtime.floor import Floor
from satellite.runtime.intake import Piece, SpeechIntake
from satellite.runtime.loudspeaker import Loudspeaker, SpeechReport

log = logging.getLogger(__name__)

PATIENCE_S = 20.0
"""More than a loudspeaker takes to be opened, to play out what it holds, or to be taken for lost."""

FLUSH_AHEAD_S = 0.1
"""The decoder is flushed this long before the device runs dry, so that the last syllable follows without a break."""


@dataclass(frozen=True, slots=True)
class SpeakerSettings:
    """How speech is played.

    `jitter_s` of it are gathered before it begins; it is over when the device has run dry and no more has come.
    `limit_s` bounds what may wait: beyond it the rest of that speech is refused. The device is given back after
    `idle_close_s`; one that failed is tried each `retry_s`, so that it is known to be back before it is needed.
    """

    jitter_s: float = 0.2
    idle_close_s: float = 10.0
    limit_s: float = 60.0
    retry_s: float = 3.0


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
        self._floor = floor
        self._report = report
        self._settings = settings
        self._arrived = asyncio.Event()
        self._may_start = asyncio.Event()
        self._silent = asyncio.Event()
        self._silent.set()
        self._turn: asyncio.Timeout | None = None
        self.is_waiting_for_floor = False
        """True while speech could be heard as soon as nobody speaks."""
        self._turns = self._arrivals = 0
        self._intake = SpeechIntake(make_decoder, self._arrived.set, report.speaker_failed, settings.limit_s)
        self._loudspeaker = Loudspeaker(sink, report, floor.playback_started)

    @property
    def is_busy(self) -> bool:
        """True while something is heard or about to be."""
        return self._turn is not None

    @property
    def vital(self) -> Vital:
        """Speech that came is decoded and heard, unless it waits for somebody to end speaking."""
        done = (self._turns, self._arrivals, self.is_waiting_for_floor, self._loudspeaker.parts)
        return Vital(done, self.is_busy and not self.is_waiting_for_floor, PATIENCE_S)

    @property
    def volume_percent(self) -> int:
        """Loudness, 0 to 100; a change is heard within a few tenths of a second."""
        return self._loudspeaker.volume_percent

    @volume_percent.setter
    def volume_percent(self, percent: int) -> None:
        self._loudspeaker.volume_percent = percent

    def speech(self, chunk: SpeechChunk, utterance_id: str | None) -> None:
        """Queue synthesised speech of an utterance."""
        if self._intake.speech(chunk, utterance_id):
            self._announce()

    def speech_stream_ended(self) -> None:
        """The service's stream of speech is over; a new one begins anew."""
        self._intake.stream_ended()

    def sound(self, pcm: bytes, rate_hz: int) -> None:
        """Queue a sound behind the speech that waits."""
        if self._intake.sound(pcm, rate_hz):
            self._announce()

    def start(self) -> None:
        """The floor is ours."""
        self._may_start.set()

    def cut(self, reason: str) -> None:
        """Fall silent now and drop what waits, and the rest of the present speech when it arrives."""
        self._intake.drop()
        if self._turn is not None:
            log.info("speaker: cut (%s)", reason)
            self._turn.reschedule(0.0)  # a moment long past: what plays is interrupted wherever it waits
            self._turn = None

    async def settled(self) -> None:
        """Wait until nothing plays and nothing waits."""
        await self._silent.wait()

    async def run(self) -> None:
        """Play whenever the floor allows it, for ever."""
        try:
            while True:
                await self._wait_for_sound()
                await self._take_turn()
        finally:
            self._intake.close()
            await self._loudspeaker.close()

    async def _wait_for_sound(self) -> None:
        """Wait until there is something to be heard; give the device back when that takes long."""
        while self._intake.is_done:
            self._silent.set()
            if await self._more(self._patience_s):
                continue
            if self._loudspeaker.has_failed:
                await self._try_device()
            else:
                await self._loudspeaker.close()

    @property
    def _patience_s(self) -> float | None:
        """How long nothing may come before something is done about the device."""
        if self._loudspeaker.has_failed:
            return self._settings.retry_s
        return self._settings.idle_close_s if self._loudspeaker.is_open else None

    async def _try_device(self) -> None:
        """See whether the loudspeaker is back."""
        try:
            await self._loudspeaker.retry()
        except DeviceError as error:
            self._report.speaker_failed(str(error))
        else:
            log.info("speaker: the loudspeaker is back")

    async def _take_turn(self) -> None:
        """One run of sound: from the first piece to the drained device, or until it is cut."""
        self._may_start.clear()
        self._turns += 1
        try:
            async with asyncio.timeout(None) as self._turn:
                if await self._fill():
                    await self._loudspeaker.prepare(self._intake.rate_hz)
                    self._floor.speech_waiting()
                    self.is_waiting_for_floor = True
                    await self._may_start.wait()
                    self.is_waiting_for_floor = False
                    await self._play()
            self._loudspeaker.end()
        except TimeoutError:
            await self._loudspeaker.cut()
        except DeviceError as error:
            log.warning("speaker: %s", error)
            self._intake.drop()
            self._loudspeaker.fail()
            self._report.speaker_failed(str(error))
        finally:
            self._turn = None
            self.is_waiting_for_floor = False
        self._intake.passage_ended()
        # the microphone may hear again before a failed device is let go of, for that takes its time
        if self._may_start.is_set():
            self._floor.playback_drained()
        else:
            self._floor.speech_gone()
        if self._loudspeaker.has_failed:
            await self._loudspeaker.close()

    async def _fill(self) -> bool:
        """Let the jitter buffer fill, to ride out gaps of arrival; False when nothing comes out of the decoder."""
        jitter_s = self._settings.jitter_s
        while self._intake.seconds < jitter_s and await self._more(jitter_s):
            pass
        return not self._intake.is_empty or await self._intake.flush()

    async def _play(self) -> None:
        """Sound all that waits and all that comes meanwhile."""
        while not self._intake.is_empty:
            while (piece := await self._next_piece()) is not None:
                await self._loudspeaker.sound(piece)
            await self._loudspeaker.drain()

    async def _next_piece(self) -> Piece | None:
        """The next piece to be heard; None when the speech is over."""
        intake, loudspeaker = self._intake, self._loudspeaker
        while intake.is_empty:
            if intake.is_held_up:
                await intake.flush()
            elif intake.is_done:
                if not await self._more(loudspeaker.queued_s):
                    return None
            elif not await self._more(max(0.0, loudspeaker.queued_s - FLUSH_AHEAD_S)):
                await intake.flush()
        return intake.pop()

    async def _more(self, timeout_s: float | None) -> bool:
        """Wait for more to come in; False when nothing did in time."""
        self._arrived.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    def _announce(self) -> None:
        self._arrivals += 1
        self._silent.clear()
        self._arrived.set()
