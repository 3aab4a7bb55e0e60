"""Reports: what is read of the payloads of satellites that are not ours.

Whoever publishes at a broker may publish anything: what does not look like the contract is an UnreadableError. Further
keys and words are let through, as later versions may bring them.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from satellite.homeassistant.commands import printable

PAYLOAD_BYTES_MAX = 64 * 1024
MESSAGE_CHARACTERS_MAX = 300
NAME_CHARACTERS_MAX = 64

_WORD = re.compile(r"[a-z][a-z_]{0,23}")
_VERSION = r"^[0-9A-Za-z][0-9A-Za-z.+!_~-]{0,31}\Z"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z"

Whole = Annotated[int, Meta(ge=0, le=10**12)]
Seconds = Annotated[float, Meta(ge=0, le=1e12)]


class UnreadableError(Exception):
    """A payload is not what the contract says of its topic."""


class Health(msgspec.Struct, frozen=True):
    """Of `health`."""

    version: Annotated[str, Meta(pattern=_VERSION)]
    uptime_s: Seconds
    utterances: Whole
    lost_audio_ms: Whole
    capture_age_ms: Whole | None


class Usage(msgspec.Struct, frozen=True):
    """Of `usage`."""

    day: Annotated[str, Meta(pattern=_DAY)]
    billed_s: Seconds


class _Problem(msgspec.Struct, frozen=True):
    active: bool
    code: str = ""
    message: str = ""
    hint: str | None = None


class _Utterance(msgspec.Struct, frozen=True):
    """Nothing of what was said."""

    end: str


class _Device(msgspec.Struct, frozen=True):
    name: str
    suggested_area: str | None = None


class _Announcement(msgspec.Struct, frozen=True):
    device: _Device


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a satellite: a code, in words, and a mend; all of it fit to be shown."""

    code: str
    message: str
    hint: str | None = None


Body = TypeVar("Body", bound=msgspec.Struct)


def decoded(payload: bytes, body: type[Body]) -> Body:
    """The keys of this type. Raises UnreadableError."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise UnreadableError
    try:
        return msgspec.json.decode(payload, type=body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableError from error


def word(payload: bytes) -> str:
    """One word of plain text. Raises UnreadableError."""
    text = payload[:64].decode(errors="replace")
    if not _WORD.fullmatch(text):
        raise UnreadableError
    return text


def problem(payload: bytes) -> Complaint | None:
    """What a satellite says is wrong with it, None when nothing is. Raises UnreadableError."""
    told = decoded(payload, _Problem)
    if not told.active:
        return None
    hint = None if told.hint is None else printable(told.hint, MESSAGE_CHARACTERS_MAX)
    return Complaint(word(told.code.encode(errors="replace")), printable(told.message, MESSAGE_CHARACTERS_MAX), hint)


def spoken_at(payload: bytes) -> float:
    """Unix seconds at which an utterance had been spoken. Raises UnreadableError."""
    end = decoded(payload, _Utterance).end
    if not end.endswith("Z"):
        raise UnreadableError
    try:
        return datetime.fromisoformat(end).timestamp()
    except ValueError as error:
        raise UnreadableError from error


def device(payload: bytes) -> tuple[str, str | None]:
    """Name and area that Home Assistant was told. Raises UnreadableError."""
    told = decoded(payload, _Announcement).device
    area = told.suggested_area
    return printable(told.name, NAME_CHARACTERS_MAX), None if area is None else printable(area, NAME_CHARACTERS_MAX)
