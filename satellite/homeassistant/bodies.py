"""Bodies: the keys of each published payload, in the order in which they are published, with what they mean.

Encoding and JSON Schema come both from here: `payloads` fills these types, `scripts/make_mqtt_page.py` describes them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from satellite.core.gate import EndReason
from satellite.core.utterance import SESSION_OVER

Availability = Annotated[
    Literal["online", "offline"], Meta(description="Whether the satellite is there. Plain text, no JSON.")
]
State = Annotated[
    Literal["starting", "idle", "listening", "speaking", "muted", "parked"],
    Meta(description="What the satellite does now. Plain text, no JSON."),
]
Link = Literal["connected", "idle", "lost"]
Cloud = Annotated[
    Link, Meta(description="How the link to the voice service stands; idle: nothing to say. Plain text, no JSON.")
]
ProblemCode = Literal[
    "microphone",
    "auth",
    "quota",
    "rejected",
    "daily_limit",
    "unreachable",
    "rate_limited",
    "speaker",
    "audio_lost",
]
"""The most serious first: of several problems the first is shown."""
SpeechEvent = Literal["started", "finished", "cut"]
SessionEvent = Literal["opened", "resumed", "lost", "closed", "failed"]

Moment = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
        extra_json_schema={"format": "date-time"},
    ),
]
"""RFC 3339, UTC, with milliseconds."""
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """One JSON object; its keys are always all there."""


# --- text -------------------------------------------------------------------------------------------------------


class Segment(Body, frozen=True):
    """A concluded piece of text: it will not change."""

    id: Annotated[str, Meta(description="The same id means the same text: it tells a message that comes twice.")]
    utterance_id: Annotated[str, Meta(description="The utterance it is part of.")]
    session_id: Annotated[str, Meta(description="The conversation with the voice service in which it was heard.")]
    language: Annotated[str, Meta(description="BCP 47 tag of the text.")]
    text: Annotated[str, Meta(description="The text.")]
    start: Annotated[Moment, Meta(description="When it began to be spoken.")]
    end: Annotated[Moment, Meta(description="When it had been spoken.")]
    speaker: Annotated[str | None, Meta(description="Who spoke, as the service tells speakers apart; null: unknown.")]


class Tentative(Body, frozen=True):
    """What is understood so far and may still change; replaces the one before, an empty text clears it."""

    utterance_id: Annotated[str, Meta(description="The utterance it is part of.")]
    language: Annotated[str, Meta(description="BCP 47 tag of the text.")]
    text: Annotated[str, Meta(description="All of the tentative text; empty: there is none any longer.")]
    start: Annotated[Moment, Meta(description="When it began to be spoken.")]
    end: Annotated[Moment, Meta(description="Up to when it was spoken so far.")]


class SourceText(Body, frozen=True):
    """What was said."""

    language: Annotated[str | None, Meta(description="BCP 47 tag of most of the text; null: there is no text.")]
    text: Annotated[str, Meta(description="All concluded text.")]


class SpokenTranslation(Body, frozen=True):
    """What the service spoke of it."""

    language: Annotated[str, Meta(description="BCP 47 tag of the speech.")]
    duration_ms: Annotated[Count, Meta(description="Length of the speech that came, in milliseconds.")]


class Utterance(Body, frozen=True):
    """One utterance, from the gate's opening to its closing, with all that came of it."""

    id: Annotated[str, Meta(description="What segments and speech call `utterance_id`.")]
    start: Annotated[Moment, Meta(description="When somebody began to speak.")]
    end: Annotated[Moment, Meta(description="When somebody had spoken.")]
    duration_ms: Annotated[Count, Meta(description="From start to end, in milliseconds.")]
    source: SourceText
    translations: Annotated[Mapping[str, str], Meta(description="The text in each target language, by BCP 47 tag.")]
    speech: SpokenTranslation | None
    lost_ms: Annotated[Count, Meta(description="Audio of it that was lost and is in no text, in milliseconds.")]
    complete: Annotated[
        bool,
        Meta(description="False when something is missing: audio was lost, a translation, or the service ended first."),
    ]
    reason: Annotated[
        str,
        Meta(
            description="Why the gate closed; `session_over`: the service ended first; empty: given up before that.",
            extra_json_schema={"enum": [*(reason.value for reason in EndReason), SESSION_OVER, ""]},
        ),
    ]


# --- happenings -------------------------------------------------------------------------------------------------


class Speech(Body, frozen=True):
    """Speech began to be heard, ended, or was cut, at this moment."""

    event: Annotated[SpeechEvent, Meta(description="What happened.")]
    utterance_id: Annotated[str | None, Meta(description="The utterance that is spoken; null: of none.")]
    language: Annotated[str | None, Meta(description="BCP 47 tag of the speech; null: unknown.")]
    text: Annotated[str, Meta(description="What is spoken, as far as the service told.")]
    duration_ms: Annotated[
        Count, Meta(description="In milliseconds: when started, of what has come; afterwards, of what was heard.")
    ]


class Session(Body, frozen=True):
    """Life of the conversation with the voice service."""

    event: Annotated[SessionEvent, Meta(description="What happened; a `lost` connection may still be `resumed`.")]
    session_id: Annotated[str, Meta(description="Names the conversation; segments have it too.")]
    backend: Annotated[str, Meta(description="The voice service, as in `voice.backend`.")]
    reason: Annotated[str | None, Meta(description="Why it was lost, closed or failed, 500 characters at most.")]
    trace_id: Annotated[str | None, Meta(description="What the support of the service asks for.")]


class CommandError(Body, frozen=True):
    """A command that was not obeyed."""

    command: Annotated[str, Meta(description="What stood behind `set/`, 64 characters at most.")]
    payload: Annotated[str, Meta(description="What was sent, 256 characters at most, unprintable ones as U+FFFD.")]
    reason: Annotated[str, Meta(description="Why, as a sentence for the sender.")]


class BackendResult(Body, frozen=True):
    """The answer to `set/backend/<action>`."""

    action: Annotated[str, Meta(description="The action, as in the topic.")]
    ok: Annotated[bool, Meta(description="Whether it was carried out.")]
    reason: Annotated[str | None, Meta(description="Why not; null when it was.")]
    result: Annotated[Mapping[str, Any], Meta(description="What came of it; the keys are those of the service.")]


# --- present state ----------------------------------------------------------------------------------------------


class NoProblem(Body, frozen=True):
    """Nothing needs a person."""

    active: Annotated[bool, Meta(description="There is no problem.", extra_json_schema={"const": False})]


class Problem(Body, frozen=True):
    """The most serious thing that is wrong."""

    active: Annotated[bool, Meta(description="There is a problem.", extra_json_schema={"const": True})]
    code: Annotated[ProblemCode, Meta(description="The kind of problem.")]
    message: Annotated[str, Meta(description="What is wrong, in words, 500 characters at most.")]
    hint: Annotated[str | None, Meta(description="A way to mend it.")]
    since: Annotated[Moment, Meta(description="When it began.")]


class Latency(Body, frozen=True):
    """How much audio waited to be sent; null where none was sent yet."""

    uplink_p50: Annotated[Count | None, Meta(description="Half of the time at most this, in milliseconds.")]
    uplink_p95: Annotated[Count | None, Meta(description="19 of 20 times at most this, in milliseconds.")]


class Health(Body, frozen=True):
    """Totals since the start of the program, and present ages."""

    version: Annotated[str, Meta(description="Version of the program.")]
    uptime_s: Annotated[Seconds, Meta(description="Seconds since the start.")]
    captured_s: Annotated[Seconds, Meta(description="Seconds of sound from the microphone.")]
    streamed_s: Annotated[Seconds, Meta(description="Seconds of audio handed to the voice service.")]
    billed_s: Annotated[Seconds, Meta(description="Seconds of audio that the service charges for.")]
    utterances: Annotated[Count, Meta(description="Utterances begun.")]
    sessions: Annotated[Count, Meta(description="Conversations with the service begun.")]
    resumes: Annotated[Count, Meta(description="Connections that took a conversation up again.")]
    reconnects: Annotated[Count, Meta(description="Connections made after one was lost.")]
    lost_audio_ms: Annotated[Count, Meta(description="Audio that will never be transcribed, in milliseconds.")]
    outbox: Annotated[Count, Meta(description="Messages that wait for the broker.")]
    capture_age_ms: Annotated[
        Count | None,
        Meta(
            description="Age of the newest sound, in milliseconds: a few seconds mean it is deaf; null: no sound yet."
        ),
    ]
    cpu_s: Annotated[Seconds, Meta(description="Seconds of processor time used.")]
    rss_bytes: Annotated[Count, Meta(description="Resident memory, in bytes.")]
    latency_ms: Latency


class Usage(Body, frozen=True):
    """What this day has cost so far; outlasts a restart."""

    day: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="The local calendar day.")]
    streamed_s: Annotated[Seconds, Meta(description="Seconds of audio handed to the voice service.")]
    billed_s: Annotated[Seconds, Meta(description="Seconds of audio that the service charges for.")]


class Settings(Body, frozen=True):
    """The values that commands can change, as they are now."""

    mute: Annotated[bool, Meta(description="Whether the microphone is closed by command.")]
    volume: Annotated[int, Meta(ge=0, le=100, description="Loudness of playback, percent.")]
    source_language: Annotated[str, Meta(description="BCP 47 tag of what is spoken, or `auto`.")]
    target_languages: Annotated[tuple[str, ...], Meta(description="BCP 47 tags of the text translations.")]
    speech_language: Annotated[str | None, Meta(description="BCP 47 tag of the spoken translation; null: text only.")]
