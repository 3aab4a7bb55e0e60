"""From recognised words to sentences: provisional, confirmed by silence that is heard, translated (reference §11.1).

The translation is a pseudo-translation: see `phrases`.
"""

import random  # noqa: TID251 - the emulator draws its delays from a seeded generator of its own
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from satellite.emulator.conversation import Outgoing
from satellite.emulator.palabra.schema import Task
from satellite.emulator.palabra.settings import PalabraVariants
from satellite.emulator.phrases import pseudo_word
from satellite.emulator.recogniser import HeardWord

TRANSLATED_S = (0.1, 0.3)
SPOKEN_S = 0.05
SPEECH = "speech"
"""Type of what is no message yet: a sentence to be spoken."""


@dataclass(slots=True)
class _Sentence:
    """Words of one sentence, and its id."""

    id: str
    words: list[HeardWord]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


class Script:
    """The text of one session; fed with words and silence, gives messages in order."""

    def __init__(self, language: str, variants: PalabraVariants, seed: int, *, is_exact: bool = True) -> None:
        self._language = language
        self._is_exact = is_exact
        self._variants = variants
        self._rng = random.Random(seed)  # noqa: S311 - delays, not secrets
        self._open: list[_Sentence] = []
        self._last: tuple[int, ...] | None = None
        self._count = 0
        self._due_s = 0.0
        self.origin_ms = 0.0
        """Where in the stream the service's own count began."""
        self.task: Task | None = None
        self.concluded: list[str] = []

    def heard(self, words: list[HeardWord], now: float) -> list[Outgoing]:
        """New words: a provisional text after each."""
        outgoing: list[Outgoing] = []
        for word in words:
            # where sound is stretched on its way, going back a little in the recording is no repetition
            sentence_key = word.sentence if self._is_exact else word.sentence[1:]
            if sentence_key != self._last or not self._open:
                self._count += 1
                self._open.append(_Sentence(f"{self._count:x}-{self._rng.getrandbits(32):08x}", []))
            self._last = sentence_key
            sentence = self._open[-1]
            sentence.words.append(word)
            outgoing += self._tell(sentence, now, is_final=False)
        return outgoing

    def silence(self, stream_ms: float, now: float) -> list[Outgoing]:
        """The input has reached `stream_ms` without a new word: enough silence confirms what is open."""
        if self.task is None or not self._open:
            return []
        quiet_ms = stream_ms - self._open[-1].words[-1].end_ms
        return self.finish(now) if quiet_ms >= self.task.silence_s * 1000 else []

    def finish(self, now: float) -> list[Outgoing]:
        """Confirm everything."""
        outgoing: list[Outgoing] = []
        for sentence in self._open:
            self.concluded.append(sentence.text)
            outgoing += self._tell(sentence, now, is_final=True)
        self._open = []
        return outgoing

    def cancel(self) -> None:
        """Forget what is not confirmed."""
        self._open = []

    def _tell(self, sentence: _Sentence, now: float, *, is_final: bool) -> list[Outgoing]:
        task = self.task
        if task is None:
            return []
        kind = "validated_transcription" if is_final else "partial_transcription"
        outgoing = [Outgoing(now, {"message_type": kind, "data": {"transcription": self._source(sentence)}})]
        if not is_final and not task.translates_partials:
            return outgoing
        due_s = self._due_s = max(self._due_s, now + self._rng.uniform(*TRANSLATED_S))
        for target in task.target_languages:
            parts = list(self._translation(sentence, target))
            for part, text in enumerate(parts):
                outgoing += self._translated(sentence, target, (part, text), due_s, is_final=is_final)
        return outgoing

    def _translated(
        self, sentence: _Sentence, target: str, part: tuple[int, str], due_s: float, *, is_final: bool
    ) -> list[Outgoing]:
        number, text = part
        kind = "translated_transcription" if is_final else "partial_translated_transcription"
        inner = {
            "transcription_id": sentence.id,
            "translation_part_id": str(number) if self._variants.part_texts else number,
            "language": target if self._variants.variant_codes else target.partition("-")[0],
            "text": text,
        }
        message = Outgoing(due_s, {"message_type": kind, "data": {"transcription": inner}})
        if not is_final or self.task is None or not self.task.speaks:
            return [message]
        body = {"id": sentence.id, "part": number, "language": target, "text": text}
        lead_s = -SPOKEN_S if self._variants.audio_first else SPOKEN_S
        return [message, Outgoing(due_s + lead_s, {"message_type": SPEECH, "data": body})]

    def _translation(self, sentence: _Sentence, target: str) -> Iterator[str]:
        words = [pseudo_word(word.text) for word in sentence.words]
        middle = len(words) // 2 if self._variants.two_parts and len(words) > 1 else len(words)
        yield f"[{target}] {' '.join(words[:middle])}"
        if words[middle:]:
            yield " ".join(words[middle:])

    def _source(self, sentence: _Sentence) -> dict[str, Any]:
        inner: dict[str, Any] = {
            "transcription_id": sentence.id,
            "language": self._language,
            "text": sentence.text,
        }
        if not self._variants.no_segments:
            start_s = (sentence.words[0].start_ms - self.origin_ms) / 1000
            end_s = (sentence.words[-1].end_ms - self.origin_ms) / 1000
            inner["segments"] = [{"text": sentence.text, "start": start_s, "end": end_s, "end_timestamp": None}]
        return inner
