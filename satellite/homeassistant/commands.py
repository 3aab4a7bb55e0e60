"""Commands: what arrives below `set/`, checked and turned into values. No payload can make it raise."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from satellite.homeassistant.topics import Topics

PAYLOAD_BYTES_MAX = 4096
ARGUMENTS_BYTES_MAX = 16384
ARGUMENTS_DEPTH_MAX = 8
ECHO_CHARACTERS_MAX = 256
NAME_CHARACTERS_MAX = 64
AUTO = "auto"
OFF = "off"

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,4}", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_ACTION = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SetMute:
    """Close the capture device, or open it again."""

    muted: bool


@dataclass(frozen=True, slots=True)
class SetVolume:
    """Loudness of playback, 0 to 100."""

    percent: int


@dataclass(frozen=True, slots=True)
class SetSourceLanguage:
    """The spoken language: a BCP 47 tag or `auto`."""

    language: str


@dataclass(frozen=True, slots=True)
class SetSpeechLanguage:
    """The language translations are spoken in; None: text only."""

    language: str | None


@dataclass(frozen=True, slots=True)
class SetTargetLanguages:
    """The languages of text translations, without duplicates; may be empty."""

    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listen:
    """Push-to-talk: hold the gate open, or let go."""

    held: bool


@dataclass(frozen=True, slots=True)
class StopSpeech:
    """Cut what is being played."""


@dataclass(frozen=True, slots=True)
class RestartSession:
    """End the voice session and begin a new one."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Restart the daemon."""


@dataclass(frozen=True, slots=True)
class Play:
    """Play a sound from a path or URL; whether it is allowed is for the application to say."""

    source: str


@dataclass(frozen=True, slots=True)
class RunBackendAction:
    """A run-time action of the backend; the arguments are plain JSON, at most ARGUMENTS_DEPTH_MAX deep."""

    action: str
    arguments: Mapping[str, object]


Command = (
    SetMute
    | SetVolume
    | SetSourceLanguage
    | SetSpeechLanguage
    | SetTargetLanguages
    | Listen
    | StopSpeech
    | RestartSession
    | Restart
    | Play
    | RunBackendAction
)


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """A command that is not obeyed, as it goes to `command_error`; both texts are printable and short."""

    command: str
    payload: str
    reason: str


class _UnfitError(Exception):
    """The payload does not fit the command; the text is the reason for the sender."""


def parse(
    topics: Topics, topic: str, payload: bytes, *, retained: bool, targets_max: int
) -> Command | CommandRefused | None:
    """The command in one message; None when it is retained or not below our `set/` topics."""
    path = topics.command_path(topic)
    if retained or path is None:
        return None
    try:
        return _command(path, payload, targets_max)
    except _UnfitError as unfit:
        return CommandRefused(
            command=printable(path, NAME_CHARACTERS_MAX),
            payload=echo(payload),
            reason=str(unfit),
        )


def echo(payload: bytes) -> str:
    """As much of a payload as whoever sent it needs to know it again."""
    return printable(payload[: 4 * ECHO_CHARACTERS_MAX].decode(errors="replace"), ECHO_CHARACTERS_MAX)


def printable(text: str, characters_max: int) -> str:
    """`text` with what cannot be printed replaced by U+FFFD, cut to `characters_max` with an ellipsis."""
    cut = text if len(text) <= characters_max else text[: characters_max - 1] + "…"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cut)


def _command(path: str, payload: bytes, targets_max: int) -> Command:
    """The command that `path` names, built from its payload."""
    name, _, rest = path.partition("/")
    if name == "backend":
        return RunBackendAction(_action(rest), _arguments(payload))
    build = _COMMANDS.get(path)
    if build is None:
        _refuse(f"there is no such command; there are {', '.join([*_COMMANDS, 'backend/<action>'])}")
    if len(payload) > PAYLOAD_BYTES_MAX:
        _refuse(f"the payload has {len(payload)} bytes; {PAYLOAD_BYTES_MAX} is the most")
    return build(payload, targets_max)


def _refuse(reason: str) -> NoReturn:
    raise _UnfitError(reason)


def _text(payload: bytes) -> str:
    """The payload as text without blanks around it."""
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError:
        _refuse("the payload is not UTF-8 text")
    if not text:
        _refuse("the payload is empty")
    return text


def _is_on(payload: bytes) -> bool:
    match _text(payload).upper():
        case "ON":
            return True
        case "OFF":
            return False
    _refuse("expected ON or OFF")


def _percent(payload: bytes) -> int:
    text = _text(payload)
    if not _NUMBER.fullmatch(text):
        _refuse("expected a number from 0 to 100")
    percent = round(float(text))
    if not 0 <= percent <= 100:
        _refuse("expected a number from 0 to 100, this is outside")
    return percent


def _language(text: str) -> str:
    """A BCP 47 tag in its usual spelling: `de`, `pt-BR`, `zh-Hant`."""
    if not _LANGUAGE.fullmatch(text):
        _refuse("expected a BCP 47 language tag such as de, en-US or zh-Hant")
    first, *others = text.split("-")
    return "-".join([first.lower(), *(_subtag(other) for other in others)])


def _subtag(subtag: str) -> str:
    """Scripts are spelled `Hant`, regions `BR`, the rest in lower case (RFC 5646, section 2.1.1)."""
    if len(subtag) == 4 and subtag.isalpha():
        return subtag.title()
    return subtag.upper() if len(subtag) == 2 else subtag.lower()


def _source_language(payload: bytes) -> str:
    text = _text(payload)
    return AUTO if text.lower() == AUTO else _language(text)


def _speech_language(payload: bytes) -> str | None:
    text = _text(payload)
    return None if text.lower() == OFF else _language(text)


def _target_languages(payload: bytes, targets_max: int) -> tuple[str, ...]:
    text = _text(payload)
    items = _json(text) if text.startswith("[") else text.split(",")
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        _refuse('expected a list of language tags: de,fr or ["de","fr"]; [] for none')
    languages = tuple(dict.fromkeys(_language(item.strip()) for item in items))
    if languages and not targets_max:
        _refuse("the voice service does not translate")
    if len(languages) > targets_max:
        _refuse(f"{len(languages)} languages are too many; {targets_max} is the most")
    return languages


def _source(payload: bytes) -> str:
    text = _text(payload)
    if not text.isprintable():
        _refuse("expected a path or an http(s) URL without control characters")
    return text


def _action(name: str) -> str:
    if not _ACTION.fullmatch(name):
        _refuse("expected backend/<action> with an action in lower-case letters, digits and _")
    return name


def _arguments(payload: bytes) -> Mapping[str, object]:
    if len(payload) > ARGUMENTS_BYTES_MAX:
        _refuse(f"the arguments have {len(payload)} bytes; {ARGUMENTS_BYTES_MAX} is the most")
    arguments = _json(_text(payload)) if payload.strip() else {}
    if not isinstance(arguments, dict):
        _refuse('expected a JSON object of arguments such as {"text":"hello"}')
    if not _is_shallow(arguments):
        _refuse(f"the arguments are nested deeper than {ARGUMENTS_DEPTH_MAX} levels")
    return arguments


def _json(text: str) -> object:
    """Strict JSON: only finite numbers, only text that can be written as UTF-8 again."""
    try:
        value: object = json.loads(text, parse_constant=_not_finite, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        _refuse("the payload is not valid JSON")
    return value


def _not_finite(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    return number if abs(number) < float("inf") else _not_finite(text)


def _is_shallow(value: object) -> bool:
    """True when no more than ARGUMENTS_DEPTH_MAX containers lie inside each other."""
    level = [value]
    for _ in range(ARGUMENTS_DEPTH_MAX + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        level = [inner for item in containers for inner in (item.values() if isinstance(item, dict) else item)]
        if not containers:
            return True
    return False


_COMMANDS: Mapping[str, Callable[[bytes, int], Command]] = {
    "mute": lambda payload, _: SetMute(_is_on(payload)),
    "volume": lambda payload, _: SetVolume(_percent(payload)),
    "source_language": lambda payload, _: SetSourceLanguage(_source_language(payload)),
    "speech_language": lambda payload, _: SetSpeechLanguage(_speech_language(payload)),
    "target_languages": lambda payload, targets_max: SetTargetLanguages(_target_languages(payload, targets_max)),
    "listen": lambda payload, _: Listen(_is_on(payload)),
    "stop_speech": lambda _payload, _max: StopSpeech(),
    "restart_session": lambda _payload, _max: RestartSession(),
    "restart": lambda _payload, _max: Restart(),
    "play": lambda payload, _: Play(_source(payload)),
}
