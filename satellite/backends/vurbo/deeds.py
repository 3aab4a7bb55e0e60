"""Deeds: what users ask of the running session, as commands, and the answers to it (reference §3B, §3C)."""

from collections.abc import Callable, Mapping

from satellite.backends.vurbo.arguments import (
    ACTIONS,
    Announcement,
    Configure,
    MergeSpeakers,
    ReassignSpeaker,
    RenameSpeaker,
    Retranslate,
    SetName,
    SetSpeakerLanguage,
    SetTts,
    SetTtsMode,
    StartSpeaking,
    SwitchConversationMode,
    SwitchLanguage,
    TtsPlay,
)
from satellite.backends.vurbo.commands import Command, Outcome
from satellite.backends.vurbo.languages import wire_code
from satellite.backends.vurbo.sentences import Sentences
from satellite.backends.vurbo.speaking import Speaking
from satellite.backends.vurbo.talk import Talk
from satellite.backends.vurbo.timers import Timers
from satellite.backends.vurbo.vocabulary import voices_message
from satellite.backends.vurbo.wishes import config_message
from satellite.core.events import ActionAnswered
from satellite.core.section import Section

ENDING = "the session is about to end; ask again when somebody speaks"
TOO_MANY = "too many commands wait for the service"
_CONVERSATION_ONLY = frozenset(
    {"start_speaking", "stop_speaking", "set_speaker_language", "switch_conversation_mode", "set_tts"}
)
_BROADCAST_ONLY = frozenset({"broadcast_go_live", "broadcast_announcement", "set_standby_message"})
_MANUAL_ONLY = frozenset({"start_speaking", "stop_speaking"})
_EMPTY = "nothing to change was given"


class Deeds:
    """Asks, and answers each request once."""

    def __init__(self, talk: Talk, speaking: Speaking, timers: Timers, sentences: Sentences) -> None:
        self._talk = talk
        self._speaking = speaking
        self._timers = timers
        self._sentences = sentences

    def run(self, action: str, arguments: Section, now: float) -> None:
        """Ask for it; what cannot be is answered at once."""
        fields = self._fields(action, arguments)
        reason = fields if isinstance(fields, str) else self._objection(action)
        if reason is not None:
            self._answer(action, Outcome(reason=reason))
            return
        assert not isinstance(fields, str)  # noqa: S101 - tells the type checker what the line above found out

        def done(outcome: Outcome, at: float) -> None:
            self._done(action, arguments, outcome, at)

        command = Command(action, fields, done, arguments.sid if isinstance(arguments, Retranslate) else None)
        ask = self._speaking.ask if action in _MANUAL_ONLY else self._talk.commander.ask
        if not ask(command, now):
            self._answer(action, Outcome(reason=TOO_MANY))

    def begin(self, now: float) -> None:
        """The session has begun: teach it the vocabulary and pin its name, before any audio goes out."""
        wishes, insist = self._talk.wishes, self._talk.commander.insist
        if vocabulary := wishes.config():
            insist(Command("config", vocabulary, self._noted), now)
        if wishes.name is not None:
            insist(Command("set_name", {"name": wishes.name}, self._noted), now)

    def pause_ends(self, now: float) -> None:
        """What waits has to go out after all."""
        self._talk.commander.insist(Command("resume", {}, self._resumed), now)

    def _objection(self, action: str) -> str | None:
        """Why the service need not be asked."""
        wishes = self._talk.wishes
        if self._talk.ending.has_begun or self._talk.life.is_final:
            return ENDING
        if action in _CONVERSATION_ONLY and not wishes.is_conversation:
            return "this is for voice.vurbo.recording_type conversation"
        if action in _MANUAL_ONLY and not wishes.is_manual:
            return "this is for the conversation mode manual"
        if action in _BROADCAST_ONLY and not wishes.is_broadcast:
            return "this is for voice.vurbo.recording_type broadcast"
        return None

    def _fields(self, action: str, arguments: Section) -> Mapping[str, object] | str:
        """What the service is sent, or what is missing."""
        match arguments:
            case SwitchLanguage():
                return self._switch(arguments)
            case StartSpeaking(speaker=speaker):
                return {"speaker": self._talk.wishes.speaker if speaker is None else speaker}
        maker = _FIELDS.get(type(arguments))
        return maker(arguments) if maker is not None and action in ACTIONS else {}

    def _switch(self, arguments: SwitchLanguage) -> Mapping[str, object] | str:
        if self._talk.wishes.is_conversation:
            tags = arguments.transcription_languages
            return {} if tags is None else {"transcription_languages": [wire_code(tag) for tag in tags]}
        tags = arguments.translation_languages
        if tags is None:
            return "translation_languages: is missing"
        return {"translation_languages": [wire_code(tag) for tag in tags]}

    def _done(self, action: str, arguments: Section, outcome: Outcome, now: float) -> None:
        self._speaking.answered(action, outcome)
        if outcome.reason is None:
            self._talk.wishes.take(action, arguments)
            if action == "switch_language" and not self._talk.wishes.is_conversation:
                self._sentences.switched()
            if action in ("pause", "resume"):
                self._pause(now, is_paused=action == "pause")
        self._answer(action, outcome)

    def _pause(self, now: float, *, is_paused: bool) -> None:
        self._talk.counters.is_paused = is_paused
        self._timers.paused(now, is_paused=is_paused)

    def _resumed(self, outcome: Outcome, now: float) -> None:  # noqa: ARG002 - whatever it was, audio has to go out
        self._pause(now, is_paused=False)

    def _noted(self, outcome: Outcome, now: float) -> None:  # noqa: ARG002 - a command's answer has its time
        """Vocabulary and name are worth no session: one that was not taken is counted."""
        self._talk.counters.ignored_messages += outcome.reason is not None

    def _answer(self, action: str, outcome: Outcome) -> None:
        self._talk.life.report(ActionAnswered(action, outcome.result, outcome.reason))


def _speaker_language(arguments: SetSpeakerLanguage) -> Mapping[str, object]:
    return {"speaker": arguments.speaker, "language": wire_code(arguments.language)}


def _tts(arguments: SetTts) -> Mapping[str, object] | str:
    fields: dict[str, object] = {}
    if arguments.tts_enabled is not None:
        fields["tts_enabled"] = arguments.tts_enabled
    if arguments.tts_config is not None:
        fields["tts_config"] = voices_message(arguments.tts_config)
    return fields or _EMPTY


def _retranslate(arguments: Retranslate) -> Mapping[str, object]:
    languages = [wire_code(tag) for tag in arguments.translation_languages]
    return {"sid": arguments.sid, "translation_languages": languages, "text": arguments.text}


def _as_given(arguments: Section) -> Mapping[str, object]:
    return {name: getattr(arguments, name) for name in arguments.__struct_fields__}


_FIELDS: Mapping[type[Section], Callable[..., Mapping[str, object] | str]] = {
    SetSpeakerLanguage: _speaker_language,
    SetTts: _tts,
    Retranslate: _retranslate,
    Configure: lambda arguments: config_message(arguments) or _EMPTY,
    SwitchConversationMode: _as_given,
    TtsPlay: _as_given,
    SetTtsMode: _as_given,
    SetName: _as_given,
    RenameSpeaker: _as_given,
    ReassignSpeaker: _as_given,
    MergeSpeakers: _as_given,
    Announcement: _as_given,
}
