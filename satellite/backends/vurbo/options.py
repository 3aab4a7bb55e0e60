"""Options of the Vurbo backend (reference §3A.1)."""

import re
from typing import Annotated, Literal

from msgspec import Meta

from satellite.backends.addresses import parse_address
from satellite.backends.vurbo.vocabulary import Corrections, Dictionary, Some, Tag, Terminology, Voices
from satellite.core.section import Secret, Section, checked

_KEY = re.compile(r"[!-~]+")
_TEMPLATE = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

RecordingType = Literal["transcribe", "conversation", "record", "broadcast"]
ConversationMode = Literal["auto", "manual"]
TtsMode = Literal["sync", "async"]
Speaker = Annotated[int, Meta(ge=1, le=2)]
Name = Annotated[Some, Meta(max_length=60)]
Word = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


def _usable_key(key: Secret) -> Secret:
    text = key.get_secret_value().strip()
    if not _KEY.fullmatch(text):
        raise ValueError("must be a Vurbo API key as the dashboard shows it once: printable characters without blanks")
    return Secret(text)


def _usable_url(url: str, secure: str, plain: str) -> str:
    address = parse_address(url)
    if address is None or address.query or address.scheme not in (secure, plain):
        raise ValueError(f"must be a plain address that begins with {secure}://")
    if address.scheme == plain and not address.is_loopback:
        raise ValueError(f"must begin with {secure}://; {plain}:// is for loopback addresses only")
    return url.rstrip("/")


def _usable_rest_url(url: str) -> str:
    return _usable_url(url, "https", "http")


def _usable_ws_url(url: str) -> str:
    return _usable_url(url, "wss", "ws")


def _usable_slug(slug: str) -> str:
    if not slug.strip() or _CONTROL.search(slug):
        raise ValueError("must be one line of text")
    return slug


class VurboOptions(Section, frozen=True):
    """Options of the Vurbo voice-translation API (`voice.vurbo`)."""

    api_key: Annotated[Secret, checked(_usable_key), Meta(description="API key from the Vurbo dashboard.")]
    rest_url: Annotated[
        str, checked(_usable_rest_url), Meta(description="Address of the REST API; http for loopback addresses only.")
    ] = "https://vas-poc.vurbo.ai/api/v1"
    ws_url: Annotated[
        str, checked(_usable_ws_url), Meta(description="Address of the WebSocket; ws for loopback addresses only.")
    ] = "wss://vas-poc.vurbo.ai/ws"
    recording_type: Annotated[
        RecordingType,
        Meta(
            description="transcribe: one device, one-way translation; conversation: two people, two languages;"
            " record: a memo; broadcast: a channel with viewers."
        ),
    ] = "transcribe"
    recognition_mode: Annotated[
        Literal["single", "multi_speaker"],
        Meta(description="multi_speaker tells speakers apart (one spoken language only)."),
    ] = "single"
    second_source_language: Annotated[
        Tag | None, Meta(description="transcribe, record: another spoken language, detected by the service.")
    ] = None
    audio_format: Annotated[
        Literal["pcm", "webm"], Meta(description="Audio sent: pcm (350 kbit/s), or Opus in WebM (low bandwidth).")
    ] = "pcm"
    realtime_translation: Annotated[bool, Meta(description="Translate while somebody still speaks.")] = True
    conversation_mode: Annotated[
        ConversationMode,
        Meta(description="conversation: auto detects who speaks; manual goes by push-to-talk and `speaker`."),
    ] = "auto"
    speaker: Annotated[
        Speaker,
        Meta(description="manual: who speaks next, 1 (source language) or 2 (target); start_speaking changes it."),
    ] = 1
    active_language: Annotated[
        Tag | None, Meta(description="conversation: the language expected first; null: the source language.")
    ] = None
    tts_mode: Annotated[
        TtsMode, Meta(description="sync: translations are spoken as they come; async: when tts_play asks for it.")
    ] = "sync"
    voices: Annotated[
        Voices | None,
        Meta(
            description="conversation, broadcast: by language, {voice, speaking_rate: 0.5 to 2.0}; null: the defaults."
        ),
    ] = None
    broadcast_token: Annotated[
        Annotated[str, Meta(pattern=r"^[a-z0-9]{4}$")] | None,
        Meta(description="broadcast: the token of the channel, four characters a-z0-9."),
    ] = None
    broadcast_phase: Annotated[
        Literal["standby", "live"],
        Meta(description="broadcast: standby shows viewers a message until broadcast_go_live."),
    ] = "live"
    standby_message: Annotated[
        Annotated[Some, Meta(max_length=500)] | None, Meta(description="broadcast: what viewers see in standby.")
    ] = None
    name: Annotated[
        Name | None, Meta(description="Name of the recordings, kept as it is; null: the service finds one.")
    ] = None
    summary_mode: Annotated[
        Literal["builtin", "custom"], Meta(description="builtin: by summary_template; custom: by summary_prompt.")
    ] = "builtin"
    summary_template: Annotated[
        str, Meta(pattern=_TEMPLATE, description="builtin: template of the summary, such as general or meeting.")
    ] = "general"
    summary_language: Annotated[
        Tag | None, Meta(description="Language of the summary; null: the spoken one, or the channel's.")
    ] = None
    summary_prompt: Annotated[
        Annotated[Some, Meta(max_length=2_000)] | None, Meta(description="custom: what the summary should be.")
    ] = None
    summary_prompt_slug: Annotated[
        Annotated[str, checked(_usable_slug), Meta(max_length=64)] | None,
        Meta(description="custom: a label kept with the recording; at most 64 characters."),
    ] = None
    summary_plain_text: Annotated[bool, Meta(description="A summary without Markdown.")] = False
    speaking_speed: Annotated[Word | None, Meta(description="Recognition: `normal`; null: the service's default.")] = (
        None
    )
    segmentation_mode: Annotated[
        Word | None, Meta(description="Recognition: how sentences are cut, `auto`; null: the service's default.")
    ] = None
    profanity_handling: Annotated[
        Word | None, Meta(description="Recognition: what becomes of swear words, `mask`; null: the service's default.")
    ] = None
    terminology: Annotated[
        Terminology | None,
        Meta(description="By language, terms to recognise: [{term, boost: 0.5 to 5.0}]; at most 500 each."),
    ] = None
    corrections: Annotated[
        Corrections | None, Meta(description="By language, misheard words: [{correct, incorrect: [...]}].")
    ] = None
    dictionary: Annotated[
        Dictionary | None,
        Meta(description="Fixed translations: [{source, translations: {language: text}}]; at most 50."),
    ] = None
