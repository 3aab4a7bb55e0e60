"""Router: what sessions report → transcript book → reporter, and speech → speaker."""

from typing import Protocol

from satellite.core.audio import AudioChunk, ms_of_samples
from satellite.core.backlog import Dropped
from satellite.core.events import (
    ActionAnswered,
    AudioLost,
    ConnectionLost,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    SpeechCancelled,
    SpeechChunk,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
    VoiceEvent,
)
from satellite.core.gate import EndReason
from satellite.core.transcript import BookOutput, TranscriptBook
from satellite.homeassistant.bodies import SessionEvent
from satellite.ports import Clock
from satellite.runtime.actions import Actions
from satellite.runtime.alarm import Alarm
from satellite.runtime.floor import Floor
from satellite.runtime.speaker import Speaker
from satellite.runtime.uplink import Uplink


class RouterReport(Protocol):
    """Who publishes what the router finds out."""

    def transcript(self, output: BookOutput, session_id: str) -> None:
        """A concluded segment, a changed tentative tail, or a completed utterance."""

    def session_event(self, event: SessionEvent, session_id: str, reason: str | None, trace_id: str | None) -> None:
        """`opened`, `resumed`, `lost`, `closed` or `failed`."""

    def session_problem(self, failure: SessionFailed | None) -> None:
        """Why there is no session, None when there is one again."""

    def audio_lost(self, lost_ms: float) -> None:
        """Audio that will never be transcribed."""

    def parked(self, is_parked: bool) -> None:
        """Retrying waits for a person."""

    def daily_limit(self, is_reached: bool) -> None:
        """Nothing more may be streamed today; False when it may again."""

    def voice_activity(self, is_open: bool) -> None:
        """Somebody is speaking, or has ended."""


class Router:
    """Joins listener, uplink, transcript book, speaker and floor; keeps no state of its own but the book."""

    def __init__(self, book: TranscriptBook, floor: Floor, report: RouterReport, clock: Clock) -> None:
        self._book = book
        self._floor = floor
        self._report = report
        self._clock = clock
        self._alarm = Alarm(self._deadline_reached)
        self._session_id = ""
        self._goes_on = False
        self.uplink: Uplink | None = None
        self.speaker: Speaker | None = None
        self.actions: Actions | None = None

    # --- from the listener -------------------------------------------------------------------------------------

    def utterance_started(self, utterance_id: str, start_s: float, onset_s: float) -> None:
        """Somebody began to speak, or goes on after an utterance of the greatest length."""
        self._book.utterance_started(utterance_id, start_s, onset_s)
        if not self._goes_on:
            self._floor.utterance_started()
            self._report.voice_activity(is_open=True)
        self._goes_on = False

    def audio(self, chunk: AudioChunk) -> None:
        """The next audio of the open utterance."""
        if self.uplink is not None:
            self.uplink.audio(chunk)

    def utterance_ended(self, utterance_id: str, end_s: float, reason: EndReason) -> None:
        """The utterance's audio is complete."""
        self._book.utterance_ended(utterance_id, end_s, reason.value, self._clock.monotonic())
        if self.uplink is not None:
            if reason is EndReason.MUTED:
                self.uplink.discard_audio()
            self.uplink.utterance_ended(utterance_id)
        self._goes_on = reason.goes_on
        if not self._goes_on:
            self._report.voice_activity(is_open=False)
            self._floor.utterance_ended()
        self._publish()

    # --- from the uplink ---------------------------------------------------------------------------------------

    def session_event(self, session_id: str, event: VoiceEvent) -> None:
        """One event of one session."""
        self._session_id = session_id
        now = self._clock.monotonic()
        if isinstance(event, TranscriptUpdated):
            self._book.updated(event, now)
        elif isinstance(event, SpeechChunk):
            utterance_id = self._book.spoke(event, now)
            if self.speaker is not None:
                self.speaker.speech(event, utterance_id)
        elif isinstance(event, SpeechCancelled):
            if self.speaker is not None:
                self.speaker.cut(event.reason)
        elif isinstance(event, UtteranceSent):
            self._book.utterance_sent(event.utterance_id, now)
        elif isinstance(event, UtteranceSettled):
            self._book.utterance_settled(event.utterance_id, now)
        elif isinstance(event, ActionAnswered):
            if self.actions is not None:
                self.actions.answered(event)
        elif isinstance(event, AudioLost):
            self.audio_dropped(Dropped(event.utterance_id, event.samples))
        else:
            self._connection_event(session_id, event)
        self._publish()

    def audio_dropped(self, dropped: Dropped) -> None:
        """Audio had to go because the link was down for too long."""
        self._report.audio_lost(ms_of_samples(dropped.samples))
        self.audio_discarded(dropped)

    def audio_discarded(self, dropped: Dropped) -> None:
        """Audio was thrown away because the user wished so: no problem, but its utterance is not complete."""
        self._book.audio_lost(dropped.utterance_id, ms_of_samples(dropped.samples))
        if dropped.is_whole:
            self.utterance_lost(dropped.utterance_id)
        self._publish()

    def utterance_lost(self, utterance_id: str) -> None:
        """No session will ever have any of its audio."""
        self._book.utterance_lost(utterance_id, self._clock.monotonic())
        self._publish()

    def limit_reached(self, is_reached: bool) -> None:
        """Nothing more may be streamed today; False when it may again."""
        self._report.daily_limit(is_reached)

    def parked(self, failure: SessionFailed | None) -> None:
        """Retrying is pointless until a person acts; None when it is taken up again."""
        self._report.parked(failure is not None)

    def session_over(self, session_id: str) -> None:
        """The session reports nothing more."""
        self._session_id = session_id
        if self.actions is not None:
            self.actions.session_over()
        self._over(is_final=False)

    def finish(self) -> None:
        """No session follows: what is still open is published as it is."""
        self._over(is_final=True)

    # --- inside ------------------------------------------------------------------------------------------------

    def _over(self, *, is_final: bool) -> None:
        self._book.session_over(self._clock.monotonic(), is_final)
        if self.speaker is not None:
            self.speaker.speech_stream_ended()
        self._publish()

    def _connection_event(self, session_id: str, event: VoiceEvent) -> None:
        report = self._report
        if isinstance(event, SessionOpened):
            report.session_problem(None)
            report.session_event("resumed" if event.resumed else "opened", session_id, None, event.trace_id)
        elif isinstance(event, ConnectionLost):
            report.session_event("lost", session_id, event.reason, None)
        elif isinstance(event, SessionEnded):
            report.session_event("closed", session_id, event.reason, None)
        elif isinstance(event, SessionFailed):
            report.session_event("failed", session_id, event.detail, event.trace_id)
            report.session_problem(event)

    def _deadline_reached(self) -> None:
        self._book.deadline_reached(self._clock.monotonic())
        self._publish()

    def _publish(self) -> None:
        for output in self._book.outputs():
            self._report.transcript(output, self._session_id)
        self._alarm.set(self._book.next_deadline())
