"""What the messages of each voice service say: the sound that went up, and the concluded text that came down."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

Text = tuple[str, str]
"""Name of its topic, and the text."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read one service's messages, given as they stand on the wire."""

    audio: Callable[[str | bytes], bytes]
    concluded: Callable[[str | bytes], list[Text]]
    is_error: Callable[[str | bytes], bool]


def parsed(message: str | bytes) -> dict[str, Any]:
    """The message as an object; empty when it is none (faults send garbage)."""
    try:
        value = json.loads(message) if isinstance(message, str) else msgpack.unpackb(message)
    except (ValueError, msgpack.UnpackException):
        return {}
    return value if isinstance(value, dict) else {}


# --- DeepL Voice ---------------------------------------------------------------------------------------------------


def _deepl_audio(message: str | bytes) -> bytes:
    data = parsed(message).get("source_media_chunk", {}).get("data", b"")
    return base64.b64decode(data) if isinstance(data, str) else bytes(data)


def _deepl_concluded(message: str | bytes) -> list[Text]:
    value, found = parsed(message), []
    for name, topic in (("source_transcript_update", "transcript"), ("target_transcript_update", "translation")):
        update = value.get(name)
        if update is not None:
            place = topic if topic == "transcript" else f"translation/{update['language']}"
            found += [(place, str(segment["text"]).strip()) for segment in update.get("concluded", ())]
    return found


READINGS: Mapping[str, Reading] = {
    "deepl": Reading(_deepl_audio, _deepl_concluded, lambda message: "error" in parsed(message)),
}
