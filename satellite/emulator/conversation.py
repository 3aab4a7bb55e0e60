"""What a session keeps over its connections: the recognition, the transcript, and what waits to be sent."""

import asyncio
import functools
import heapq
import itertools
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from satellite.core.audio import ms_of_samples
from satellite.emulator.labels import Labels, load_labels
from satellite.emulator.pcm import WIDTH, read_wav
from satellite.emulator.recogniser import Heard, HeardWord, LabelRecogniser, Recogniser, Resent, SilentRecogniser
from satellite.emulator.settings import EmulatorSettings
from satellite.errors import MediaError


@dataclass(frozen=True, slots=True)
class Truth:
    """The recording that is expected (16 kHz mono s16le) and what is said in it."""

    recording: bytes = b""
    labels: Labels | None = None

    @classmethod
    def load(cls, settings: EmulatorSettings) -> "Truth":
        """Read recording and labels; MediaError when one is missing or unusable."""
        if settings.recording is None and settings.labels is None:
            return cls()
        if settings.recording is None or settings.labels is None:
            raise MediaError("a recording needs its labels and labels need their recording: give both")
        return cls(read_wav(settings.recording, 16_000), load_labels(settings.labels))

    @property
    def language(self) -> str:
        """The language spoken in the recording."""
        return self.labels.language if self.labels else "en"

    def recogniser(self, settings: EmulatorSettings, *, exact: bool) -> Recogniser:
        """The recogniser asked for; auto goes by labels where there are any."""
        if settings.recogniser == "pocketsphinx":
            from satellite.emulator.sphinx import SphinxRecogniser  # noqa: PLC0415 - 110 MB, loaded only when used

            return SphinxRecogniser()
        if self.labels is None:
            return SilentRecogniser()
        return LabelRecogniser(self.recording, self.labels, exact=exact, resend_window_s=settings.resend_window_s)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something to send at `due_s`: an update, or text to be spoken."""

    due_s: float
    message: dict[str, object] | None = None
    speech: str | None = None


class Script(Protocol):
    """What a service makes of recognised words."""

    def heard(self, words: list[HeardWord], now: float) -> list[Outgoing]:
        """New words."""
        ...

    def silence(self, stream_ms: float, now: float) -> list[Outgoing]:
        """The input has reached `stream_ms` without a new word."""
        ...

    def finish(self, now: float) -> list[Outgoing]:
        """The input has ended."""
        ...


class Conversation:
    """One session's speech in and text out; audio is taken from a queue so that arrivals are timed undisturbed."""

    def __init__(self, recogniser: Recogniser, script: Script) -> None:
        self._recogniser = recogniser
        self._script = script
        self._audio: deque[tuple[bytes, float] | None] = deque()
        self._has_audio = asyncio.Event()
        self._stream_samples = 0
        self._outbox: list[tuple[float, int, Outgoing]] = []
        self._order = itertools.count()
        self._first = 0
        self._changed = asyncio.Event()
        self._is_finished = False
        self.speeches: deque[str] = deque()
        self.has_speech = asyncio.Event()
        self.is_speaking = False

    @property
    def stream_ms(self) -> float:
        """Length of the input stream so far."""
        return ms_of_samples(self._stream_samples)

    @property
    def is_done(self) -> bool:
        """True when the input has ended and everything has been given out."""
        return self._is_finished and not self._outbox and not self.speeches and not self.is_speaking

    def listen(self, pcm: bytes | None, at_s: float) -> None:
        """Queue audio that arrived at `at_s`; None ends the input."""
        self._audio.append(None if pcm is None else (pcm, at_s))
        self._has_audio.set()

    async def understand(self) -> list[Resent]:
        """Recognise the next queued audio; returns what of it had been sent before."""
        while not self._audio:
            self._has_audio.clear()
            await self._has_audio.wait()
        piece = self._audio.popleft()
        now = asyncio.get_running_loop().time()
        heard = await self._hear(piece)
        outgoing = self._script.heard(heard.words, now)
        if piece is None:
            outgoing += self._script.finish(now)
            self._is_finished = True
        else:
            self._stream_samples += len(piece[0]) // WIDTH
            if not heard.is_mid_word:
                outgoing += self._script.silence(self.stream_ms, now)
        for item in outgoing:
            heapq.heappush(self._outbox, (item.due_s, next(self._order), item))
        self.wake()
        return heard.resent

    async def _hear(self, piece: tuple[bytes, float] | None) -> Heard:
        recogniser = self._recogniser
        call = recogniser.finish if piece is None else functools.partial(recogniser.push, *piece)
        return await asyncio.to_thread(call) if recogniser.is_slow else call()

    def wake(self) -> None:
        """Let whoever waits in `next_message` look again."""
        self._changed.set()

    async def next_message(self) -> dict[str, object] | None:
        """The next update when it is due, None once all is said; speech due on the way is handed to `speeches`."""
        while True:
            now = asyncio.get_running_loop().time()
            if self._outbox and self._outbox[0][0] <= now:
                item = heapq.heappop(self._outbox)[2]
                if item.message is not None:
                    return item.message
                self.speeches.append(item.speech or "")
                self.has_speech.set()
                continue
            if self.is_done:
                return None
            await self._wait(self._outbox[0][0] - now if self._outbox else None)

    def give_back(self, message: dict[str, object]) -> None:
        """A message from `next_message` could not be sent: it comes first on the next connection."""
        now = asyncio.get_running_loop().time()
        self._first -= 1
        heapq.heappush(self._outbox, (float("-inf"), self._first, Outgoing(now, message)))

    async def _wait(self, timeout_s: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def next_speech(self) -> str:
        """The next text to be spoken; the caller reports the end by `speech_over`."""
        while not self.speeches:
            self.has_speech.clear()
            await self.has_speech.wait()
        self.is_speaking = True
        return self.speeches.popleft()

    def speech_over(self, unheard: str | None) -> None:
        """The last text from `next_speech` is over; what was never heard comes first on the next connection."""
        self.is_speaking = False
        if unheard is not None:
            self.speeches.appendleft(unheard)
        self.wake()
