"""TranscriptBook: appends concluded segments, replaces tentative ones, groups both by utterance.

Says when an utterance is complete, strictly in the order in which they began: one that is not holds back those after
it, and its deadlines bound how long. Pure: time comes in as `now` (monotonic seconds), everything that is to be
published is drained with `outputs()`.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from satellite.core.events import Segment, SpeechChunk, Stream, TranscriptUpdated
from satellite.core.speech import SpeechCursor
from satellite.core.utterance import BookSettings, StreamKey, Utterance, UtteranceRecord

__all__ = [
    "BookCounters",
    "BookOutput",
    "BookSettings",
    "SegmentConcluded",
    "TentativeChanged",
    "TranscriptBook",
    "UtteranceCompleted",
    "UtteranceRecord",
]

MAX_OPEN = 64
"""Utterances that may be incomplete at a time; beyond it the oldest is completed as it is."""
MAX_UNEXPECTED = 8
"""Languages of a session that nobody asked for; text in more of them is not taken."""
MAX_TENTATIVE_CHARACTERS = 20_000
"""The tail of a stream is at most a few sentences."""
MAX_COMPLETED = 64
"""Completed utterances remembered so that late text finds its home."""


@dataclass(frozen=True, slots=True)
class SegmentConcluded:
    """Text that will not change, stripped for display. The same `id` never comes with other text."""

    id: str
    utterance_id: str
    stream: Stream
    language: str
    text: str
    start_s: float
    end_s: float
    speaker: str | None


@dataclass(frozen=True, slots=True)
class TentativeChanged:
    """The whole tentative tail of a stream, stripped for display; "" clears. `utterance_id` is where it begins."""

    utterance_id: str
    stream: Stream
    language: str
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class UtteranceCompleted:
    """Everything of an utterance is concluded, or given up waiting for."""

    record: UtteranceRecord


BookOutput = SegmentConcluded | TentativeChanged | UtteranceCompleted


@dataclass(slots=True)
class BookCounters:
    """What the book kept to itself."""

    silent_utterances: int = 0
    """Completed without any text: noise that opened the gate."""
    duplicate_segments: int = 0
    homeless_segments: int = 0
    """Concluded text that came before any utterance had begun."""
    unexpected_updates: int = 0
    """Text and speech in languages beyond MAX_UNEXPECTED."""


class TranscriptBook:
    """Text of all utterances of a satellite; outlives sessions."""

    def __init__(self, settings: BookSettings) -> None:
        self._settings = settings
        self._shelf = _Shelf()
        self._outstanding = _Outstanding()
        self._outputs: list[BookOutput] = []
        self._languages = _Languages()
        self.counters = BookCounters()

    def configure(self, settings: BookSettings) -> None:
        """Expect this of utterances that begin from now on."""
        self._settings = settings

    # --- utterances ----------------------------------------------------------------------------------------------

    def utterance_started(self, utterance_id: str, start_s: float, onset_s: float) -> None:
        """The gate opened; wall clock of the first sample, pre-roll included, and of the first taken for speech."""
        if self._shelf.find(utterance_id) is None:
            self._shelf.open.append(Utterance(utterance_id, start_s, onset_s, self._settings))

    def utterance_ended(self, utterance_id: str, end_s: float, reason: str, now: float) -> None:
        """The gate closed."""
        if (utterance := self._shelf.find(utterance_id)) is not None:
            utterance.ended(end_s, reason, now)
            self._advance(now)

    def utterance_sent(self, utterance_id: str, now: float) -> None:
        """The last sample was handed to a service. Until then the utterance waits: its audio may be held up."""
        if (utterance := self._shelf.find(utterance_id)) is not None:
            utterance.sent(now)
            self._advance(now)

    def utterance_settled(self, utterance_id: str, now: float) -> None:
        """The service sends no more source text for this utterance, which it therefore has in whole."""
        if (utterance := self._shelf.find(utterance_id)) is not None:
            utterance.settled(now)
            self._advance(now)

    def audio_lost(self, utterance_id: str, lost_ms: float) -> None:
        """Audio of this utterance will never be transcribed."""
        if (utterance := self._shelf.find(utterance_id)) is not None:
            utterance.lost_ms += lost_ms

    def utterance_lost(self, utterance_id: str, now: float) -> None:
        """It ended, and no service ever had any of its audio; `audio_lost` said how much that was."""
        if (utterance := self._shelf.find(utterance_id)) is not None:
            utterance.lost(now)
            self._advance(now)

    # --- what sessions report ------------------------------------------------------------------------------------

    def updated(self, event: TranscriptUpdated, now: float) -> None:
        """Text came; concluded segments are put out before the tail that follows them."""
        if not self._languages.take(event.language, self._settings):
            self.counters.unexpected_updates += 1
            return
        homes = self._shelf.at_home(event.concluded)
        self.counters.homeless_segments += len(event.concluded) - len(homes)
        for utterance, segment in homes:
            self._conclude(utterance, segment, event, now)
        tail = self._outstanding.tail(event)
        for utterance in tail.replace(self._shelf.at_home(_bounded(event.tentative))):
            utterance.heard(event.language, now)
        self._outputs.extend(tail.changes())
        self._advance(now)

    def spoke(self, event: SpeechChunk, now: float) -> str | None:
        """Speech came; returns the utterance it belongs to, None when there never was one.

        A chunk without text goes on with the one before. Speech that comes before its text is given to the oldest
        utterance that has none yet.
        """
        if not self._languages.take(event.language, self._settings):
            self.counters.unexpected_updates += 1
            return None
        cursor = self._outstanding.cursor(event.language)
        if event.text is not None and event.text.strip():
            cursor.owner = cursor.spoken(event.text)
        utterance = self._shelf.find(cursor.owner) or self._shelf.awaiting_speech()
        if utterance is None:
            return None
        cursor.owner = utterance.id
        utterance.spoken(event.language, event.duration_ms, now)
        self._advance(now)
        return utterance.id

    def session_over(self, now: float, is_final: bool = False) -> None:
        """The session reports nothing more: tentative text will never be concluded.

        Utterances whose audio the session had in whole are complete now; those with audio still on its way wait for
        the next session, unless `is_final`: then there is none.
        """
        for utterance in self._shelf.open:
            was_tentative = bool(self._outstanding.tentative_streams(utterance))
            utterance.session_over(was_tentative, is_final, now)
        self._outputs.extend(self._outstanding.clear())
        self._languages = _Languages()
        self._advance(now)

    # --- time and outputs ----------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Monotonic seconds at which `deadline_reached` is due, None for never."""
        return self._outstanding.done_at(self._shelf.open[0]) if self._shelf.open else None

    def deadline_reached(self, now: float) -> None:
        """Time has come; called at or after `next_deadline()`."""
        self._advance(now)

    def outputs(self) -> list[BookOutput]:
        """Take what is to be published, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    # --- inside ------------------------------------------------------------------------------------------------

    def _conclude(self, utterance: Utterance, segment: Segment, event: TranscriptUpdated, now: float) -> None:
        stream = utterance.stream(event.language)
        if stream.holds(segment):
            self.counters.duplicate_segments += 1
            return
        utterance.heard(event.language, now)
        number = stream.append(segment)
        if event.language is not None and event.language == utterance.settings.speech_language:
            self._outstanding.cursor(event.language).concluded(utterance.id, segment.text)
        if number is None:
            return
        self._outputs.append(
            SegmentConcluded(
                id=f"{utterance.id}-{event.language or event.stream.value}-{number}",
                utterance_id=utterance.id,
                stream=event.stream,
                language=event.language or segment.language,
                text=segment.text.strip(),
                start_s=segment.start_s,
                end_s=segment.end_s,
                speaker=segment.speaker,
            )
        )

    def _advance(self, now: float) -> None:
        """Complete from the oldest on what is complete by now, or too much to remember."""
        while self._shelf.open:
            utterance = self._shelf.open[0]
            done_at = self._outstanding.done_at(utterance)
            is_crowded_out = len(self._shelf.open) > MAX_OPEN
            if not is_crowded_out and (done_at is None or now < done_at):
                return
            record = utterance.record(self._outstanding.tentative_streams(utterance))
            if record is None:
                self.counters.silent_utterances += 1
            else:
                self._outputs.append(UtteranceCompleted(record))
            self._shelf.complete_oldest()


class _Languages:
    """The languages of one session: what is asked for, and a few more, as text of before a change may still come."""

    def __init__(self) -> None:
        self._unexpected: set[str] = set()

    def take(self, language: StreamKey, settings: BookSettings) -> bool:
        """False for one more that nobody asked for; None is the source."""
        if language is None or language in settings.expected_languages or language in self._unexpected:
            return True
        if len(self._unexpected) >= MAX_UNEXPECTED:
            return False
        self._unexpected.add(language)
        return True


class _Shelf:
    """The utterances: incomplete ones in the order in which they began, and the last that were completed."""

    def __init__(self) -> None:
        self.open: deque[Utterance] = deque()
        self._completed: deque[Utterance] = deque(maxlen=MAX_COMPLETED)

    def find(self, utterance_id: str | None) -> Utterance | None:
        return next((utterance for utterance in self._newest_first() if utterance.id == utterance_id), None)

    def at_home(self, segments: Sequence[Segment]) -> list[tuple[Utterance, Segment]]:
        """Segments with their utterances; those without a known one move into the nearest."""
        return [pair for segment in segments if (pair := self._home(segment)) is not None]

    def awaiting_speech(self) -> Utterance | None:
        """Oldest incomplete utterance without speech, before that one with text already; else the newest of all."""
        silent = [utterance for utterance in self.open if not utterance.has_speech]
        worded = [utterance for utterance in silent if utterance.has_text]
        return next(iter([*worded, *silent, *self._newest_first()]), None)

    def complete_oldest(self) -> None:
        utterance = self.open.popleft()
        utterance.completed()
        self._completed.append(utterance)

    def _home(self, segment: Segment) -> tuple[Utterance, Segment] | None:
        utterance = self.find(segment.utterance_id)
        if utterance is not None:
            return utterance, segment
        middle_s = (segment.start_s + segment.end_s) / 2
        utterance = min(self._newest_first(), key=lambda candidate: candidate.distance_s(middle_s), default=None)
        if utterance is None:
            return None
        return utterance, _moved_into(utterance, segment)

    def _newest_first(self) -> Iterator[Utterance]:
        yield from reversed(self.open)
        yield from reversed(self._completed)


class _Tail:
    """The tentative end of one stream: always replaced as a whole, never appended to."""

    def __init__(self, stream: Stream, language: str | None) -> None:
        self._stream = stream
        self._language = language
        self._segments: list[tuple[Utterance, Segment]] = []
        self._shown: TentativeChanged | None = None

    def holds(self, utterance: Utterance) -> bool:
        return bool(_part(utterance, self._segments).strip())

    def replace(self, segments: Iterable[tuple[Utterance, Segment]]) -> list[Utterance]:
        """Take the new tail; returns the utterances whose part of it changed: repeating a guess is no progress."""
        before, self._segments = self._segments, list(segments)
        touched = {owner.id: owner for owner, _ in (*before, *self._segments)}
        return [owner for owner in touched.values() if _part(owner, before) != _part(owner, self._segments)]

    def changes(self) -> list[TentativeChanged]:
        """What differs from what was shown last: one change or none."""
        shown = self._shown
        tail = self._whole()
        if tail is None and shown is not None and shown.text:
            tail = replace(shown, text="")
        if tail is None or tail == shown:
            return []
        self._shown = tail
        return [tail]

    def _whole(self) -> TentativeChanged | None:
        beginning = next((pair for pair in self._segments if pair[1].text.strip()), None)
        if beginning is None:
            return None
        owner, first = beginning
        return TentativeChanged(
            utterance_id=owner.id,
            stream=self._stream,
            language=self._language or first.language,
            text="".join(segment.text for _, segment in self._segments).strip(),
            start_s=first.start_s,
            end_s=max(segment.end_s for _, segment in self._segments),
        )


class _Outstanding:
    """What is still to come: tentative tails of all streams, and speech of concluded text."""

    def __init__(self) -> None:
        self._tails: dict[StreamKey, _Tail] = {}
        self._cursors: dict[str, SpeechCursor] = {}

    def tail(self, event: TranscriptUpdated) -> _Tail:
        return self._tails.setdefault(event.language, _Tail(event.stream, event.language))

    def cursor(self, language: str) -> SpeechCursor:
        return self._cursors.setdefault(language, SpeechCursor())

    def tentative_streams(self, utterance: Utterance) -> frozenset[StreamKey]:
        """Streams that have tentative text of this utterance."""
        return frozenset(key for key, tail in self._tails.items() if tail.holds(utterance))

    def done_at(self, utterance: Utterance) -> float | None:
        """When the utterance is complete if nothing more comes."""
        owes_speech = any(cursor.owes(utterance.id) for cursor in self._cursors.values())
        return utterance.done_at(self.tentative_streams(utterance), owes_speech)

    def clear(self) -> list[TentativeChanged]:
        """Nothing more comes of the session; returns what that takes off the display."""
        changes: list[TentativeChanged] = []
        for tail in self._tails.values():
            tail.replace([])
            changes.extend(tail.changes())
        self._tails.clear()
        self._cursors.clear()
        return changes


def _bounded(segments: Sequence[Segment]) -> Sequence[Segment]:
    """As many as MAX_TENTATIVE_CHARACTERS allow."""
    characters = 0
    for at, segment in enumerate(segments):
        characters += len(segment.text)
        if characters > MAX_TENTATIVE_CHARACTERS:
            return segments[:at]
    return segments


def _part(utterance: Utterance, segments: list[tuple[Utterance, Segment]]) -> str:
    return "".join(segment.text for owner, segment in segments if owner is utterance)


def _moved_into(utterance: Utterance, segment: Segment) -> Segment:
    """The segment with its times inside the utterance: those of text without a home cannot be trusted."""
    end_limit_s = max(segment.end_s, utterance.start_s) if utterance.end_s is None else utterance.end_s
    start_s = min(max(segment.start_s, utterance.start_s), end_limit_s)
    end_s = max(start_s, min(segment.end_s, end_limit_s))
    return replace(segment, utterance_id=utterance.id, start_s=start_s, end_s=end_s)
