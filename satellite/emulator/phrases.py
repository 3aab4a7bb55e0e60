"""Recognised words as pieces of transcript, and their pseudo-translation.

It is marked as such: every sentence begins with the target's tag in brackets and each word is written backwards
("[de] ehT nehctik"). It can be told from the original, joined, and checked word by word.
"""

from dataclasses import dataclass

from satellite.emulator.recogniser import HeardWord

PHRASE_ENDS = (",", ";", ":", ".", "!", "?", "…")
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


class Phrasing:
    """Puts words into phrases, which end with a sentence, at a stop, or where they grow too long."""

    def __init__(self) -> None:
        self.open: list[Phrase] = []
        """Phrases that were not taken yet; only the last still grows."""
        self._began = False
        self._last_sentence: tuple[int, int] | None = None

    @property
    def end_ms(self) -> int:
        """Where the last word ends; only while a phrase is open."""
        return self.open[-1].words[-1].end_ms

    def add(self, word: HeardWord) -> int:
        """Put a word into its phrase; return how many phrases stand before that one."""
        last = self.open[-1].words[-1] if self.open else None
        is_new_sentence = word.sentence != self._last_sentence
        is_full = last is not None and len(self.open[-1].words) >= LONGEST_PHRASE_WORDS
        if last is None or is_new_sentence or is_full or last.text.endswith(PHRASE_ENDS):
            self.open.append(Phrase([word], " " if self._began else "", is_new_sentence))
        else:
            self.open[-1].words.append(word)
        self._began = True
        self._last_sentence = word.sentence
        return len(self.open) - 1

    def take(self, phrases: int) -> list[Phrase]:
        """The first of the open phrases, which are open no more."""
        taken, self.open = self.open[:phrases], self.open[phrases:]
        return taken
