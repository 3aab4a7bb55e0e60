"""Options of the Palabra backend, and the check of their combination with the languages asked for."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from satellite.backends.addresses import parse_address
from satellite.backends.base import Finding, Severity, VoiceChoice
from satellite.backends.palabra.languages import DETECTABLE, SOURCES, is_known_target, wire_source
from satellite.backends.palabra.settings import Preprocessing, Queue, Transcription, Translation
from satellite.backends.tags import AUTO, primary, unique
from satellite.core.section import Secret, Section, checked

MAX_TARGETS = 16
"""The service names no number; this many languages cost more than any satellite has use for."""
MAX_VOICE_CHARACTERS = 128
_PRINTABLE = re.compile(r"[!-~]+")
_KEYS = "voice.palabra.api_key"
_CREDENTIALS = "give api_key (plbr_…), or client_id with client_secret"


def _usable_secret(secret: Secret) -> Secret:
    text = secret.get_secret_value().strip()
    if not _PRINTABLE.fullmatch(text):
        raise ValueError("must be printable ASCII characters without blanks")
    return Secret(text)


def _usable_address(url: str, plain: str, secure: str, example: str) -> str:
    address = parse_address(url)
    if address is None or address.query or address.scheme not in (plain, secure):
        raise ValueError(f"must be a plain address such as {example}")
    if address.scheme == plain and not address.is_loopback:
        raise ValueError(f"must begin with {secure}://; {plain}:// is for loopback addresses only")
    return url.rstrip("/")


def _usable_base_url(url: str) -> str:
    return _usable_address(url, "http", "https", "https://api.palabra.ai")


def _usable_stream_url(url: str) -> str:
    return _usable_address(url, "ws", "wss", "wss://streaming.palabra.ai/streaming-api")


_Credential = Annotated[Secret, checked(_usable_secret)]


class PalabraOptions(Section, frozen=True):
    """Options of Palabra (`voice.palabra`): either `api_key`, or `client_id` and `client_secret`."""

    api_key: Annotated[_Credential | None, Meta(description="API key of the platform (plbr_…).")] = None
    client_id: Annotated[_Credential | None, Meta(description="Id of an application, beside client_secret.")] = None
    client_secret: Annotated[_Credential | None, Meta(description="Secret of the application, beside client_id.")] = (
        None
    )
    base_url: Annotated[
        str, checked(_usable_base_url), Meta(description="Address of the API; http for loopback addresses only.")
    ] = "https://api.palabra.ai"
    stream_url: Annotated[
        str,
        checked(_usable_stream_url),
        Meta(description="Where an api_key opens its stream without the API; ws for loopback addresses only."),
    ] = "wss://streaming.palabra.ai/streaming-api"
    transport: Annotated[
        Literal["websocket", "webrtc"],
        Meta(description="websocket, or webrtc through LiveKit (needs the extra `webrtc`)."),
    ] = "websocket"
    key_in_query: Annotated[
        bool, Meta(description="Send the api_key in the stream's address, where its header is not taken.")
    ] = False
    speech_format: Annotated[
        Literal["pcm_s16le", "zlib_pcm_s16le"], Meta(description="Form of the speech that comes; zlib saves bytes.")
    ] = "pcm_s16le"
    pause_after_s: Annotated[
        Annotated[float, Meta(ge=0, le=3600)] | None,
        Meta(
            description="Seconds without speech after which the task is paused, which ends its billing; null: never,"
            " silence is sent instead."
        ),
    ] = 5.0
    eos_timeout_s: Annotated[
        int, Meta(ge=1, le=30, description="Seconds of silence after which the service ends a session that we end.")
    ] = 2
    preprocessing: Annotated[Preprocessing, Meta(description="The sound before it is listened to.")] = Preprocessing()
    transcription: Annotated[Transcription, Meta(description="Speech to text.")] = Transcription()
    translation: Annotated[Translation, Meta(description="Text to text and speech.")] = Translation()
    queue: Annotated[Queue, Meta(description="Speech that waits at the service.")] = Queue()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown anywhere."""
        given = (self.api_key, self.client_id, self.client_secret)
        return tuple(secret.get_secret_value() for secret in given if secret is not None)

    @property
    def dials_directly(self) -> bool:
        """True where a key opens the stream by itself: the service makes the session and removes it."""
        return self.api_key is not None and self.transport == "websocket"


def check(options: PalabraOptions, voice: VoiceChoice) -> list[Finding]:
    """Everything wrong or doubtful with these options and languages together."""
    return [
        *_check_credentials(options),
        *_check_task(options),
        *_check_source(options, voice),
        *_check_targets(voice),
        *_check_speech(options, voice),
    ]


def _check_credentials(options: PalabraOptions) -> Iterator[Finding]:
    has_id, has_secret = options.client_id is not None, options.client_secret is not None
    if options.api_key is None and not has_id and not has_secret:
        yield Finding(_KEYS, "is missing", _CREDENTIALS)
    elif options.api_key is not None and (has_id or has_secret):
        yield Finding(
            _KEYS, "is given beside client_id or client_secret: one kind of credentials is enough", _CREDENTIALS
        )
    elif has_id != has_secret:
        missing = "client_secret" if has_id else "client_id"
        yield Finding(f"voice.palabra.{missing}", "is missing: the two belong together", _CREDENTIALS)
    if options.key_in_query and not options.dials_directly:
        message = "has no effect without api_key and transport: websocket"
        yield Finding("voice.palabra.key_in_query", message, None, Severity.WARNING)


def _check_task(options: PalabraOptions) -> Iterator[Finding]:
    queue = options.queue
    if queue.max_queue_level_ms <= queue.desired_queue_level_ms:
        message = f"must be more than desired_queue_level_ms ({queue.desired_queue_level_ms})"
        yield Finding("voice.palabra.queue.max_queue_level_ms", message)
    if queue.max_tempo < queue.min_tempo:
        yield Finding("voice.palabra.queue.max_tempo", f"must not be less than min_tempo ({queue.min_tempo:g})")
    if options.transport == "webrtc" and options.speech_format != "pcm_s16le":
        message = "has no effect with transport: webrtc"
        yield Finding("voice.palabra.speech_format", message, None, Severity.WARNING)


def _check_source(options: PalabraOptions, voice: VoiceChoice) -> Iterator[Finding]:
    source, path = voice.source_language, "voice.source_language"
    detectable = options.transcription.detectable_languages
    if source != AUTO:
        if wire_source(source) not in SOURCES:
            yield _unknown(path, source)
        if detectable:
            message = "has no effect unless voice.source_language is auto"
            yield Finding("voice.palabra.transcription.detectable_languages", message, None, Severity.WARNING)
    for language in detectable:
        if language not in DETECTABLE:
            yield _unknown("voice.palabra.transcription.detectable_languages", language)


def _check_targets(voice: VoiceChoice) -> Iterator[Finding]:
    path = "voice.target_languages"
    wanted = wanted_targets(voice)
    if not wanted:
        yield Finding(path, "is empty: the service translates, and does not transcribe only", "name a language")
    if len(wanted) > MAX_TARGETS:
        yield Finding(path, f"{len(wanted)} languages; {MAX_TARGETS} at most", "leave some out")
    bases: dict[str, str] = {}
    for target in wanted:
        other = bases.setdefault(primary(target), target)
        if other != target:
            message = f"{other} and {target} cannot be told apart in what the service sends"
            yield Finding(path, message, "leave one of them out")
        if not is_known_target(target):
            yield _unknown(path, target)
        elif primary(target) == primary(voice.source_language):
            message = f"{target} is the source language: its translation says the same again"
            yield Finding(path, message, "leave it out", Severity.WARNING)


def _check_speech(options: PalabraOptions, voice: VoiceChoice) -> Iterator[Finding]:
    path, name = "voice.speech_voice", voice.speech_voice
    if name is None:
        return
    if voice.speech_language is None:
        yield Finding(path, "has no effect without voice.speech_language", None, Severity.WARNING)
    if len(name) > MAX_VOICE_CHARACTERS or not _PRINTABLE.fullmatch(name):
        yield Finding(path, f"no voice {name[:40]}", "default_low, default_high, or the id of a voice of your account")
    elif options.translation.speech_generation.voice_cloning:
        message = "has no effect while voice.palabra.translation.speech_generation.voice_cloning is true"
        yield Finding(path, message, None, Severity.WARNING)


def wanted_targets(voice: VoiceChoice) -> tuple[str, ...]:
    """The languages translated to, the spoken one included, each once."""
    return unique([*voice.target_languages, *([voice.speech_language] if voice.speech_language else [])])


def _unknown(path: str, tag: str) -> Finding:
    message = f"{tag} is not in the list of the service's languages known here"
    return Finding(path, message, "check the spelling; the service decides", Severity.WARNING)
