"""What a voice session can report. All are past tense, frozen, and carry their units."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from satellite.errors import ErrorCategory


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of text with the wall-clock time (Unix seconds) at which it was spoken.

    `text` carries its own leading blank where one is due: joined with the empty string. `utterance_id` is
    the utterance during which it was spoken, None when the session cannot tell.
    """

    text: str
    language: str
    start_s: float
    end_s: float
    utterance_id: str | None
    speaker: str | None = None


class Stream(enum.Enum):
    """Whether text is what was said or its translation."""

    SOURCE = "source"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A connection of the session is up; `resumed` from the second one on."""

    resumed: bool
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection ended unasked; the session itself may still be resumed."""

    reason: str


@dataclass(frozen=True, slots=True)
class TranscriptUpdated:
    """New concluded segments to append, and the tentative tail that replaces the one before.

    `language` is None for the source stream, the configured target tag for a translation.
    """

    stream: Stream
    language: str | None
    concluded: tuple[Segment, ...]
    tentative: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """Synthesised speech: indivisible units in `content_type`, to be decoded and played in order.

    `headers` are decoder set-up units: not audio, given with the first chunk (and again if the service repeats
    them). `text` is set on the first chunk of a new piece of speech. `duration_ms` is what the service says.
    """

    language: str
    content_type: str
    headers: tuple[bytes, ...]
    data: tuple[bytes, ...]
    duration_ms: int
    text: str | None


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """No more speech in this language comes in this session."""

    language: str


@dataclass(frozen=True, slots=True)
class SpeechCancelled:
    """What was spoken so far and was not heard yet is not wanted any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class UtteranceSent:
    """The last sample of the utterance was handed to the socket."""

    utterance_id: str


@dataclass(frozen=True, slots=True)
class UtteranceSettled:
    """The session will send no more source text for this utterance: nothing of it is tentative any longer."""

    utterance_id: str


@dataclass(frozen=True, slots=True)
class AudioLost:
    """Audio handed to a connection that died before the service can be known to have it."""

    utterance_id: str
    samples: int


@dataclass(frozen=True, slots=True)
class ActionAnswered:
    """What became of a run-time action that a user asked for; `reason` is set when it was not carried out."""

    action: str
    result: Mapping[str, object] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session is over in order: `expected` says whether we asked for it."""

    reason: str
    expected: bool


@dataclass(frozen=True, slots=True)
class SessionFailed:
    """The session is over by a failure; the first cause wins."""

    category: ErrorCategory
    detail: str
    hint: str | None = None
    retry_after_s: float | None = None
    trace_id: str | None = None


VoiceEvent = (
    SessionOpened
    | ConnectionLost
    | TranscriptUpdated
    | SpeechChunk
    | SpeechEnded
    | SpeechCancelled
    | UtteranceSent
    | UtteranceSettled
    | AudioLost
    | ActionAnswered
    | SessionEnded
    | SessionFailed
)
