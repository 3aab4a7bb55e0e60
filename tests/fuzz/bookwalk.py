"""Target: the transcript book, told anything by sessions in any order, while a listener keeps to the rules."""

from collections.abc import Sequence
from typing import Any

from satellite.core.backlog import Dropped
from satellite.core.events import (
    AudioLost,
    Segment,
    SessionEnded,
    SpeechChunk,
    Stream,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
)
from tests.fuzz.readers import Readers
from tests.fuzz.target import number_of
from tests.fuzz.walks import scripts, walk_target

WALL_S = 1_700_000_000.0
TARGETS_ASKED = ("de", "fr")


class BookWalk:
    """Ids with one text, utterances in order and once, nothing waited for at the end: the readers hold it."""

    def __init__(self, wishes: dict[str, Any]) -> None:
        targets = TARGETS_ASKED[: int(number_of(wishes.get("targets"), len(TARGETS_ASKED)))]
        self._readers = Readers(targets, "de" if wishes.get("speaks") else None)
        self._now = 0.0
        self._utterances = 0
        self._is_open = False

    @property
    def label(self) -> str:
        return self._readers.label

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        first, second, third, fourth = [*arguments, None][:4]
        readers, now, named = self._readers, self._now, f"u{int(number_of(first, 9))}"
        match name:
            case "begin" if not self._is_open:
                self._is_open = True
                self._utterances += 1
                readers.started(f"u{self._utterances}", WALL_S + now)
            case "end" if self._is_open:
                self._is_open = False
                readers.ended(f"u{self._utterances}", WALL_S + now, now)
            case "dropped":
                readers.dropped(Dropped(named, 1 + int(number_of(second, 16_000)), is_whole=bool(third)), now)
            case "sent":
                readers.take(UtteranceSent(named), now)
            case "settled":
                readers.take(UtteranceSettled(named), now)
            case "lost":
                readers.take(AudioLost(named, 1 + int(number_of(second, 16_000))), now)
            case "text":
                language = None if first is None else _text(first)[:9]
                stream = Stream.SOURCE if language is None else Stream.TARGET
                readers.take(TranscriptUpdated(stream, language, self._segments(second), self._segments(third)), now)
            case "speech":
                text = None if third is None else _text(third)
                units = (b"\1\2",) if fourth is None else ()
                chunk = SpeechChunk(_text(first)[:9], "audio/pcm", (), units, int(number_of(second, 1e6)), text)
                readers.take(chunk, now)
            case "over":
                readers.take(SessionEnded("over", expected=bool(first)), now)
            case "tick":
                self._now += number_of(first, 60)

    def end(self) -> None:
        if self._is_open:
            self.step("end", [None] * 4)
        self._readers.over(self._now)

    def _segments(self, given: object) -> tuple[Segment, ...]:
        items = given if isinstance(given, list) else []
        return tuple(self._segment([*item, None, None, None, None]) for item in items if isinstance(item, list))

    def _segment(self, given: list[Any]) -> Segment:
        text, start, seconds, utterance = given[:4]
        start_s = WALL_S + number_of(start, 1_000)
        named = None if utterance is None else f"u{int(number_of(utterance, 9))}"
        return Segment(_text(text), "en", start_s, start_s + number_of(seconds, 100), named)


def _text(value: object) -> str:
    return value.encode("utf-8", "replace").decode()[:3_000] if isinstance(value, str) else "x"


_BOOK = scripts(
    [
        {"targets": 2, "speaks": True},
        ["begin"],
        ["tick", 2],
        ["text", None, [["Good ", 0, 1, 1]], [["morning.", 1, 1, 1]]],
        ["end"],
        ["sent", 1],
        ["text", None, [["morning.", 1, 1, 1]], []],
        ["text", "de", [["Guten Morgen.", 0, 2, 1]], []],
        ["speech", "de", 900, "Guten Morgen."],
        ["settled", 1],
        ["tick", 30],
        ["over", True],
    ],
    [
        {"targets": 1},
        ["begin"],
        ["text", None, [["One.", 0, 1, None], ["One.", 0, 1, None], ["", 5, 0, 1], [" ", 9, 9, 2]], []],
        ["end"],
        ["begin"],
        ["lost", 1, 1600],
        ["dropped", 2, 1600, True],
        ["over"],
        ["text", "it", [["Uno.", 900, 9, 4]], [["due", 0, 0, 1]]],
        ["speech", "de", 10, None],
        ["tick", 60],
        ["sent", 2],
    ],
)

TARGETS = (walk_target("core.transcript", BookWalk, _BOOK, 5),)
