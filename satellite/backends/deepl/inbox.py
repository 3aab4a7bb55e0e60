"""Inbox: what the service says, turned into events (voice reference §10, §14-§16)."""

from collections import deque
from collections.abc import Iterable

from satellite.backends.deepl.conversation import Conversation
from satellite.backends.deepl.failures import verdict_of_error
from satellite.backends.deepl.languages import AUTO, configured_spelling, is_tag, unique
from satellite.backends.deepl.messages import (
    EndOfSourceTranscript,
    EndOfStream,
    EndOfTargetMedia,
    EndOfTargetTranscript,
    Malformed,
    MediaChunk,
    Message,
    ServiceError,
    SourceUpdate,
    TargetUpdate,
    WireSegment,
)
from satellite.backends.deepl.speech import SpeechStream, content_type_of
from satellite.backends.flood import Flood
from satellite.core.events import (
    Segment,
    SessionFailed,
    SpeechChunk,
    SpeechEnded,
    Stream,
    TranscriptUpdated,
    UtteranceSettled,
)
from satellite.errors import ErrorCategory

MAX_REMEMBERED = 64
"""Concluded segments compared with those of a new connection."""
MAX_UNASKED = 16
"""Languages that nobody asked for; text in more of them is ignored."""
UNDETERMINED = "und"

_Key = tuple[str | None, str, int, int]


class _Repeats:
    """Drops concluded segments that an earlier connection brought already (§6.5)."""

    def __init__(self) -> None:
        self._present: deque[_Key] = deque(maxlen=MAX_REMEMBERED)
        self._earlier: frozenset[_Key] = frozenset()

    def reconnected(self) -> None:
        """What was held up to now is what may be repeated."""
        self._earlier = frozenset(self._present)

    def fresh(self, language: str | None, segments: Iterable[WireSegment]) -> list[WireSegment]:
        """The segments of this stream that are new."""
        keyed = [((language, each.text, each.start_ms, each.end_ms), each) for each in segments]
        self._present.extend(key for key, _ in keyed)
        return [each for key, each in keyed if key not in self._earlier]


class Inbox:
    """Reads messages; ends or fails the session when the service says so."""

    def __init__(self, shared: Conversation, speech_media: str) -> None:
        self._shared = shared
        self._speech_media = content_type_of(speech_media)
        setup = shared.setup
        self._spoken = () if setup.speech_language is None else (setup.speech_language,)
        self._targets = unique([*setup.target_languages, *self._spoken])
        self._speech: dict[str, SpeechStream] = {}
        self._tentative_targets: set[str] = set()
        self._repeats = _Repeats()
        self._unasked: set[str] = set()
        self._flood = Flood(shared.counters)

    @property
    def is_pending(self) -> bool:
        """True while a translation may still change."""
        return bool(self._tentative_targets)

    def reconnected(self) -> None:
        """A new connection: what it repeats of the one before is dropped."""
        self._repeats.reconnected()
        for stream in self._speech.values():
            stream.reconnected()

    def take(self, data: str | bytes, now: float) -> None:
        """One message as it arrived."""
        messages = self._shared.codec.decode(data)
        if isinstance(messages, Malformed):
            self._shared.counters.ignored_messages += 1
            self._shared.life.fail(SessionFailed(ErrorCategory.SERVER, f"the service sent {messages.detail}"))
            return
        for message in messages:
            if not self._take(message, now):
                self._ignore(now)

    def _take(self, message: Message, now: float) -> bool:
        """Use a message; False when it is of no use."""
        match message:
            case _ if self._shared.life.is_final:
                return True
            case SourceUpdate():
                self._source_updated(message, now)
            case TargetUpdate():
                return self._target_updated(message)
            case MediaChunk():
                return self._spoke(message)
            case EndOfSourceTranscript():
                self.conclude()
            case EndOfTargetTranscript():
                pass  # says nothing that the stream's end does not say
            case EndOfTargetMedia():
                return self._speech_ended(message)
            case EndOfStream():
                self._stream_ended()
            case ServiceError():
                self._failed(message)
            case _:
                return False
        return True

    def conclude(self) -> None:
        """No more source text comes: what was sent is settled, unless the service left some of it tentative."""
        for utterance_id in self._shared.progress.conclude():
            self._shared.progress.settle(utterance_id)
            self._shared.life.report(UtteranceSettled(utterance_id))

    # --- text --------------------------------------------------------------------------------------------------

    def _source_updated(self, update: SourceUpdate, now: float) -> None:
        self._observe("source", update)
        concluded = self._segments(self._repeats.fresh(None, update.concluded), None)
        tentative = self._segments(update.tentative, None)
        self._shared.progress.source_text(
            (segment.utterance_id for segment in concluded), (segment.utterance_id for segment in tentative), now
        )
        self._shared.life.report(TranscriptUpdated(Stream.SOURCE, None, concluded, tentative))

    def _target_updated(self, update: TargetUpdate) -> bool:
        language = self._language(update.language, self._targets)
        if language is None:
            return False
        self._observe(language, update)
        concluded = self._segments(self._repeats.fresh(language, update.concluded), language)
        tentative = self._segments(update.tentative, language)
        if tentative:
            self._tentative_targets.add(language)
        else:
            self._tentative_targets.discard(language)
        self._shared.life.report(TranscriptUpdated(Stream.TARGET, language, concluded, tentative))
        return True

    def _observe(self, stream: str, update: SourceUpdate | TargetUpdate) -> None:
        """Let the timeline find out whether a new connection counts anew."""
        segments = update.concluded + update.tentative
        if segments:
            end_ms = max((segment.end_ms for segment in update.concluded), default=None)
            reaches_ms = max(segment.end_ms for segment in segments) if isinstance(update, SourceUpdate) else 0
            self._shared.timeline.observe(stream, min(segment.start_ms for segment in segments), end_ms, reaches_ms)

    def _segments(self, segments: Iterable[WireSegment], language: str | None) -> tuple[Segment, ...]:
        """With wall-clock time and utterance; `language` None is the source stream."""
        span = self._shared.timeline.span
        return tuple(
            Segment(each.text, language or self._spoken_language(each), *span(each.start_ms, each.end_ms))
            for each in segments
        )

    def _spoken_language(self, segment: WireSegment) -> str:
        """Source segments carry their own language: it may change from one to the next."""
        if segment.language is not None and is_tag(segment.language):
            return segment.language
        configured = self._shared.setup.source_language
        return UNDETERMINED if configured == AUTO else configured

    # --- speech ------------------------------------------------------------------------------------------------

    def _spoke(self, chunk: MediaChunk) -> bool:
        language = self._language(chunk.language, self._spoken)
        if language is None:
            return False
        stream = self._speech.setdefault(language, SpeechStream(self._speech_media))
        units = stream.take(chunk.data, chunk.headers, chunk.content_type, is_new_piece=chunk.text is not None)
        if not units.headers and not units.data and chunk.text is None:
            return False
        self._shared.life.report(
            SpeechChunk(language, units.content_type, units.headers, units.data, chunk.duration_ms, chunk.text)
        )
        return True

    def _speech_ended(self, message: EndOfTargetMedia) -> bool:
        language = self._language(message.language, self._spoken)
        if language is None:
            return False
        self._shared.life.report(SpeechEnded(language))
        return True

    # --- the end -----------------------------------------------------------------------------------------------

    def _stream_ended(self) -> None:
        ending = self._shared.ending
        self.conclude()
        self._shared.life.end(ending.reason or "ended by the service", expected=ending.has_begun)

    def _failed(self, error: ServiceError) -> None:
        """The session is dead and may not be rejoined."""
        found = verdict_of_error(error.code, error.text)
        said = f": {error.text}" if error.text else ""
        detail = f"the service reported error {error.code} ({error.reason_code}){said}"
        self._shared.life.fail(SessionFailed(found.category, detail, found.hint, found.retry_after_s))

    def _ignore(self, now: float) -> None:
        """Count a message of no use; a flood of them is the end of the session."""
        if (failure := self._flood.ignored(now)) is not None:
            self._shared.life.fail(failure)

    def _language(self, received: str | None, configured: tuple[str, ...]) -> str | None:
        """The language that a reply is about, None for none or one too many that nobody asked for."""
        language = _language(received, configured)
        if language is None or language in configured or language in self._unasked:
            return language
        if len(self._unasked) >= MAX_UNASKED:
            return None
        self._unasked.add(language)
        return language


def _language(received: str | None, configured: tuple[str, ...]) -> str | None:
    """The configured tag that a reply is about, its own tag where none fits; None where that is no tag.

    A reply that names no language is about the only one asked for; None as well where none was asked for.
    """
    if received is None or not configured:
        return configured[0] if len(configured) == 1 else None
    return configured_spelling(received, configured) or (received if is_tag(received) else None)
