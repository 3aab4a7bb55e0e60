"""From recognised words to TurnInfo, all of it in audio time (Flux reference §5-§7).

How sure the model is that a turn has ended grows with the silence behind its last word, faster behind the end of a
sentence, and never reaches 1.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from satellite.emulator.deepgram.query import StreamConfig, Tuning
from satellite.emulator.deepgram.settings import DeepgramVariants
from satellite.emulator.recogniser import HeardWord

UPDATE_MS = 250.0
SENTENCE_MS = 250.0
PHRASE_MS = 1_200.0
"""Silence after which the model is sure by 63 %, behind a sentence and within one."""
SENTENCE_ENDS = (".", "!", "?", "…")

Event = dict[str, Any]


@dataclass(slots=True)
class Turn:
    """The turn that is going on, or about to begin."""

    index: int
    window_start_ms: float
    words: list[HeardWord] = field(default_factory=list)
    told: int = 0
    """How many of the words are in the event sent last."""
    is_open: bool = False
    is_eager: bool = False


@dataclass(frozen=True, slots=True)
class ConcludedTurn:
    """What was said in a turn."""

    index: int
    text: str
    trigger: str


class Script:
    """The turns of one connection."""

    def __init__(self, language: str, config: StreamConfig, variants: DeepgramVariants) -> None:
        self._language = language
        self._config = config
        self._variants = variants
        self.tuning: Tuning = config.tuning
        self._turn = Turn(0, 0.0)
        self._stream_ms = 0.0
        self._update_ms = 0.0
        self.concluded: list[ConcludedTurn] = []

    @property
    def is_open(self) -> bool:
        """True from StartOfTurn to EndOfTurn."""
        return self._turn.is_open

    def audio(self, words: list[HeardWord], stream_ms: float, *, is_mid_word: bool) -> list[Event]:
        """The stream has reached `stream_ms`, and these words were heard."""
        self._stream_ms = stream_ms
        events: list[Event] = []
        for word in words:
            events += self._heard(word)
        if self._turn.is_open and not is_mid_word:
            events += self._quiet()
        if not events and stream_ms - self._update_ms >= UPDATE_MS:
            events = [self._event("Update")]
        return events

    def force(self) -> list[Event] | None:
        """`ForceEndTurn`: with what was told, without another look at the audio; None without a turn."""
        if not self._turn.is_open:
            return None
        del self._turn.words[self._turn.told :]
        return self._end("manual")

    def finish(self, words: list[HeardWord]) -> list[Event]:
        """`CloseStream`: the rest is told as an Update; no turn is ended by it."""
        for word in words:
            self._turn.words.append(word)
        return [self._event("Update")] if len(self._turn.words) > self._turn.told else []

    def _heard(self, word: HeardWord) -> list[Event]:
        turn = self._turn
        events = []
        if turn.is_eager:
            turn.is_eager = False
            events.append(self._event("TurnResumed"))
        turn.words.append(word)
        if not turn.is_open:
            turn.is_open = True
            events.append(self._event("StartOfTurn"))
        return events

    def _quiet(self) -> list[Event]:
        turn, tuning = self._turn, self.tuning
        silence_ms = self._stream_ms - turn.words[-1].end_ms
        if silence_ms >= tuning.eot_timeout_ms:
            return self._end("timeout")
        confidence = self._confidence()
        if self._variants.no_model_end:
            return []
        is_eager = tuning.eager_eot_threshold is not None and confidence >= tuning.eager_eot_threshold
        if confidence >= tuning.eot_threshold:
            return self._end("model")
        if is_eager and not turn.is_eager:
            turn.is_eager = True
            return [self._event("EagerEndOfTurn")]
        return []

    def _confidence(self) -> float:
        words = self._turn.words
        if not words:
            return 0.01
        scale_ms = SENTENCE_MS if words[-1].text.endswith(SENTENCE_ENDS) else PHRASE_MS
        return min(0.99, 1 - math.exp(-max(0.0, self._stream_ms - words[-1].end_ms) / scale_ms))

    def _end(self, trigger: str) -> list[Event]:
        event = self._event("EndOfTurn")
        if not self._variants.no_trigger:
            event["trigger"] = trigger
        self.concluded.append(ConcludedTurn(self._turn.index, event["transcript"], trigger))
        self._turn = Turn(self._turn.index + 1, self._stream_ms)
        if not self._variants.empty_ends:
            return [event]
        empty = self._event("EndOfTurn")
        self._turn = Turn(self._turn.index + 1, self._stream_ms)
        return [event, empty]

    def _event(self, name: str) -> Event:
        turn, variants = self._turn, self._variants
        self._update_ms = self._stream_ms
        turn.told = len(turn.words)
        event: Event = {
            "type": "TurnInfo",
            "event": "Refinement" if name == "Update" and variants.unknown_events else name,
            "turn_index": turn.index,
            "audio_window_start": round(turn.window_start_ms / 1000, 3),
            "audio_window_end": round(self._stream_ms / 1000, 3),
            "transcript": " ".join(word.text for word in turn.words),
            "words": [self._word(word) for word in turn.words],
            "end_of_turn_confidence": round(self._confidence(), 2),
        }
        if self._config.is_multilingual and not variants.no_languages:
            event["languages"] = [self._language] if turn.words else []
            event["languages_hinted"] = list(self.tuning.language_hints)
        return event

    def _word(self, word: HeardWord) -> dict[str, object]:
        entry: dict[str, object] = {"word": word.text, "confidence": 0.97}
        if not self._variants.no_word_times:
            entry |= {"start": round(word.start_ms / 1000, 3), "end": round(word.end_ms / 1000, 3)}
        return entry
