"""Inbox: what the service says, led to those whom it concerns (reference §11, §13)."""

from satellite.backends.palabra.conversation import Conversation
from satellite.backends.palabra.failures import Source, verdict
from satellite.backends.palabra.jobs import Jobs
from satellite.backends.palabra.messages import (
    CurrentTask,
    EndOfStream,
    Malformed,
    Message,
    OutputAudio,
    ServiceError,
    ServiceWarning,
    Telemetry,
    Transcription,
    decode,
)
from satellite.backends.palabra.sentences import Sentences
from satellite.backends.palabra.speech import MessageSpeech
from satellite.backends.palabra.steering import Steering
from satellite.backends.palabra.track import TRACK_PREFIX, TrackSpeech
from satellite.backends.tags import primary
from satellite.core.events import SessionFailed, SpeechCancelled, UtteranceSettled
from satellite.errors import ErrorCategory

FLOOD_S = 10.0
FLOOD_MESSAGES = 1_000
"""More of no use within FLOOD_S are no new feature of the service, but cost as much as sound."""
REMEMBERED_S = 10.0
"""An error so shortly before the end of the stream is its cause."""
_PAST = float("-inf")


class Inbox:
    """Reads messages; ends or fails the session when the service says so."""

    def __init__(self, shared: Conversation, steering: Steering, jobs: Jobs) -> None:
        self._shared = shared
        self._steering = steering
        self._jobs = jobs
        self._sentences = Sentences(shared)
        spoken = shared.setup.speech_language
        is_room = shared.options.transport == "webrtc"
        self._speech = None if spoken is None or is_room else MessageSpeech(spoken, shared.life)
        self._track = TrackSpeech(spoken, shared.life) if spoken is not None and is_room else None
        self._is_inflated = shared.options.speech_format == "zlib_pcm_s16le"
        self._error: tuple[float, ServiceError] | None = None
        self._ignored_since = _PAST
        self._ignored = 0
        self.is_over = False
        """True once the service has said all."""

    @property
    def expected_until(self) -> float:
        """Until when more of what was said is to be expected: translations, and speech."""
        return max(self._sentences.awaited_until, self._speech_until)

    @property
    def sounds_until(self) -> float:
        """Until when a room's track is still being heard, after the service has said all."""
        return _PAST if self._track is None else self._track.until

    @property
    def is_tentative(self) -> bool:
        """True while a translation may still change."""
        return self._sentences.is_tentative

    @property
    def deadline(self) -> float | None:
        """When speech has waited long enough for its text."""
        return None if self._speech is None else self._speech.deadline

    def take(self, data: str | bytes, now: float) -> bool:
        """One message as it arrived; True when the task begins to run with it."""
        message = decode(data, is_inflated=self._is_inflated)
        if isinstance(message, CurrentTask):
            return self._steering.told(message.status)
        if not self._take(message, now):
            self._ignore(now)
        return False

    def track_audio(self, track: str, pcm: bytes, now: float) -> None:
        """Sound came on a track of the room; of languages that are not spoken here it is left alone."""
        name = track.lower()
        spoken = self._shared.setup.speech_language
        if self._track is None or spoken is None or not name.startswith(TRACK_PREFIX):
            return
        if primary(name.removeprefix(TRACK_PREFIX)) == primary(spoken):
            self._track.take(pcm, now)

    def cancel(self, now: float) -> None:
        """What is being said is not wanted any more."""
        self._sentences.cancel(now)
        if self._speech is not None:
            self._speech.cancel()
        if self._track is not None:
            self._track.cancel()
        self._shared.life.report(SpeechCancelled("cancelled on request"))

    def conclude(self) -> None:
        """No more source text comes: what was sent is settled, unless the service left some of it provisional."""
        for utterance_id in self._shared.progress.conclude():
            self._shared.progress.settle(utterance_id)
            self._shared.life.report(UtteranceSettled(utterance_id))

    def deadline_reached(self, now: float) -> None:
        """Speech waits no longer for its text."""
        if self._speech is not None:
            self._speech.deadline_reached(now)

    def cause(self, code: int | None, reason: str, now: float) -> SessionFailed:
        """What the end of the stream means: an error shortly before it says more than its code."""
        found = verdict(Source.CLOSE, code)
        said = f": {reason}" if reason else ""
        if self._error is not None and now - self._error[0] <= REMEMBERED_S:
            error = self._error[1]
            found = verdict(Source.RUNNING, error.code)
            said = f" after {error.code} {error.text}"
        return SessionFailed(found.category, f"the stream ended with {code}{said}", found.hint, found.retry_after_s)

    # --- inside ------------------------------------------------------------------------------------------------

    @property
    def _speech_until(self) -> float:
        return max(self._speech.until if self._speech is not None else _PAST, self.sounds_until)

    def _take(self, message: Message, now: float) -> bool:
        """Use a message; False when it is of no use."""
        match message:
            case Transcription():
                self._text(message, now)
            case OutputAudio():
                return self._spoke(message, now)
            case EndOfStream():
                self.is_over = True
                self.conclude()
            case ServiceError():
                self._error = (now, message)
                return self._steering.refused(message) or self._jobs.refused(message, now)
            case ServiceWarning() | Telemetry():
                pass  # known, and nothing follows from it
            case Malformed():
                return False
            case _:
                return False
        return True

    def _text(self, sentence: Transcription, now: float) -> None:
        if sentence.is_source:
            self._sentences.source(sentence, now)
            return
        language = self._sentences.target(sentence)
        if language is None or language != self._shared.setup.speech_language:
            return
        if self._speech is not None:
            self._speech.concluded((sentence.id, sentence.part), sentence.text, now)
        if self._track is not None:
            self._track.concluded(sentence.text, now)

    def _spoke(self, audio: OutputAudio, now: float) -> bool:
        """Speech of other targets is not asked for and comes all the same: nothing turns it off."""
        language = self._sentences.target_language(audio.language)
        if self._speech is None or language is None:
            return False
        if language == self._shared.setup.speech_language and not self._sentences.is_cancelled(audio.id):
            self._speech.take(audio, now)
        return True

    def _ignore(self, now: float) -> None:
        """Count a message of no use; a flood of them is the end of the session."""
        self._shared.counters.ignored_messages += 1
        if now > self._ignored_since + FLOOD_S:
            self._ignored_since, self._ignored = now, 0
        self._ignored += 1
        if self._ignored > FLOOD_MESSAGES:
            detail = f"the service sent {self._ignored} messages of no use within {FLOOD_S:.0f} s"
            self._shared.life.fail(SessionFailed(ErrorCategory.SERVER, detail))
