"""What is said in a recording, and when: the truth that the emulated recognition goes by."""

import json
from dataclasses import dataclass
from pathlib import Path

from satellite.core.audio import samples_of_ms
from satellite.errors import MediaError


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its punctuation; samples count at 16 kHz from the start of the recording."""

    text: str
    start_sample: int
    end_sample: int
    sentence: int


@dataclass(frozen=True, slots=True)
class Labels:
    """All words of a recording in order of time, and its language."""

    words: tuple[Word, ...]
    sentences: tuple[str, ...]
    language: str


def load_labels(path: Path) -> Labels:
    """Read a labels file; MediaError says what is wrong with it."""
    try:
        return parse_labels(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as fault:
        raise MediaError(f"labels file {path} cannot be read: {fault}") from fault


def parse_labels(value: object) -> Labels:
    """Labels from {"language", "sentences": [{"text", "start_ms", "end_ms", "words": [{the same three}]}]}."""
    try:
        return _labels(value)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as fault:
        raise MediaError(f"labels are malformed: {type(fault).__name__}: {fault}"[:300]) from fault


def _labels(value: object) -> Labels:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    words: list[Word] = []
    sentences: list[str] = []
    for sentence in value["sentences"]:
        entries = sentence.get("words") or [sentence]
        # words are written as they stand in the sentence, punctuation included
        texts = str(sentence["text"]).split()
        texts = texts if len(texts) == len(entries) else [str(entry["text"]) for entry in entries]
        for entry, text in zip(entries, texts, strict=True):
            start, end = samples_of_ms(float(entry["start_ms"])), samples_of_ms(float(entry["end_ms"]))
            if end <= start:
                raise ValueError(f"{text!r} ends before it starts")
            words.append(Word(text, start, end, len(sentences)))
        sentences.append(str(sentence["text"]))
    words.sort(key=lambda word: word.start_sample)
    return Labels(tuple(words), tuple(sentences), str(value.get("language", "en")))
