"""What may be asked of a running Vurbo session: its actions, and the arguments of each (reference §3B, §3C)."""

import functools
import re
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from satellite.backends.base import RuntimeAction
from satellite.backends.vurbo.options import ConversationMode, Name, Speaker, TtsMode
from satellite.backends.vurbo.vocabulary import Corrections, Dictionary, Some, Tag, Terminology, Voices
from satellite.core.section import Section, checked

MAX_PLAYED = 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _label(text: str) -> str:
    if not text.strip() or _CONTROL.search(text):
        raise ValueError("must be one line of text")
    return text


def _some(tags: tuple[str, ...]) -> tuple[str, ...]:
    if not tags:
        raise ValueError("must name a language")
    return tags


Sid = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Label = Annotated[str, checked(_label), Meta(max_length=100)]
Tags = Annotated[tuple[Tag, ...], checked(_some), Meta(max_length=8)]
Message = Annotated[Some, Meta(max_length=2_000)]


class Nothing(Section, frozen=True):
    """No arguments."""


class SwitchLanguage(Section, frozen=True):
    """Other targets; in a conversation the spoken language, without one the other of the two."""

    translation_languages: Tags | None = None
    transcription_languages: Tags | None = None


class SetSpeakerLanguage(Section, frozen=True):
    """One of the two people speaks another language from now on."""

    speaker: Speaker
    language: Tag


class StartSpeaking(Section, frozen=True):
    """Who speaks; without a number, who spoke last."""

    speaker: Speaker | None = None


class SwitchConversationMode(Section, frozen=True):
    """Who says where a sentence ends: the service, or a button."""

    conversation_mode: ConversationMode


class TtsPlay(Section, frozen=True):
    """Speak these sentences again."""

    sid: Sid
    length: Annotated[int, Meta(ge=1, le=MAX_PLAYED)] = 1


class SetTtsMode(Section, frozen=True):
    """Speak by itself, or when asked."""

    tts_mode: TtsMode


class SetTts(Section, frozen=True):
    """Speech on or off, and its voices; what is left out stays as it is."""

    tts_enabled: bool | None = None
    tts_config: Voices | None = None


class SetName(Section, frozen=True):
    """The name of the recording."""

    name: Name


class RenameSpeaker(Section, frozen=True):
    """Show another name."""

    speaker_id: Label
    new_label: Label


class ReassignSpeaker(Section, frozen=True):
    """One sentence was somebody else's."""

    sid: Sid
    target_speaker_id: Label


class MergeSpeakers(Section, frozen=True):
    """Two were one."""

    source_speaker_id: Label
    target_speaker_id: Label


class Retranslate(Section, frozen=True):
    """Translate the corrected text of a sentence."""

    sid: Sid
    translation_languages: Tags
    text: Message


class Announcement(Section, frozen=True):
    """What viewers are told."""

    message: Message


class Configure(Section, frozen=True):
    """Vocabulary; what is left out stays as it is."""

    terminology: Terminology | None = None
    fuzzy_correction: Corrections | None = None
    translation_dict: Dictionary | None = None


_lasting = functools.partial(RuntimeAction, outlasts_session=True)

ACTIONS: Mapping[str, RuntimeAction] = {
    "pause": RuntimeAction(Nothing),
    "resume": RuntimeAction(Nothing),
    "switch_language": _lasting(SwitchLanguage, follows_languages=True),
    "set_speaker_language": _lasting(SetSpeakerLanguage, part="speaker", follows_languages=True),
    "start_speaking": _lasting(StartSpeaking),
    "stop_speaking": RuntimeAction(Nothing),
    "switch_conversation_mode": _lasting(SwitchConversationMode),
    "tts_play": RuntimeAction(TtsPlay),
    "tts_stop": RuntimeAction(Nothing),
    "tts_mode": _lasting(SetTtsMode),
    "set_tts": _lasting(SetTts),
    "set_name": _lasting(SetName),
    "rename_speaker": RuntimeAction(RenameSpeaker),
    "reassign_speaker": RuntimeAction(ReassignSpeaker),
    "merge_speakers": RuntimeAction(MergeSpeakers),
    "retranslate": RuntimeAction(Retranslate),
    "broadcast_go_live": _lasting(Nothing),
    "broadcast_announcement": RuntimeAction(Announcement),
    "set_standby_message": _lasting(Announcement),
    "config": _lasting(Configure),
}
