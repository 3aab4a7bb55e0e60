"""Payloads: what is published below a satellite's topics; `bodies` has the keys.

How each waits for a broker: concluded text, utterances and answers of a backend are kept in order (CONCLUDED). Present
state is LATEST: after an outage only the newest is still true. Tentative text, playback, the session's life and refused
commands are news at this moment or never (TRANSIENT): neither a service that cannot be reached for days nor a flood of
commands may crowd out text.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from satellite.core.events import Stream
from satellite.core.transcript import SegmentConcluded, TentativeChanged, UtteranceRecord
from satellite.homeassistant import bodies
from satellite.homeassistant.commands import ECHO_CHARACTERS_MAX, printable
from satellite.homeassistant.messages import Delivery, Message
from satellite.homeassistant.topics import OFFLINE, ONLINE, Topics

PEER_CHARACTERS_MAX = 500
"""Reasons and messages may repeat what a service said: they are cut to this length."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNFIT_FOR_TOPIC = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class ProblemNote:
    """Something a person should know or mend; `since_s` is the Unix time at which it began."""

    code: bodies.ProblemCode
    message: str
    hint: str | None
    since_s: float


@dataclass(frozen=True, slots=True)
class HealthFigures:
    """Totals since the start and present ages; None where there is nothing to measure yet."""

    version: str
    uptime_s: float
    captured_s: float
    streamed_s: float
    billed_s: float
    utterances: int
    sessions: int
    resumes: int
    reconnects: int
    lost_audio_ms: float
    outbox: int
    capture_age_ms: float | None
    cpu_s: float
    rss_bytes: int
    uplink_p50_ms: float | None
    uplink_p95_ms: float | None


def rfc3339_ms(unix_s: float) -> str:
    """Unix seconds as UTC with milliseconds: "2026-11-21T14:03:07.123Z"."""
    moment = _EPOCH + timedelta(milliseconds=round(unix_s * 1000))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- text -------------------------------------------------------------------------------------------------------


def segment(topics: Topics, output: SegmentConcluded, session_id: str, *, retain: bool) -> Message:
    """One concluded segment on `transcript` or `translation/<lang>`."""
    is_source = output.stream is Stream.SOURCE
    topic = topics.transcript if is_source else topics.translation(_topic_level(output.language))
    body = bodies.Segment(
        id=output.id,
        utterance_id=output.utterance_id,
        session_id=session_id,
        language=output.language,
        text=output.text,
        start=rfc3339_ms(output.start_s),
        end=rfc3339_ms(output.end_s),
        speaker=output.speaker,
    )
    return Message(topic, _json(body), retain, 1, Delivery.CONCLUDED)


def tentative(topics: Topics, output: TentativeChanged) -> Message:
    """The whole tentative tail of a stream; QoS 0, as the next one replaces it."""
    is_source = output.stream is Stream.SOURCE
    topic = topics.transcript_tentative if is_source else topics.translation_tentative(_topic_level(output.language))
    body = bodies.Tentative(
        utterance_id=output.utterance_id,
        language=output.language,
        text=output.text,
        start=rfc3339_ms(output.start_s),
        end=rfc3339_ms(output.end_s),
    )
    return Message(topic, _json(body), False, 0, Delivery.TRANSIENT)


def utterance(topics: Topics, record: UtteranceRecord, *, retain: bool) -> Message:
    """One whole utterance."""
    spoken = None
    if record.speech_language is not None:
        spoken = bodies.SpokenTranslation(language=record.speech_language, duration_ms=record.speech_ms)
    body = bodies.Utterance(
        id=record.id,
        start=rfc3339_ms(record.start_s),
        end=rfc3339_ms(record.end_s),
        duration_ms=round((record.end_s - record.start_s) * 1000),
        source=bodies.SourceText(language=record.source_language, text=record.source_text),
        translations=dict(record.translations),
        speech=spoken,
        lost_ms=round(record.lost_ms),
        complete=record.complete,
        reason=record.reason,
    )
    return Message(topics.utterance, _json(body), retain, 1, Delivery.CONCLUDED)


# --- happenings -------------------------------------------------------------------------------------------------


def speech(
    topics: Topics,
    event: bodies.SpeechEvent,
    utterance_id: str | None,
    language: str | None,
    text: str,
    duration_ms: float,
) -> Message:
    """Playback `started`, `finished` or was `cut`, just now; a sound that is no speech has no language."""
    body = bodies.Speech(
        event=event,
        utterance_id=utterance_id,
        language=language or None,
        text=text.strip(),
        duration_ms=round(duration_ms),
    )
    return Message(topics.speech, _json(body), False, 1, Delivery.TRANSIENT)


def session(
    topics: Topics, event: bodies.SessionEvent, session_id: str, backend: str, reason: str | None, trace_id: str | None
) -> Message:
    """The voice session `opened`, `resumed`, was `lost`, `closed` or `failed`."""
    body = bodies.Session(
        event=event,
        session_id=session_id,
        backend=backend,
        reason=_capped(reason),
        trace_id=_capped(trace_id),
    )
    return Message(topics.session, _json(body), False, 1, Delivery.TRANSIENT)


def command_error(topics: Topics, command: str, payload: str, reason: str) -> Message:
    """A command that was not obeyed, and why."""
    body = bodies.CommandError(
        command=command, payload=printable(payload, ECHO_CHARACTERS_MAX), reason=printable(reason, PEER_CHARACTERS_MAX)
    )
    return Message(topics.command_error, _json(body), False, 1, Delivery.TRANSIENT)


def backend_result(topics: Topics, action: str, reason: str | None, result: Mapping[str, object]) -> Message:
    """The answer to a runtime action of the backend; `reason` says why it was not carried out."""
    body = bodies.BackendResult(action=action, ok=reason is None, reason=reason, result=result)
    return Message(topics.backend_result(action), _json(body), False, 1, Delivery.CONCLUDED)


# --- present state ----------------------------------------------------------------------------------------------


def availability(topics: Topics, *, is_online: bool) -> Message:
    """Whether the satellite is there."""
    return _latest(topics.availability, ONLINE if is_online else OFFLINE)


def state(topics: Topics, name: bodies.State) -> Message:
    """What the satellite does now, one word."""
    return _latest(topics.state, name.encode())


def problem(topics: Topics, note: ProblemNote | None) -> Message:
    """The problem there is, or that there is none."""
    if note is None:
        return _latest(topics.problem, _json(bodies.NoProblem(active=False)))
    body = bodies.Problem(
        active=True,
        code=note.code,
        message=printable(note.message, PEER_CHARACTERS_MAX),
        hint=_capped(note.hint),
        since=rfc3339_ms(note.since_s),
    )
    return _latest(topics.problem, _json(body))


def health(topics: Topics, figures: HealthFigures) -> Message:
    """Totals and ages: seconds to a tenth, milliseconds whole."""
    body = bodies.Health(
        version=figures.version,
        uptime_s=round(figures.uptime_s, 1),
        captured_s=round(figures.captured_s, 1),
        streamed_s=round(figures.streamed_s, 1),
        billed_s=round(figures.billed_s, 1),
        utterances=figures.utterances,
        sessions=figures.sessions,
        resumes=figures.resumes,
        reconnects=figures.reconnects,
        lost_audio_ms=round(figures.lost_audio_ms),
        outbox=figures.outbox,
        capture_age_ms=_whole(figures.capture_age_ms),
        cpu_s=round(figures.cpu_s, 1),
        rss_bytes=figures.rss_bytes,
        latency_ms=bodies.Latency(uplink_p50=_whole(figures.uplink_p50_ms), uplink_p95=_whole(figures.uplink_p95_ms)),
    )
    return _latest(topics.health, _json(body))


def usage(topics: Topics, day: str, streamed_s: float, billed_s: float) -> Message:
    """Seconds of today, the local calendar day."""
    body = bodies.Usage(day=day, streamed_s=round(streamed_s, 1), billed_s=round(billed_s, 1))
    return _latest(topics.usage, _json(body))


def cloud(topics: Topics, name: bodies.Link) -> Message:
    """How the link to the voice service stands."""
    return _latest(topics.cloud, name.encode())


def settings(
    topics: Topics,
    *,
    mute: bool,
    volume: int,
    source_language: str,
    target_languages: tuple[str, ...],
    speech_language: str | None,
) -> Message:
    """The values that commands can change; `speech_language` null means text only."""
    body = bodies.Settings(
        mute=mute,
        volume=volume,
        source_language=source_language,
        target_languages=target_languages,
        speech_language=speech_language,
    )
    return _latest(topics.settings, _json(body))


# --- inside -----------------------------------------------------------------------------------------------------


def _latest(topic: str, payload: bytes) -> Message:
    return Message(topic, payload, True, 1, Delivery.LATEST)


def _json(body: bodies.Body) -> bytes:
    """Compact UTF-8; half a surrogate pair, which JSON lets a peer send, becomes a question mark."""
    return json.dumps(msgspec.to_builtins(body), ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _whole(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


def _capped(text: str | None) -> str | None:
    return None if text is None else printable(text, PEER_CHARACTERS_MAX)


def _topic_level(language: str) -> str:
    """The tag as configured; one that a service made up must not reach into other topics."""
    return _UNFIT_FOR_TOPIC.sub("_", language) or "_"
