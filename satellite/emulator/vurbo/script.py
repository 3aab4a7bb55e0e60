"""From recognised words to sentences by number: interim, final, translated (Vurbo reference §5.2, §5.3).

The translation is a pseudo-translation: see `phrases`.
"""

import random  # noqa: TID251 - the emulator draws its delays from a seeded generator of its own
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from satellite.emulator.conversation import Outgoing
from satellite.emulator.phrases import pseudo_word
from satellite.emulator.recogniser import HeardWord
from satellite.emulator.vurbo.schema import Course
from satellite.emulator.vurbo.settings import VurboVariants

PAUSE_MS = 500
TRANSLATION_S = (0.1, 0.3)

Data = dict[str, object]


@dataclass(slots=True)
class Sentence:
    """One sentence; `number` is its sid."""

    number: int
    language: str
    speaker: str
    begin_ms: int
    mark: tuple[int, int]
    words: list[HeardWord] = field(default_factory=list)
    text: str = ""
    is_final: bool = False
    translations: dict[str, str] = field(default_factory=dict)

    def translated(self, code: str) -> str:
        """The pseudo-translation."""
        return f"[{code}] " + " ".join(pseudo_word(word) for word in self.text.split())


class Script:
    """All sentences of one session."""

    def __init__(
        self, course: Course, spoken: str, variants: VurboVariants, seed: int, elapsed_ms: Callable[[], float]
    ) -> None:
        self._course = course
        self._spoken = spoken
        self._variants = variants
        self._rng = random.Random(seed)  # noqa: S311 - delays, not secrets
        self._elapsed_ms = elapsed_ms
        self._due = 0.0
        self._open: Sentence | None = None
        self._merged: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.sentences: list[Sentence] = []

    # --- conversation.Script -----------------------------------------------------------------------------------

    def heard(self, words: list[HeardWord], now: float) -> list[Outgoing]:
        """New words: an interim result after each."""
        outgoing: list[Outgoing] = []
        for word in words:
            is_other = self._open is not None and self._open.mark != word.sentence
            if is_other and self._course.speaking is None:
                outgoing += self._conclude(now)
            self._add(word)
            if not self._variants.no_interim:
                outgoing.append(Outgoing(now, self._interim()))
        return outgoing

    def silence(self, stream_ms: float, now: float) -> list[Outgoing]:
        """The input has reached `stream_ms` without a new word; a pause ends a sentence, a button rules it out."""
        sentence = self._open
        if sentence is None or self._course.speaking is not None:
            return []
        return self._conclude(now) if stream_ms - sentence.words[-1].end_ms >= PAUSE_MS else []

    def finish(self, now: float) -> list[Outgoing]:
        """The input has ended: conclude everything."""
        return self._conclude(now)

    # --- by button ---------------------------------------------------------------------------------------------

    def end_speech(self) -> tuple[Sentence, Data] | None:
        """All that was heard since `start_speaking` as one full result; None when nothing was."""
        sentence, self._open = self._open, None
        if sentence is None:
            return None
        sentence.is_final = True
        codes = self._course.targets_of(sentence.language)
        sentence.translations = {code: sentence.translated(code) for code in codes}
        return sentence, {"action": "result", "origin": self.origin(sentence), "translations": self._all(sentence)}

    # --- what was said -------------------------------------------------------------------------------------------

    def sentence(self, number: object) -> Sentence | None:
        """The sentence of that sid."""
        return next((each for each in self.sentences if each.number == number), None)

    @property
    def speakers(self) -> set[str]:
        """Original ids of everybody who was heard."""
        return {each.speaker for each in self.sentences}

    def merge(self, source: str, target: str) -> list[int]:
        """The source is the target from now on, and was; the sentences concerned."""
        self._merged[source] = target
        numbers = [each.number for each in self.sentences if each.speaker == source]
        for each in self.sentences:
            each.speaker = target if each.speaker == source else each.speaker
        return numbers

    def origin(self, sentence: Sentence) -> Data:
        """The spoken half of a result."""
        body: Data = {
            "sid": sentence.number,
            "language": self._tag(sentence.language),
            "text": sentence.text,
            "is_final": sentence.is_final,
            "speaker_id": sentence.speaker,
        }
        if not self._variants.no_start_time:
            begin_ms = self._elapsed_ms() if self._variants.wall_clock_start_time else sentence.begin_ms
            minutes, seconds = divmod(int(begin_ms) // 1000, 60)
            body["start_time"] = f"{minutes:02}:{seconds:02}"
        return body

    def translation(self, sentence: Sentence, code: str, *, again: bool = False) -> Data:
        """One language of a result."""
        text = sentence.translations.get(code) or sentence.translated(code)
        entry: Data = {"sid": sentence.number, "text": text, "is_final": sentence.is_final}
        return {self._tag(code): {**entry, "is_retranslation": True} if again else entry}

    # --- inside ------------------------------------------------------------------------------------------------

    def _add(self, word: HeardWord) -> None:
        if self._open is None:
            language, speaker = self._who(word)
            self._open = Sentence(len(self.sentences) + 1, language, speaker, word.start_ms, word.sentence)
            self.sentences.append(self._open)
        self._open.words.append(word)
        self._open.text = " ".join(each.text for each in self._open.words)

    def _who(self, word: HeardWord) -> tuple[str, str]:
        """Language and original id of whoever says this."""
        course = self._course
        if course.speaking is not None:
            return course.speakers[course.speaking], f"Speaker-{course.speaking}"
        known = [code for code in course.sources if code.partition("-")[0] == self._spoken.partition("-")[0]]
        language = next(iter(known), course.sources[0])
        if course.kind == "conversation":
            number = next((number for number, code in course.speakers.items() if code == language), 1)
            return language, f"Speaker-{number}"
        guest = f"Guest-{1 + word.sentence[1] % 2}" if course.is_multi_speaker else "Guest-1"
        return language, self._merged.get(guest, guest)

    def _interim(self) -> Data:
        assert self._open is not None  # noqa: S101 - tells the type checker that a word was just added
        message: Data = {"action": "result", "origin": self.origin(self._open)}
        if self._course.realtime and self._course.speaking is None:
            message["translations"] = self._all(self._open)
        return message

    def _all(self, sentence: Sentence) -> Data:
        found: Data = {}
        for code in self._course.targets_of(sentence.language):
            found |= self.translation(sentence, code)
        return found

    def _conclude(self, now: float) -> list[Outgoing]:
        sentence, self._open = self._open, None
        if sentence is None:
            return []
        sentence.is_final = True
        outgoing = [Outgoing(now, {"action": "result", "origin": self.origin(sentence)})]
        if self._variants.corrected_finals:
            corrected = {**self.origin(sentence), "text": sentence.text.upper()}
            outgoing.append(Outgoing(now + 0.02, {"action": "result", "origin": corrected}))
        self._due = max(self._due, now + self._rng.uniform(*TRANSLATION_S))
        return [*outgoing, *self._translations(sentence)]

    def _translations(self, sentence: Sentence) -> Iterator[Outgoing]:
        name = "translation" if self._variants.translations_apart else "result"
        for code in self._course.targets_of(sentence.language):
            sentence.translations[code] = sentence.translated(code)
            yield Outgoing(self._due, {"action": name, "translations": self.translation(sentence, code)})
            if self._course.is_spoken(code) and self._course.tts_mode == "sync":
                yield Outgoing(self._due, speech=f"{sentence.number} {code}")

    def _tag(self, code: str) -> str:
        return code.swapcase() if self._variants.odd_tag_case else code
