"""LoopbackSession: answers every utterance by itself: its length as text, its audio as speech."""

from satellite.backends.base import SessionCounters, SessionSetup, SessionState
from satellite.backends.inputs import UnaskedInputs
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.loopback.options import LoopbackOptions
from satellite.core.audio import RATE_HZ, AudioChunk, ms_of_samples
from satellite.core.backlog import UtteranceEnd
from satellite.core.events import (
    Segment,
    SessionOpened,
    SpeechChunk,
    Stream,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
    VoiceEvent,
)
from satellite.errors import LocalMisuse

CONTENT_TYPE = f"audio/pcm;encoding=s16le;rate={RATE_HZ}"
MAX_ECHO_SAMPLES = 60 * RATE_HZ
"""More than this of one utterance is counted and not spoken back."""
TAKE_SAMPLES = RATE_HZ
UNDETERMINED = "und"


class LoopbackSession(UnaskedInputs):
    """A BackendSession without a service: it wants nothing from its driver but time."""

    def __init__(self, options: LoopbackOptions, setup: SessionSetup) -> None:  # noqa: ARG002 - the backend interface
        super().__init__(Lifecycle())
        self.counters = SessionCounters()
        self._setup = setup
        self._hearing = _Hearing()
        self._speech_at = 0.0

    def start(self, now: float) -> None:
        """Be open at once. Legal in IDLE only."""
        if self._life.state is not SessionState.IDLE:
            raise LocalMisuse(f"start while {self._life.state.value}")
        for state in (SessionState.REQUESTING, SessionState.CONNECTING, SessionState.STREAMING):
            self._life.move(state)
        self._speech_at = now
        self.counters.connections = 1
        self._life.report(SessionOpened(resumed=False))
        self.audio_ready(now)

    def audio_ready(self, now: float) -> None:
        """Take all that waits and answer each utterance that ended."""
        if self._life.state is not SessionState.STREAMING:
            return
        while (piece := self._setup.backlog.take(TAKE_SAMPLES)) is not None:
            self._speech_at = now
            if isinstance(piece, UtteranceEnd):
                self._answer(piece.utterance_id)
            else:
                self.counters.sent_samples += piece.samples
                self._hearing.add(piece)

    def finish(self, now: float) -> None:
        """Answer what waits, then be over."""
        if self._life.state is SessionState.IDLE and not self._setup.backlog.is_empty:
            self.start(now)
        self.audio_ready(now)
        self._life.end("finished", expected=True)

    def close(self, now: float) -> None:  # noqa: ARG002 - the interface gives every input the time
        """Be over at once."""
        self._life.end("closed", expected=True)

    def next_deadline(self) -> float | None:
        """When the session has been idle for long enough."""
        is_streaming = self._life.state is SessionState.STREAMING
        return self._speech_at + self._setup.idle_close_s if is_streaming else None

    def deadline_reached(self, now: float) -> None:
        """End the idle session."""
        deadline = self.next_deadline()
        if deadline is not None and now >= deadline:
            self._life.end("idle", expected=True)

    def _answer(self, utterance_id: str) -> None:
        heard, self._hearing = self._hearing, _Hearing()
        self._life.report(UtteranceSent(utterance_id))
        if heard.samples:
            for event in _answers(heard, utterance_id, self._setup):
                self._life.report(event)
        self._life.report(UtteranceSettled(utterance_id))


class _Hearing:
    """The audio of the utterance that is going on."""

    def __init__(self) -> None:
        self.samples = 0
        self.start_s = 0.0
        self.end_s = 0.0
        self.echo = bytearray()

    def add(self, chunk: AudioChunk) -> None:
        """More audio of the utterance."""
        if not self.samples:
            self.start_s = chunk.start_s
        if self.samples + chunk.samples <= MAX_ECHO_SAMPLES:
            self.echo += chunk.data
        self.samples += chunk.samples
        self.end_s = chunk.start_s + chunk.samples / RATE_HZ


def _answers(heard: _Hearing, utterance_id: str, setup: SessionSetup) -> list[VoiceEvent]:
    """Transcript, translations and speech of one utterance."""

    def text(stream: Stream, language: str | None, words: str) -> TranscriptUpdated:
        segment = Segment(words, language or source, heard.start_s, heard.end_s, utterance_id)
        return TranscriptUpdated(stream, language, (segment,), ())

    source = UNDETERMINED if setup.source_language == "auto" else setup.source_language
    words = f"{heard.samples / RATE_HZ:.1f} seconds of speech."
    targets = dict.fromkeys([*setup.target_languages, *([setup.speech_language] if setup.speech_language else [])])
    answers: list[VoiceEvent] = [text(Stream.SOURCE, None, words)]
    answers += [text(Stream.TARGET, target, f"[{target}] {words}") for target in targets]
    if setup.speech_language is not None:
        spoken = f"[{setup.speech_language}] {words}"
        duration_ms = round(ms_of_samples(len(heard.echo) // 2))
        echo = (bytes(heard.echo),)
        answers.append(SpeechChunk(setup.speech_language, CONTENT_TYPE, (), echo, duration_ms, spoken))
    return answers
