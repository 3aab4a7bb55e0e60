"""Wishes: how the session should be, from options, languages, and what was asked for since (reference §3A.1, §10.2).

Nothing of it survives a connection at the service, so every session begins with all of it.
"""

from collections.abc import Iterable

from satellite.backends.base import SessionSetup
from satellite.backends.vurbo.arguments import (
    Announcement,
    Configure,
    SetName,
    SetSpeakerLanguage,
    SetTts,
    SetTtsMode,
    StartSpeaking,
    SwitchConversationMode,
    SwitchLanguage,
)
from satellite.backends.vurbo.languages import configured_spelling, unique, wire_code
from satellite.backends.vurbo.options import VurboOptions
from satellite.backends.vurbo.vocabulary import (
    MAX_LANGUAGES,
    corrections_message,
    dictionary_message,
    terminology_message,
    voices_message,
)
from satellite.core.section import Section

DEFAULT_TEMPLATE = "general"
MAX_KNOWN = 32
"""Spellings remembered of languages that were asked for."""


class Wishes:
    """What the user wishes now."""

    def __init__(self, options: VurboOptions, setup: SessionSetup) -> None:
        self._options = options
        self._voice = setup.speech_voice
        self._speech = setup.speech_language
        self._has_speech = setup.speech_language is not None
        self._tts_mode = options.tts_mode
        self._voices = dict(options.voices or {})
        self._phase = options.broadcast_phase
        self._standby_message = options.standby_message
        self._active = options.active_language
        self._vocabulary = Configure(
            terminology=options.terminology,
            fuzzy_correction=options.corrections,
            translation_dict=options.dictionary,
        )
        self._wanted = unique([*setup.target_languages, *([setup.speech_language] if setup.speech_language else [])])
        self.is_conversation = options.recording_type == "conversation"
        self.is_broadcast = options.recording_type == "broadcast"
        self.name = options.name
        self.speaker = options.speaker
        self.mode = options.conversation_mode
        self._sources = self._spoken(setup)
        self._known = unique([*self._sources, *self._wanted])
        for name, arguments in setup.standing.items():
            self.take(name.partition("/")[0], arguments)

    # --- what holds ----------------------------------------------------------------------------------------------

    @property
    def is_manual(self) -> bool:
        """True when a button says where a sentence begins and ends."""
        return self.is_conversation and self.mode == "manual"

    @property
    def speaks_by_itself(self) -> bool:
        """True when each translation is spoken as it comes."""
        return self._has_speech and not self.is_broadcast and self._tts_mode == "sync"

    def spelled(self, code: str) -> str:
        """The tag under which text in this language is published."""
        return configured_spelling(code, self._known)

    def targets_of(self, spoken: str) -> tuple[str, ...]:
        """The languages that something said in `spoken` is translated to; none when it is not known."""
        if self.is_conversation:
            return tuple(tag for tag in self._sources if tag != spoken)
        return () if self.is_broadcast else self._wanted

    @property
    def speech_language(self) -> str | None:
        """The language in which speech comes that does not say its own; None when it may be any of several."""
        return None if self.is_conversation else self._speech

    @property
    def spoken_language(self) -> str:
        """The language of a sentence that does not say its own."""
        return self._sources[0] if self._sources else "und"

    def speaks(self, tag: str) -> bool:
        """True when translations to this language are spoken."""
        return self._has_speech and (self.is_conversation or tag == self._speech)

    # --- what changes --------------------------------------------------------------------------------------------

    def take(self, action: str, arguments: Section) -> None:
        """An action was carried out, here or in a session before this one."""
        match arguments:
            case SwitchLanguage():
                self._switch(arguments)
            case SetSpeakerLanguage() if self.is_conversation:
                index = arguments.speaker - 1
                self._sources = (*self._sources[:index], arguments.language, *self._sources[index + 1 :])
                self._known = unique([arguments.language, *self._known])[:MAX_KNOWN]
            case StartSpeaking(speaker=int() as speaker):
                self.speaker = speaker
            case SwitchConversationMode():
                self.mode = arguments.conversation_mode
            case SetTtsMode():
                self._tts_mode = arguments.tts_mode
            case SetTts() if self.is_conversation:
                self._has_speech = self._has_speech if arguments.tts_enabled is None else arguments.tts_enabled
                self._voices = dict([*{**self._voices, **(arguments.tts_config or {})}.items()][-MAX_LANGUAGES:])
            case SetName():
                self.name = arguments.name
            case Announcement() if action == "set_standby_message":
                self._standby_message = arguments.message
            case Configure():
                self._vocabulary = merged(self._vocabulary, arguments)
            case _ if action == "broadcast_go_live":
                self._phase = "live"

    def _switch(self, arguments: SwitchLanguage) -> None:
        if self.is_conversation:
            self._active = next(iter(arguments.transcription_languages or ()), self._active)
        elif arguments.translation_languages:
            self._wanted = unique(arguments.translation_languages)
            self._known = unique([*self._wanted, *self._known])[:MAX_KNOWN]

    # --- what is sent --------------------------------------------------------------------------------------------

    def start(self) -> dict[str, object]:
        """The fields of `start`; what is not set is left out, but never whether speech is wanted."""
        options = self._options
        fields: dict[str, object] = {
            "type": options.recording_type,
            "realtime_translation": options.realtime_translation,
            "audio_format": options.audio_format,
            **self._languages(),
            **self._summary(),
            **self._recognition(),
        }
        if self.is_broadcast:
            fields |= self._broadcast()
        else:
            fields |= self._speech_fields()
        if self.name is not None:
            fields["name"] = self.name
        return fields

    def config(self) -> dict[str, object]:
        """The fields of `config`, always the whole set; empty when there is no vocabulary."""
        return config_message(self._vocabulary)

    def _spoken(self, setup: SessionSetup) -> tuple[str, ...]:
        second = self._options.second_source_language
        if self.is_broadcast:
            return ()
        if self.is_conversation:
            return (setup.source_language, *setup.target_languages[:1])
        return (setup.source_language, *([second] if second is not None else []))

    def _languages(self) -> dict[str, object]:
        if self.is_broadcast:
            return {"recognition_mode": self._options.recognition_mode}
        fields: dict[str, object] = {"transcription_languages": _codes(self._sources)}
        if self.is_conversation:
            fields["speakers"] = [
                {"id": number, "language": wire_code(tag)} for number, tag in enumerate(self._sources, 1)
            ]
            fields["conversation_mode"] = self.mode
            if self._active is not None:
                fields["active_language"] = wire_code(self._active)
            return fields
        fields["recognition_mode"] = self._options.recognition_mode
        targets = unique([*self._wanted, *([self._speech] if self._speech is not None else [])])
        return fields | ({"translation_languages": _codes(targets)} if targets else {})

    def _speech_fields(self) -> dict[str, object]:
        fields: dict[str, object] = {"tts_enabled": True, "tts_mode": self._tts_mode}
        if self.is_conversation and self._has_speech:
            return fields | ({"tts_config": voices_message(self._voices)} if self._voices else {})
        if self.is_conversation or self._speech is None:
            return {"tts_enabled": False}
        fields["tts_language"] = wire_code(self._speech)
        return fields | ({"tts_voice": self._voice} if self._voice is not None else {})

    def _broadcast(self) -> dict[str, object]:
        fields: dict[str, object] = {"broadcast_token": self._options.broadcast_token, "broadcast_phase": self._phase}
        if self._standby_message is not None and self._phase == "standby":
            fields["standby_message"] = self._standby_message
        return fields | ({"tts_config": voices_message(self._voices)} if self._voices else {})

    def _summary(self) -> dict[str, object]:
        """builtin: a template and nothing else; custom: prompt and label and no template (reference §3A.1)."""
        options = self._options
        fields: dict[str, object] = {}
        if options.summary_mode == "custom":
            fields["summary_mode"] = "custom"
            fields["summary_prompt"] = options.summary_prompt
            fields["summary_prompt_slug"] = options.summary_prompt_slug
        elif not self.is_broadcast or options.summary_template != DEFAULT_TEMPLATE:
            fields["summary_template"] = options.summary_template
        if options.summary_language is not None:
            fields["summary_language"] = wire_code(options.summary_language)
        if options.summary_plain_text:
            fields["summary_plain_text"] = True
        return fields

    def _recognition(self) -> dict[str, object]:
        named = ("speaking_speed", "segmentation_mode", "profanity_handling")
        chosen = {name: getattr(self._options, name) for name in named if getattr(self._options, name) is not None}
        return {"options": chosen} if chosen else {}


def merged(earlier: Configure, newer: Configure) -> Configure:
    """The vocabulary with what is new in it; what is left out stays as it was."""
    return Configure(
        terminology=earlier.terminology if newer.terminology is None else newer.terminology,
        fuzzy_correction=earlier.fuzzy_correction if newer.fuzzy_correction is None else newer.fuzzy_correction,
        translation_dict=earlier.translation_dict if newer.translation_dict is None else newer.translation_dict,
    )


def config_message(vocabulary: Configure) -> dict[str, object]:
    """The fields of `config`."""
    fields: dict[str, object] = {}
    if vocabulary.terminology is not None:
        fields["terminology"] = terminology_message(vocabulary.terminology)
    if vocabulary.fuzzy_correction is not None:
        fields["fuzzy_correction"] = corrections_message(vocabulary.fuzzy_correction)
    if vocabulary.translation_dict is not None:
        fields["translation_dict"] = dictionary_message(vocabulary.translation_dict)
    return fields


def _codes(tags: Iterable[str]) -> list[str]:
    return [wire_code(tag) for tag in tags]
