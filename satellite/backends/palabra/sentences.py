"""Sentences: what the service says in text, turned into concluded and tentative segments (reference §11.1).

A sentence of the source is known by its id; of its translations each part has a number. Provisional text replaces what
went before, and is over with the final one, which counts once.
"""

from collections import deque
from typing import TypeVar

from satellite.backends.palabra.conversation import Conversation
from satellite.backends.palabra.languages import blank_between
from satellite.backends.palabra.messages import Transcription
from satellite.backends.tags import AUTO, configured_spelling, is_tag, primary
from satellite.core.events import Segment, Stream, TranscriptUpdated

MAX_OPEN = 32
"""Sentences of one stream that may be provisional at a time; the oldest are forgotten."""
MAX_REMEMBERED = 512
"""Finals known, so that a repeated one is noticed."""
MAX_AWAITED = 64
TRANSLATION_WITHIN_S = 10.0
"""A final translation that has not come by then does not come."""
UNDETERMINED = "und"

_KeyT = TypeVar("_KeyT")
_ValueT = TypeVar("_ValueT")
_Key = tuple[str, str, str]
Span = tuple[float, float, str | None]


class Sentences:
    """The text of one session."""

    def __init__(self, shared: Conversation) -> None:
        self._shared = shared
        self._open: dict[str | None, dict[_Key, Segment]] = {None: {}, **{target: {} for target in shared.targets}}
        self._final: deque[_Key] = deque(maxlen=MAX_REMEMBERED)
        self._cancelled: deque[str] = deque(maxlen=MAX_REMEMBERED)
        self._spans: dict[str, Span] = {}
        self._awaited: dict[tuple[str, str], float] = {}

    @property
    def awaited_until(self) -> float:
        """Until when final translations are to be expected; minus infinity when all are there."""
        return max(self._awaited.values(), default=float("-inf"))

    @property
    def is_tentative(self) -> bool:
        """True while text of a translation may still change."""
        return any(segments for language, segments in self._open.items() if language is not None)

    def source(self, sentence: Transcription, now: float) -> None:
        """A sentence as it was heard."""
        key = (sentence.id, "", "")
        if self._is_over(key):
            return
        span = self._spans[sentence.id] = self._located(sentence)
        _bound(self._spans, MAX_REMEMBERED)
        concluded = self._place(None, key, sentence, self._spoken_language(sentence.language), span)
        if concluded:
            until = now + TRANSLATION_WITHIN_S
            self._awaited.update(dict.fromkeys(((sentence.id, each) for each in self._shared.targets), until))
            _bound(self._awaited, MAX_AWAITED)
        tentative = tuple(self._open[None].values())
        self._shared.progress.source_text(
            (segment.utterance_id for segment in concluded), (segment.utterance_id for segment in tentative), now
        )
        self._shared.life.report(TranscriptUpdated(Stream.SOURCE, None, concluded, tentative))

    def target(self, sentence: Transcription) -> str | None:
        """A part of a translation; its language when it is final and new, which is when it can be spoken."""
        language = self.target_language(sentence.language)
        if language is None:
            self._shared.counters.ignored_messages += 1
            return None
        key = (sentence.id, primary(language), sentence.part)
        if self._is_over(key):
            return None
        span = self._spans.get(sentence.id) or self._located(sentence)
        concluded = self._place(language, key, sentence, language, span)
        if sentence.is_final:
            self._awaited.pop((sentence.id, language), None)
        tentative = tuple(self._open[language].values())
        self._shared.life.report(TranscriptUpdated(Stream.TARGET, language, concluded, tentative))
        return language if concluded else None

    def target_language(self, received: str | None) -> str | None:
        """The configured language that a message is about; base codes and variants mean the same (§11.1)."""
        targets = self._shared.targets
        if received is None:
            return targets[0] if len(targets) == 1 else None
        return configured_spelling(received, targets)

    def is_cancelled(self, sentence_id: str) -> bool:
        """True for a sentence that was cancelled before its end."""
        return sentence_id in self._cancelled

    def cancel(self, now: float) -> None:
        """Forget all that is provisional: the service drops it, and never sends a final for it (§12)."""
        self._cancelled.extend({key[0] for segments in self._open.values() for key in segments})
        self._cancelled.extend({sentence_id for sentence_id, _ in self._awaited})
        self._awaited.clear()
        for language, segments in self._open.items():
            if segments:
                segments.clear()
                stream = Stream.SOURCE if language is None else Stream.TARGET
                self._shared.life.report(TranscriptUpdated(stream, language, (), ()))
        self._shared.progress.source_text((), (), now)

    def _is_over(self, key: _Key) -> bool:
        """True for text that changes nothing any more: its final came, or it was cancelled."""
        return key in self._final or key[0] in self._cancelled

    def _place(
        self, stream: str | None, key: _Key, sentence: Transcription, language: str, span: Span
    ) -> tuple[Segment, ...]:
        """Put text in its place; what is concluded by it."""
        segments = self._open[stream]
        if not sentence.is_final and sentence.text.strip():
            segments[key] = Segment(blank_between(language) + sentence.text.strip(), language, *span)
            _bound(segments, MAX_OPEN)
            return ()
        segments.pop(key, None)
        if not sentence.is_final:
            return ()
        self._final.append(key)
        if not sentence.text.strip():
            return ()
        return (Segment(blank_between(language) + sentence.text.strip(), language, *span),)

    def _located(self, sentence: Transcription) -> Span:
        """When it was spoken; where the service does not say so, as far as we know up to now."""
        timeline = self._shared.timeline
        if sentence.times_ms is None:
            known = self._spans.get(sentence.id)
            return known or timeline.span(timeline.sent_ms, timeline.sent_ms)
        start_ms, end_ms = sentence.times_ms
        if sentence.is_source:
            timeline.observe("source", start_ms, end_ms if sentence.is_final else None, end_ms)
        return timeline.span(start_ms, end_ms)

    def _spoken_language(self, received: str | None) -> str:
        configured = self._shared.setup.source_language
        if configured == AUTO:
            return received if is_tag(received) and received is not None else UNDETERMINED
        if received is not None and is_tag(received) and primary(received) != primary(configured):
            return received
        return configured


def _bound(entries: dict[_KeyT, _ValueT], limit: int) -> None:
    """Forget the oldest over a limit."""
    while len(entries) > limit:
        del entries[next(iter(entries))]
