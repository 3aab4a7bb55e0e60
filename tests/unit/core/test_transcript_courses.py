"""The transcript book, whatever comes in whatever order."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from satellite.core.events import Segment, Stream, TranscriptUpdated
from satellite.core.transcript import (
    BookSettings,
    SegmentConcluded,
    TentativeChanged,
    TranscriptBook,
    UtteranceCompleted,
)
from tests.fakes.book import NOON, Play, segment, source, speech

# --- whatever comes -----------------------------------------------------------------------------------------------

LANGUAGES = ("de", "fr")
texts = st.sampled_from(["", " ", "ja", " nein", "電気", "Guten Morgen."])
spans = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (float(min(pair)), float(max(pair))))
uids = st.none() | st.integers(0, 8).map(lambda number: f"u{number}")
segments = st.lists(st.builds(segment, texts, spans, uids), max_size=3)


class AnyCourse(RuleBasedStateMachine):
    """Inputs in any order: what is published stays consistent."""

    def __init__(self) -> None:
        super().__init__()
        self.book = TranscriptBook(BookSettings(("de",), "de"))
        self.now = 0.0
        self.started = 0
        self.ids: set[str] = set()
        self.completed: list[str] = []
        self.shown: dict[tuple[Stream, str | None], str] = {}

    @rule()
    def start(self) -> None:
        if self.started:
            self.book.utterance_ended(f"u{self.started - 1}", NOON + 5 * self.started, "silence", self.now)
        self.book.utterance_started(f"u{self.started}", NOON + 5 * self.started, NOON + 5 * self.started)
        self.started += 1

    @precondition(lambda self: self.started)
    @rule(data=st.data(), is_settled=st.booleans())
    def progress(self, data: st.DataObject, is_settled: bool) -> None:
        uid = f"u{data.draw(st.integers(0, self.started - 1))}"
        (self.book.utterance_settled if is_settled else self.book.utterance_sent)(uid, self.now)

    @rule(language=st.sampled_from((None, *LANGUAGES)), concluded=segments, tentative=segments)
    def update(self, language: str | None, concluded: list[Segment], tentative: list[Segment]) -> None:
        stream = Stream.TARGET if language else Stream.SOURCE
        self.book.updated(TranscriptUpdated(stream, language, tuple(concluded), tuple(tentative)), self.now)

    @rule(text=st.none() | texts)
    def speak(self, text: str | None) -> None:
        assert (self.book.spoke(speech(text), self.now) is None) == (self.started == 0)

    @rule(seconds=st.integers(1, 5))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        deadline = self.book.next_deadline()
        if deadline is not None and deadline <= self.now:
            self.book.deadline_reached(self.now)

    @rule(is_final=st.booleans())
    def session_over(self, is_final: bool) -> None:
        self.book.session_over(self.now, is_final)

    @invariant()
    def consistent(self) -> None:
        for output in self.book.outputs():
            if isinstance(output, SegmentConcluded):
                assert output.id not in self.ids
                assert output.text
                assert output.text == output.text.strip()
                assert output.start_s <= output.end_s
                self.ids.add(output.id)
            elif isinstance(output, TentativeChanged):
                key = (output.stream, output.language if output.stream is Stream.TARGET else None)
                assert output.text or self.shown.get(key), "cleared what was not shown"
                self.shown[key] = output.text
            else:
                self.completed.append(output.record.id)
        numbers = [int(uid[1:]) for uid in self.completed]
        assert numbers == sorted(set(numbers))
        deadline = self.book.next_deadline()
        assert deadline is None or deadline > self.now

    def teardown(self) -> None:
        self.book.session_over(self.now, is_final=True)
        self.consistent()
        assert not any(self.shown.values())
        assert self.book.next_deadline() is None


TestAnyCourse = AnyCourse.TestCase
TestAnyCourse.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", " b", "c", " "]), max_size=8), st.lists(st.integers(0, 8), max_size=4))
def test_however_text_is_cut_into_updates_the_whole_is_the_same(pieces: list[str], cuts: list[int]) -> None:
    play = Play()
    play.talk(length_s=10)
    concluded = [segment(text, (number, number + 1)) for number, text in enumerate(pieces)]
    edges = [0, *sorted(cuts), len(concluded)]
    for first, last in pairwise(edges):
        play.updated(source(concluded[first:last], concluded[last:]))
    play.settle()
    completed = [output.record.source_text for output in play.book.outputs() if isinstance(output, UtteranceCompleted)]
    assert completed == [text for text in ["".join(pieces).strip()] if text]
