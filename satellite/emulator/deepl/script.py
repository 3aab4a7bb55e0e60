"""From recognised words to transcript updates: tentative, then concluded, per source and target.

The translation is a pseudo-translation: see `phrases`.
"""

import random  # noqa: TID251 - the emulator draws its delays from a seeded generator of its own

from satellite.emulator.conversation import Outgoing
from satellite.emulator.deepl.schema import SessionConfig
from satellite.emulator.phrases import Phrase, Phrasing
from satellite.emulator.recogniser import HeardWord

PAUSE_MS = 500
TARGET_TENTATIVE_S = 0.05
TARGET_CONCLUDED_S = (0.1, 0.3)


class Script:
    """The transcript of one session; fed with words and silence, gives updates in order per stream."""

    def __init__(self, language: str, config: SessionConfig, *, on_silence: bool, seed: int) -> None:
        self._language = language
        self._targets = config.target_languages
        self._speech = config.speech_language
        self._on_silence = on_silence
        self._rng = random.Random(seed)  # noqa: S311 - delays, not secrets
        self._due = dict.fromkeys(config.target_languages, 0.0)
        self._phrasing = Phrasing()
        self.concluded: list[Phrase] = []

    def heard(self, words: list[HeardWord], now: float) -> list[Outgoing]:
        """New words: an update after each."""
        outgoing: list[Outgoing] = []
        for word in words:
            ready = self._phrasing.add(word)
            outgoing += self._update(ready if self._on_silence else 0, now)
        return outgoing

    def silence(self, stream_ms: float, now: float) -> list[Outgoing]:
        """The input has reached `stream_ms` without a new word; concludes after a pause."""
        phrasing = self._phrasing
        if not self._on_silence or not phrasing.open or stream_ms - phrasing.end_ms < PAUSE_MS:
            return []
        return self._update(len(self._phrasing.open), now)

    def finish(self, now: float) -> list[Outgoing]:
        """The input has ended: conclude everything."""
        return self._update(len(self._phrasing.open), now) if self._phrasing.open else []

    def _update(self, conclude: int, now: float) -> list[Outgoing]:
        ready = self._phrasing.take(conclude)
        self.concluded += ready
        update = {
            "concluded": [self._source_segment(phrase) for phrase in ready],
            "tentative": [self._source_segment(phrase) for phrase in self._phrasing.open],
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
            "tentative": [{"text": phrase.target_text(target), **phrase.times} for phrase in self._phrasing.open],
        }
        outgoing = [Outgoing(due, {"target_transcript_update": update})]
        if target == self._speech:
            outgoing += [Outgoing(due, speech=phrase.target_text(target)) for phrase in ready]
        return outgoing
