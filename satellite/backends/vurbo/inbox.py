"""Inbox: what the service says, led to those whom it concerns (reference §2, §5, §7)."""

from satellite.backends.base import SessionState
from satellite.backends.flood import Flood
from satellite.backends.vurbo import messages
from satellite.backends.vurbo.clips import Clips
from satellite.backends.vurbo.failures import RULES, Then, failure_of
from satellite.backends.vurbo.messages import Alive, Clip, Malformed, Message, Notice, ServiceError, Started, decode
from satellite.backends.vurbo.sentences import Sentences
from satellite.backends.vurbo.talk import Talk
from satellite.core.events import SessionFailed, UtteranceSettled
from satellite.errors import ErrorCategory

MAX_BAD_AUDIO = 3
"""Refused pieces of audio in a row, after which the next would be refused as well."""
LINGER_S = 3.0
"""After `task_complete`, for translations and speech that are still to come."""


class Inbox:
    """Reads messages; ends or fails the session when the service says so."""

    def __init__(self, talk: Talk, sentences: Sentences, clips: Clips) -> None:
        self._talk = talk
        self._sentences = sentences
        self._clips = clips
        self._flood = Flood(talk.counters)
        self._bad_audio = 0
        self.task_id = ""
        """The durable id of the recording; empty while it is not known."""
        self.is_complete = False
        """True when the service has stored the recording: nothing more is to come but what is late."""

    def take(self, data: str | bytes, now: float) -> None:
        """One message as it arrived."""
        message = decode(data)
        if isinstance(message, Malformed):
            self._talk.counters.ignored_messages += 1
            self._talk.life.fail(SessionFailed(ErrorCategory.SERVER, f"the service sent {message.detail}"))
        elif not self._take(message, now) and (failure := self._flood.ignored(now)) is not None:
            self._talk.life.fail(failure)
        elif self.is_complete and not self._sentences.owes:
            self._end()

    def conclude(self) -> None:
        """No more source text comes: what was sent is settled, unless the service left some of it tentative."""
        for utterance_id in self._talk.progress.conclude():
            self._talk.progress.settle(utterance_id)
            self._talk.life.report(UtteranceSettled(utterance_id))

    def _take(self, message: Message, now: float) -> bool:
        """Use a message; False when it is of no use."""
        match message:
            case Started():
                self.task_id = self.task_id or message.task_id
                return self._talk.commander.replied("session_started", {}, now)
            case messages.Sentences():
                return self._text(message, now)
            case Clip():
                is_answer = self._talk.commander.replied("tts_ready", {}, now)
                return self._clips.take(message.data) or is_answer
            case Notice():
                self._noted(message, now)
            case ServiceError():
                return self._refused(message, now)
            case _:
                return isinstance(message, Alive)
        return True

    def _text(self, message: messages.Sentences, now: float) -> bool:
        self._bad_audio = 0
        is_of_use = self._sentences.take(message, now)
        commander = self._talk.commander
        if message.origin is not None and message.origin.is_final:
            commander.replied("result", {"sid": message.origin.sid}, now)
        again = [each for each in message.translations if each.is_retranslation]
        if again:
            commander.replied("batch_retranslation", {}, now)
            texts = {self._talk.wishes.spelled(each.language): each.text for each in again}
            commander.replied("translation", {"sid": again[0].sid, "translations": texts}, now, again[0].sid)
        return is_of_use

    def _noted(self, notice: Notice, now: float) -> None:
        data = notice.data
        if notice.action == "tts_error":
            self._sentences.unspeakable(messages.sid_of(data.get("sid")))
        elif notice.action == "speaker_renamed":
            self._sentences.renamed(messages.word(data.get("speaker_id")), messages.word(data.get("new_label")))
        self._talk.commander.replied(notice.action, notice.data, now)
        if notice.action == "task_complete" and self._talk.life.state is SessionState.ENDING:
            self.is_complete = True
            self.conclude()
            self._talk.ending.hurry(LINGER_S, now)

    def _refused(self, error: ServiceError, now: float) -> bool:
        """An error: of one sentence, of the command in flight, of audio, or of the whole session."""
        is_answer = self._talk.commander.refused(error, now)
        if error.sid is not None:
            self._sentences.failed(error.sid)
            return True
        if is_answer:
            return True
        rule = RULES.get(error.code)
        if rule is None:
            if error.severity == "fatal":
                self._talk.life.fail(failure_of(error.code, "the service gave up"))
            return error.severity == "fatal"
        if rule.then is Then.COUNT:
            self._bad_audio += 1
        if rule.then in (Then.RETRY, Then.PARK) or self._bad_audio >= MAX_BAD_AUDIO:
            self._talk.life.fail(failure_of(error.code, "the service gave up"))
            return True
        return rule.then is Then.COUNT

    def _end(self) -> None:
        ending = self._talk.ending
        self._talk.life.end(ending.reason or "ended by the service", expected=ending.has_begun)
