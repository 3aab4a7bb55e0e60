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
    unfinished: Callable[[str | bytes], list[Text]] = lambda _: []
    """Text that the satellite concludes itself when the connection is lost, as the service will say no more of it."""


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


# --- Vurbo voice-translation ---------------------------------------------------------------------------------------


def _vurbo(message: str | bytes) -> dict[str, Any]:
    data = parsed(message).get("data")
    return data if isinstance(data, dict) else {}


def _vurbo_audio(message: str | bytes) -> bytes:
    data = _vurbo(message)
    return base64.b64decode(data["payload"]) if data.get("action") == "audio" else b""


def _vurbo_concluded(message: str | bytes) -> list[Text]:
    data = _vurbo(message)
    origin = data.get("origin") or {}
    found = [("transcript", str(origin["text"]).strip())] if origin.get("is_final") else []
    for language, entry in (data.get("translations") or {}).items():
        if entry.get("is_final") and not entry.get("is_retranslation"):
            found.append((_translation(language), str(entry["text"]).strip()))
    return found


def _translation(language: str) -> str:
    """The topic of a language that was configured without its region."""
    return f"translation/{language.partition('-')[0]}"


# --- Palabra -------------------------------------------------------------------------------------------------------


def _palabra(message: str | bytes) -> tuple[str, dict[str, Any]]:
    value = parsed(message)
    data = value.get("data")
    if isinstance(data, str):
        data = parsed(data)
    return str(value.get("message_type")), data if isinstance(data, dict) else {}


def _palabra_audio(message: str | bytes) -> bytes:
    kind, data = _palabra(message)
    return base64.b64decode(data["data"]) if kind == "input_audio_data" else b""


def _palabra_concluded(message: str | bytes) -> list[Text]:
    kind, data = _palabra(message)
    said = data.get("transcription") or {}
    if kind == "validated_transcription":
        return [("transcript", str(said["text"]).strip())]
    if kind == "translated_transcription":
        return [(_translation(said["language"]), str(said["text"]).strip())]
    return []


# --- Deepgram Flux -------------------------------------------------------------------------------------------------


def _deepgram_audio(message: str | bytes) -> bytes:
    return message if isinstance(message, bytes) else b""


def _deepgram_concluded(message: str | bytes) -> list[Text]:
    value = parsed(message)
    return [("transcript", str(value["transcript"]).strip())] if value.get("event") == "EndOfTurn" else []


def _deepgram_unfinished(message: str | bytes) -> list[Text]:
    value = parsed(message)
    is_open = value.get("type") == "TurnInfo" and value.get("event") != "EndOfTurn"
    return [("transcript", str(value["transcript"]).strip())] if is_open else []


READINGS: Mapping[str, Reading] = {
    "deepl": Reading(_deepl_audio, _deepl_concluded, lambda message: "error" in parsed(message)),
    "vurbo": Reading(_vurbo_audio, _vurbo_concluded, lambda message: parsed(message).get("type") == "error"),
    "palabra": Reading(_palabra_audio, _palabra_concluded, lambda message: _palabra(message)[0] == "error"),
    "deepgram": Reading(
        _deepgram_audio,
        _deepgram_concluded,
        lambda message: parsed(message).get("type") == "Error",
        _deepgram_unfinished,
    ),
}
