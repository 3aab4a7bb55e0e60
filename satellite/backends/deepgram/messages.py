"""The messages of the Deepgram Flux WebSocket (Flux reference §3, §4, §5).

Decoding is lenient: a field of the wrong type counts as absent, numbers may come as text, an unknown message is
counted. Only what is no message at all is `Malformed`.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from satellite.backends.base import SendText
from satellite.backends.deepgram.failures import request_id
from satellite.backends.tags import is_tag

MAX_SECONDS = 1e9
"""Times beyond this are nonsense."""
MAX_INDEX = 2**53
MAX_TEXT_CHARACTERS = 20_000
MAX_SAID_CHARACTERS = 500

START_OF_TURN = "StartOfTurn"
END_OF_TURN = "EndOfTurn"

FORCE_END_TURN = SendText('{"type":"ForceEndTurn"}')
CLOSE_STREAM = SendText('{"type":"CloseStream"}')


@dataclass(frozen=True, slots=True)
class Connected:
    """`Connected`: audio may be sent."""

    request_id: str | None


@dataclass(frozen=True, slots=True)
class TurnInfo:
    """`TurnInfo`. Times are seconds in the stream of audio sent; what is None was not there.

    `text` is the whole turn so far. `words_s` is where its words begin and end, where the service says so.
    """

    event: str
    index: int | None
    text: str | None
    window_s: tuple[float, float] | None
    words_s: tuple[float, float] | None
    language: str | None


@dataclass(frozen=True, slots=True)
class ConfigureSuccess:
    """`ConfigureSuccess`."""


@dataclass(frozen=True, slots=True)
class ConfigureFailure:
    """`ConfigureFailure`: nothing was changed."""

    said: str


@dataclass(frozen=True, slots=True)
class ServiceWarning:
    """`Warning`: never the end."""

    code: str | None


@dataclass(frozen=True, slots=True)
class ServiceError:
    """`Error`: always the end."""

    code: str | None
    said: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message with a type that is not known, or without any."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """No message: the wrong frame type, undecodable, or not an object."""

    detail: str


Message = Connected | TurnInfo | ConfigureSuccess | ConfigureFailure | ServiceWarning | ServiceError | Ignored


def configure(changes: Mapping[str, Any]) -> SendText:
    """`Configure` with these members."""
    return SendText(json.dumps({"type": "Configure", **changes}, separators=(",", ":")))


def decode(data: str | bytes) -> Message | Malformed:
    """What the service says."""
    if not isinstance(data, str):
        return Malformed("a BINARY message where JSON was expected")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return Malformed("a message that is no JSON")
    if not isinstance(content, dict):
        return Malformed("a message that is no object")
    kind = content.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return Ignored() if reader is None else reader(content)


def _turn_info(content: Mapping[str, Any]) -> TurnInfo:
    start_s, end_s = (_seconds(content.get(f"audio_window_{edge}")) for edge in ("start", "end"))
    text = _text(content.get("transcript"))
    return TurnInfo(
        event=_text(content.get("event")) or "",
        index=_index(content.get("turn_index")),
        text=None if text is None else text[:MAX_TEXT_CHARACTERS],
        window_s=None if start_s is None or end_s is None else (start_s, max(start_s, end_s)),
        words_s=_words_s(content.get("words")),
        language=_language(content.get("languages")),
    )


def _words_s(words: object) -> tuple[float, float] | None:
    """Where the first word begins and the last one ends; None where the service does not say so of both."""
    if not isinstance(words, list) or not words or not all(isinstance(word, dict) for word in (words[0], words[-1])):
        return None
    start_s, end_s = _seconds(words[0].get("start")), _seconds(words[-1].get("end"))
    return None if start_s is None or end_s is None else (start_s, max(start_s, end_s))


def _language(languages: object) -> str | None:
    """The language of most words, which comes first."""
    first = languages[0] if isinstance(languages, list) and languages else None
    return first if isinstance(first, str) and is_tag(first) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _said(content: Mapping[str, Any]) -> str:
    """Code and description, for people."""
    parts = (_text(content.get("code")), _text(content.get("description")))
    return ": ".join(part for part in parts if part)[:MAX_SAID_CHARACTERS]


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds(value: object) -> float | None:
    number = _number(value)
    return None if number is None else min(number, MAX_SECONDS)


def _index(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(min(number, MAX_INDEX))


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Message]] = {
    "Connected": lambda content: Connected(request_id(content.get("request_id"))),
    "TurnInfo": _turn_info,
    "ConfigureSuccess": lambda _: ConfigureSuccess(),
    "ConfigureFailure": lambda content: ConfigureFailure(_said(content)),
    "Warning": lambda content: ServiceWarning(_text(content.get("code"))),
    "Error": lambda content: ServiceError(_text(content.get("code")), _said(content)),
    "FatalError": lambda content: ServiceError(_text(content.get("code")), _said(content)),
}
"""`FatalError` is the name in the schema, `Error` the one on the wire (§4)."""
