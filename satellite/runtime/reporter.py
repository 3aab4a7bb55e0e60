"""Reporter: everything the satellite says about itself, as messages to the broker."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from satellite.core.events import SessionFailed
from satellite.core.transcript import BookOutput, SegmentConcluded, UtteranceCompleted
from satellite.errors import ErrorCategory
from satellite.homeassistant import payloads
from satellite.homeassistant.bodies import Link, ProblemCode, SessionEvent, SpeechEvent
from satellite.homeassistant.commands import CommandRefused
from satellite.homeassistant.topics import Topics
from satellite.ports import Publisher, SleeplessClock
from satellite.runtime.intake import Passage
from satellite.runtime.settings import RuntimeSettings
from satellite.runtime.standing import Standing

log = logging.getLogger(__name__)

PROBLEM_CODES: Mapping[ErrorCategory, ProblemCode] = {
    ErrorCategory.CONNECTIVITY: "unreachable",
    ErrorCategory.SERVER: "unreachable",
    ErrorCategory.RATE_LIMIT: "rate_limited",
    ErrorCategory.AUTHENTICATION: "auth",
    ErrorCategory.AUTHORIZATION: "auth",
    ErrorCategory.INVALID_REQUEST: "rejected",
    ErrorCategory.QUOTA: "quota",
}
"""What the `problem` topic calls each kind of failure of the voice service."""

CLOUD: Mapping[SessionEvent, Link] = {
    "opened": "connected",
    "resumed": "connected",
    "closed": "idle",
    "lost": "lost",
    "failed": "lost",
}
"""How the link stands after each event of a session."""

SESSION_CODES = frozenset(PROBLEM_CODES.values())


@dataclass(frozen=True, slots=True)
class ReporterOptions:
    """What the configuration says about publishing."""

    backend: str
    publish_tentative: bool
    retain_transcripts: bool
    log_transcripts: bool


class Reporter:
    """Turns happenings into messages, and remembers what a broker that was away must be told again."""

    def __init__(self, topics: Topics, publisher: Publisher, clock: SleeplessClock, options: ReporterOptions) -> None:
        self._topics = topics
        self._publisher = publisher
        self._clock = clock
        self._options = options
        self._standing = Standing(topics, publisher, clock)

    @property
    def standing(self) -> Standing:
        """State, problem and settings: what is published retained."""
        return self._standing

    def transcript(self, output: BookOutput, session_id: str) -> None:
        """A concluded segment, a changed tentative tail, or a completed utterance."""
        options, topics = self._options, self._topics
        if isinstance(output, SegmentConcluded):
            self._publisher.publish(payloads.segment(topics, output, session_id, retain=options.retain_transcripts))
            if options.log_transcripts:
                log.info(
                    "%s [%s] %s",
                    output.id,
                    output.language,
                    output.text,
                    extra={"session_id": session_id, "utterance_id": output.utterance_id},
                )
        elif isinstance(output, UtteranceCompleted):
            self._publisher.publish(payloads.utterance(topics, output.record, retain=options.retain_transcripts))
            record = output.record
            log.info(
                "utterance %s complete: %s",
                record.id,
                record.reason,
                extra={"session_id": session_id, "utterance_id": record.id},
            )
        elif options.publish_tentative:
            self._publisher.publish(payloads.tentative(topics, output))

    def playing(self, is_heard: bool) -> None:
        """Sound comes out, be it speech or not, or has ended."""
        self._standing.speaking(is_heard)

    def speech_event(self, event: SpeechEvent, passage: Passage, duration_ms: int) -> None:
        """Speech is `started`, `finished` or `cut`, at this moment."""
        self._publisher.publish(
            payloads.speech(self._topics, event, passage.utterance_id, passage.language, passage.text, duration_ms)
        )

    def session_event(self, event: SessionEvent, session_id: str, reason: str | None, trace_id: str | None) -> None:
        """`opened`, `resumed`, `lost`, `closed` or `failed`."""
        why = f" ({reason})" if reason else ""
        log.info("session %s: %s%s", session_id, event, why, extra={"session_id": session_id})
        self._publisher.publish(
            payloads.session(self._topics, event, session_id, self._options.backend, reason, trace_id)
        )
        self._standing.cloud(CLOUD[event])

    def session_problem(self, failure: SessionFailed | None) -> None:
        """Why there is no session, None when there is one again."""
        if failure is None:
            self._standing.solved(*SESSION_CODES)
        else:
            code = PROBLEM_CODES[failure.category]
            self._standing.problem(code, failure.detail, failure.hint, instead_of=SESSION_CODES)

    def audio_lost(self, lost_ms: float) -> None:
        """Audio that will never be transcribed."""
        self._standing.lost(lost_ms)

    def parked(self, is_parked: bool) -> None:
        """Retrying waits for a person."""
        self._standing.parked(is_parked)

    def daily_limit(self, is_reached: bool) -> None:
        """Nothing more may be streamed today; False when it may again."""
        if is_reached:
            log.warning("the daily limit is reached: nothing is streamed until tomorrow")
            hint = "raise voice.daily_limit_min, or wait for tomorrow"
            self._standing.problem("daily_limit", "as much was streamed today as voice.daily_limit_min allows", hint)
        else:
            self._standing.solved("daily_limit")

    def voice_activity(self, is_open: bool) -> None:
        """Somebody is speaking, or has ended."""
        self._standing.listening(is_open)

    def microphone_failed(self, detail: str) -> None:
        """The capture device is lost or cannot be opened."""
        self._standing.problem("microphone", detail, "see `voice-satellite devices` for the names that can be used")

    def microphone_works(self) -> None:
        """Audio flows (again)."""
        self._standing.solved("microphone")

    def speaker_failed(self, detail: str) -> None:
        """Speech could not be heard."""
        self._standing.problem("speaker", detail, "see `voice-satellite devices` for the names that can be used")

    def speaker_works(self) -> None:
        """Sound comes out (again)."""
        self._standing.solved("speaker")

    def settings_changed(self, settings: RuntimeSettings) -> None:
        """These settings hold from now on."""
        self._standing.settings(settings)

    def command_refused(self, refused: CommandRefused) -> None:
        """A command was not obeyed: what was asked for does not hold."""
        self._publisher.publish(payloads.command_error(self._topics, refused.command, refused.payload, refused.reason))
        self._standing.settings()
