"""Speech that comes in messages: 24 kHz, in bursts, each piece with the id of its sentence (reference §11.2).

It is handed on in the order of its arrival. The text of a sentence usually comes first, and says whose speech it is; so
speech that came before its text waits a moment for it.
"""

from collections import deque
from dataclasses import dataclass

from satellite.backends.lifecycle import Lifecycle
from satellite.backends.palabra.messages import OutputAudio
from satellite.core.audio import SAMPLE_BYTES, ms_of_samples
from satellite.core.events import SpeechChunk

RATE_HZ = 24_000
CONTENT_TYPE = f"audio/pcm;encoding=s16le;rate={RATE_HZ}"
SPEECH_WITHIN_S = 10.0
"""Without more speech of a sentence for this long none comes."""
HELD_S = 1.5
HELD_BYTES = 30 * RATE_HZ * SAMPLE_BYTES
MAX_TEXTS = 64
NEVER = float("inf")

_Part = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Held:
    """Speech that waits for its text."""

    audio: OutputAudio
    until: float


class MessageSpeech:
    """The speech of one language, as a WebSocket brings it."""

    def __init__(self, language: str, life: Lifecycle) -> None:
        self._language = language
        self._life = life
        self._texts: dict[_Part, str] = {}
        self._awaited: dict[str, float] = {}
        self._begun: deque[_Part] = deque(maxlen=MAX_TEXTS)
        self._held: deque[_Held] = deque()
        self._held_bytes = 0
        self._carry = b""

    @property
    def until(self) -> float:
        """Until when more speech is to be expected; minus infinity when all is there."""
        return max(self._awaited.values(), default=-NEVER)

    @property
    def deadline(self) -> float | None:
        """When speech has waited long enough for its text."""
        return self._held[0].until if self._held else None

    def concluded(self, part: _Part, text: str, now: float) -> None:
        """A translation is final, and will be spoken."""
        self._texts[part] = text
        self._awaited[part[0]] = now + SPEECH_WITHIN_S
        self._bound()
        self._release(now)

    def take(self, audio: OutputAudio, now: float) -> None:
        """Speech of a sentence."""
        self._awaited.pop(audio.id, None)
        if not audio.is_last:
            self._awaited[audio.id] = now + SPEECH_WITHIN_S
            self._bound()
        self._held.append(_Held(audio, now + HELD_S))
        self._held_bytes += len(audio.data)
        self._release(now)

    def deadline_reached(self, now: float) -> None:
        """Hand on what has waited long enough."""
        self._release(now)

    def cancel(self) -> None:
        """None of it is wanted any more."""
        self._awaited.clear()
        self._held.clear()
        self._held_bytes = 0

    def _bound(self) -> None:
        """Forget the oldest of what is more than any service keeps open."""
        if len(self._texts) > MAX_TEXTS:
            del self._texts[next(iter(self._texts))]
        if len(self._awaited) > MAX_TEXTS:
            del self._awaited[next(iter(self._awaited))]

    def _release(self, now: float) -> None:
        while self._held and self._is_due(self._held[0], now):
            audio = self._held.popleft().audio
            self._held_bytes -= len(audio.data)
            self._hand_on(audio)

    def _is_due(self, held: _Held, now: float) -> bool:
        part = (held.audio.id, held.audio.part)
        is_known = part in self._texts or part in self._begun
        return is_known or now >= held.until or self._held_bytes > HELD_BYTES

    def _hand_on(self, audio: OutputAudio) -> None:
        part = (audio.id, audio.part)
        text = None
        if part not in self._begun:
            self._begun.append(part)
            self._carry = b""
            text = self._texts.get(part, "")
        pcm = self._carry + audio.data
        whole = len(pcm) - len(pcm) % SAMPLE_BYTES
        self._carry = pcm[whole:]
        if whole or text:
            report_speech(self._life, self._language, pcm[:whole], text)


def report_speech(life: Lifecycle, language: str, pcm: bytes, text: str | None) -> None:
    """A piece of speech; `text` where a new sentence begins with it."""
    duration_ms = round(ms_of_samples(len(pcm) // SAMPLE_BYTES, RATE_HZ))
    life.report(SpeechChunk(language, CONTENT_TYPE, (), (pcm,) if pcm else (), duration_ms, text))
