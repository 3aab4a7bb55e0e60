"""From recognised words to transcript updates: tentative, then concluded, per source and target.

The translation is a pseudo-translation, marked as such: every sentence begins with the target's tag in brackets and
each word is written backwards ("[de] ehT nehctik"). It can be told from the original, joined, and checked word by word.
"""

import random  # noqa: TID251 - the emulator draws its delays from a seeded generator of its own
from dataclasses import dataclass

from satellite.emulator.recogniser import HeardWord
from satellite.emulator.schema import SessionConfig

PAUSE_MS = 500
PHRASE_ENDS = (",", ";", ":", ".", "!", "?", "…")
TARGET_TENTATIVE_S = 0.05
TARGET_CONCLUDED_S = (0.1, 0.3)
LONGEST_PHRASE_WORDS = 14


def pseudo_word(word: str) -> str:
    """A word backwards, with its punctuation left in place."""
    core = word.strip(",;:.!?…\"'()")
    return word.replace(core, core[::-1], 1) if core else word


@dataclass(slots=True)
class Phrase:
    """A piece of transcript; `blank` is the leading blank it carries."""

    words: list[HeardWord]
    blank: str
    starts_sentence: bool

    @property
    def source_text(self) -> str:
        """The words as heard."""
        return self.blank + " ".join(word.text for word in self.words)

    def target_text(self, tag: str) -> str:
        """The pseudo-translation."""
        mark = f"[{tag}] " if self.starts_sentence else ""
        return self.blank + mark + " ".join(pseudo_word(word.text) for word in self.words)

    @property
    def times(self) -> dict[str, int]:
        """Start and end in ms of the input stream."""
        return {"start_time": self.words[0].start_ms, "end_time": self.words[-1].end_ms}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something to send at `due_s`: an update, or text to be spoken."""

    due_s: float
    message: dict[str, object] | None = None
    speech: str | None = None


class Script:
    """The transcript of one session; fed with words and silence, gives updates in order per stream."""

    def __init__(self, language: str, config: SessionConfig, *, on_silence: bool, seed: int) -> None:
        self._language = language
        self._targets = config.target_languages
        self._speech = config.speech_language
        self._on_silence = on_silence
        self._rng = random.Random(seed)  # noqa: S311 - delays, not secrets
        self._due = dict.fromkeys(config.target_languages, 0.0)
        self._open: list[Phrase] = []
        self._began = False
        self._last_sentence: tuple[int, int] | None = None
        self.concluded: list[Phrase] = []

    def heard(self, words: list[HeardWord], now: float) -> list[Outgoing]:
        """New words: an update after each."""
        outgoing: list[Outgoing] = []
        for word in words:
            ready = self._add(word)
            outgoing += self._update(ready if self._on_silence else 0, now)
        return outgoing

    def silence(self, stream_ms: float, now: float) -> list[Outgoing]:
        """The input has reached `stream_ms` without a new word; concludes after a pause."""
        if not self._on_silence or not self._open or stream_ms - self._open[-1].words[-1].end_ms < PAUSE_MS:
            return []
        return self._update(len(self._open), now)

    def finish(self, now: float) -> list[Outgoing]:
        """The input has ended: conclude everything."""
        return self._update(len(self._open), now) if self._open else []

    def _add(self, word: HeardWord) -> int:
        """Put a word into its phrase; return how many phrases stand before that one."""
        last = self._open[-1].words[-1] if self._open else None
        is_new_sentence = word.sentence != self._last_sentence
        is_full = last is not None and len(self._open[-1].words) >= LONGEST_PHRASE_WORDS
        if last is None or is_new_sentence or is_full or last.text.endswith(PHRASE_ENDS):
            self._open.append(Phrase([word], " " if self._began else "", is_new_sentence))
        else:
            self._open[-1].words.append(word)
        self._began = True
        self._last_sentence = word.sentence
        return len(self._open) - 1

    def _update(self, conclude: int, now: float) -> list[Outgoing]:
        ready, self._open = self._open[:conclude], self._open[conclude:]
        self.concluded += ready
        update = {
            "concluded": [self._source_segment(phrase) for phrase in ready],
            "tentative": [self._source_segment(phrase) for phrase in self._open],
        }
        outgoing = [Outgoing(now, {"source_transcript_update": update})]
        for target in self._targets:
            outgoing += self._target(target, ready, now)
        return outgoing

    def _source_segment(self, phrase: Phrase) -> dict[str, object]:
        return {"language": self._language, "text": phrase.source_text, **phrase.times}

    def _target(self, target: str, ready: list[Phrase], now: float) -> list[Outgoing]:
        delay_s = self._rng.uniform(*TARGET_CONCLUDED_S) if ready else TARGET_TENTATIVE_S
        due = self._due[target] = max(self._due[target], now + delay_s)
        update = {
            "language": target,
            "concluded": [{"text": phrase.target_text(target), **phrase.times} for phrase in ready],
            "tentative": [{"text": phrase.target_text(target), **phrase.times} for phrase in self._open],
        }
        outgoing = [Outgoing(due, {"target_transcript_update": update})]
        if target == self._speech:
            outgoing += [Outgoing(due, speech=phrase.target_text(target)) for phrase in ready]
        return outgoing
