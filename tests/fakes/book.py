"""The stage for plays of the transcript book: short words for what sessions report and for what comes out."""

from dataclasses import dataclass, field

from satellite.core.events import Segment, SpeechChunk, Stream, TranscriptUpdated
from satellite.core.transcript import (
    BookOutput,
    BookSettings,
    SegmentConcluded,
    TentativeChanged,
    TranscriptBook,
    UtteranceCompleted,
    UtteranceRecord,
)

NOON = 1_795_262_400.0
ANY_TIME = (0.0, 1.0)


def segment(
    text: str,
    span: tuple[float, float] = ANY_TIME,
    uid: str | None = "u1",
    language: str = "en",
    who: str | None = None,
) -> Segment:
    return Segment(text, language, NOON + span[0], NOON + span[1], uid, who)


def source(concluded: list[Segment] | None = None, tentative: list[Segment] | None = None) -> TranscriptUpdated:
    return TranscriptUpdated(Stream.SOURCE, None, tuple(concluded or ()), tuple(tentative or ()))


def target(
    language: str, concluded: list[Segment] | None = None, tentative: list[Segment] | None = None
) -> TranscriptUpdated:
    return TranscriptUpdated(Stream.TARGET, language, tuple(concluded or ()), tuple(tentative or ()))


def speech(text: str | None, duration_ms: int = 500, language: str = "de") -> SpeechChunk:
    return SpeechChunk(language, "audio/pcm", (), (b"",), duration_ms, text)


def record_of(output: BookOutput) -> UtteranceRecord:
    assert isinstance(output, UtteranceCompleted)
    return output.record


def brief(output: BookOutput) -> str:
    """One line a play can be read by."""
    if isinstance(output, SegmentConcluded):
        return f"{output.id}: {output.text}"
    if isinstance(output, TentativeChanged):
        return f"{output.utterance_id} {output.language}? {output.text}"
    record = output.record
    translations = "".join(f" {language}={text}" for language, text in record.translations)
    return f"{record.id} {'complete' if record.complete else 'INCOMPLETE'}: {record.source_text}{translations}"


@dataclass
class Play:
    """A book on a stage with a clock that only the play moves."""

    settings: BookSettings = field(default_factory=lambda: BookSettings((), None))
    now: float = 100.0

    def __post_init__(self) -> None:
        self.book = TranscriptBook(self.settings)

    def talk(self, uid: str = "u1", at_s: float = 0.0, length_s: float = 2.0) -> None:
        self.book.utterance_started(uid, NOON + at_s, NOON + at_s)
        self.book.utterance_ended(uid, NOON + at_s + length_s, "silence", self.now)
        self.book.utterance_sent(uid, self.now)

    def updated(self, event: TranscriptUpdated) -> None:
        self.book.updated(event, self.now)

    def spoke(self, text: str | None, duration_ms: int = 500) -> str | None:
        return self.book.spoke(speech(text, duration_ms), self.now)

    def settle(self, uid: str = "u1") -> None:
        self.book.utterance_settled(uid, self.now)

    def wait_for_deadline(self) -> float:
        """Let the next deadline come; returns how many seconds that took."""
        deadline = self.book.next_deadline()
        assert deadline is not None
        waited, self.now = deadline - self.now, deadline
        self.book.deadline_reached(self.now)
        return waited

    def out(self) -> list[str]:
        return [brief(output) for output in self.book.outputs()]
