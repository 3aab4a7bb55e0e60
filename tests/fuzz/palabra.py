"""Targets: what Palabra sends, decoded: messages of a task, and answers to the request for a session."""

import json
import zlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

from satellite.backends.answers import retry_after_s
from satellite.backends.base import HttpResponse, OpenSocket
from satellite.backends.palabra.failures import failure_of_answer
from satellite.backends.palabra.messages import (
    MAX_ERROR_CHARACTERS,
    MAX_SECONDS,
    MAX_SPEECH_BYTES,
    MAX_TEXT_CHARACTERS,
    MAX_WORD_CHARACTERS,
    CurrentTask,
    Malformed,
    Message,
    OutputAudio,
    ServiceError,
    ServiceWarning,
    Transcription,
    decode,
)
from satellite.backends.palabra.options import PalabraOptions
from satellite.backends.palabra.requests import (
    SESSIONS_PATH,
    Ticket,
    create_request,
    delete_request,
    session_dial,
    session_id_of,
    ticket_of,
)
from tests.fuzz.mutation import json_bytes
from tests.fuzz.target import Outcome, Shape, Target, hold, is_a, loads
from tests.fuzz.wire import body_of, check_stream, headers_of, status_of
from tests.unit.backends.palabra import stage

DOMAIN = "palabra.ai"
SESSIONS_URL = f"https://api.{DOMAIN}{SESSIONS_PATH}/"
PCM = b"\x10\x20\x30\x40" * 60
NAMES = (
    *("partial_transcription", "validated_transcription", "translated_transcription", "output_audio_data"),
    *("partial_translated_transcription", "current_task", "task_status", "running", "paused", "eos", "end_of_stream"),
    *("message_type", "data", "transcription", "transcription_id", "translation_part_id", "segments", "start", "end"),
    *("language", "text", "last_chunk", "error", "warning", "code", "desc", "description", "msg", "NOT_FOUND"),
    *("VALIDATION_ERROR", "SERVICE_TIMEOUT", "pipeline_timings", "es", "en", "de", "fr", "es-mx"),
)


def messages() -> list[dict[str, Any]]:
    """One of each kind, as the service says them."""
    times = (0.2, 1.4)
    said = [
        *(stage.task_is(status) for status in ("running", "paused", "stopped")),
        stage.heard("s1", "Good mor", times),
        stage.confirmed("s1", "Good morning.", times, speaker="A"),
        stage.guessed("s1", "Guten"),
        stage.translated("s1", "Guten Morgen.", 0),
        stage.translated("s1", "Wie geht es?", "1"),
        stage.translated("s1", "Bonjour.", language="fr"),
        stage.spoken("s1", PCM),
        stage.spoken("s1", zlib.compress(PCM), last=True),
        stage.error("NOT_FOUND", "no active task"),
        stage.error("VALIDATION_ERROR", "unknown command"),
        stage.message("error", code="SERVICE_TIMEOUT", desc=[{"loc": ["a"], "msg": "b"}]),
        stage.message("warning", code="AUDIO_STREAM_TOO_SLOW", desc="slow"),
        stage.message("pipeline_timings", es=1),
        stage.message("eos"),
        stage.message("end_of_stream"),
    ]
    inside = {"message_type": "current_task", "data": json.dumps({"task_status": "running"})}
    return [*(json.loads(text) for text in said), inside, {}, {"es": {"a": 1}}]


def _message_seeds() -> Sequence[bytes]:
    return [json.dumps(message).encode() for message in messages()]


def read_message(data: bytes) -> Outcome:
    """A message as text, which is UTF-8 or never gets past the WebSocket, and as the bytes that a room brings."""
    found = [decode(data.decode("utf-8", "replace"), is_inflated=True), decode(data, is_inflated=False)]
    for message in found:
        _check(message)
    return Outcome("+".join(type(message).__name__ for message in found))


def _check(message: Message) -> None:
    match message:
        case Transcription():
            _check_words(message.id, message.language)
            _check_text(message.text, MAX_TEXT_CHARACTERS)
            hold(message.is_source or bool(message.part), "a translation has parts")
            if message.times_ms is not None:
                start_ms, end_ms = message.times_ms
                hold(0 <= start_ms <= end_ms <= MAX_SECONDS * 1000, "times are in order")
        case OutputAudio():
            _check_words(message.id, message.part, message.language)
            hold(is_a(message.data, bytes) and len(message.data) <= MAX_SPEECH_BYTES, "speech is bounded")
        case ServiceError():
            _check_text(message.code, MAX_WORD_CHARACTERS)
            _check_text(message.text, MAX_ERROR_CHARACTERS)
        case CurrentTask(word) | ServiceWarning(word):
            _check_text(word, MAX_WORD_CHARACTERS)
        case Malformed():
            hold(message.detail.isprintable(), "a reason fits into a line of a log")


def _check_words(*words: str | None) -> None:
    for word in words:
        hold(word is None or bool(word.strip()), "a word is not blank")
        _check_text(word or "", MAX_WORD_CHARACTERS)


def _check_text(text: str, most: int) -> None:
    hold(is_a(text, str) and len(text) <= most, "a text is bounded")
    hold(bool(text.encode() or True), "text can be written as UTF-8")


# --- answers ------------------------------------------------------------------------------------------------------

SOCKET = stage.options(**stage.PAIR)
ROOM = stage.options(transport="webrtc")
ADDRESSES = (
    *("wss://palabra.ai.evil.example/x", "wss://api.palabra.ai@evil.example/", "wss://evil.example/.palabra.ai"),
    *("https://[", "wss://[::1]/", "http://127.0.0.1/", "wss://x.palabra.ai:99999/", "wss://x.palabra.ai:443?a=b"),
    *("publisher", "ws_url", "webrtc_url", "control_url", "stream_url", "id", "errors", "detail", "error_code", ".."),
)


def _answer_seeds() -> Sequence[bytes]:
    made = json.loads(stage.created())
    older = json.loads(stage.created(ws_url=None, webrtc_url=None, publisher=[stage.TOKEN]))
    older["data"] |= {"control_url": f"{stage.WS_URL}?a=b", "stream_url": "wss://media.palabra.ai"}
    refused = {"ok": False, "errors": [{"title": "No funds", "detail": "Top up.", "error_code": 30_002}]}
    answers = [
        *((transport, 201, {"retry-after": "7"}, body) for transport in ("ws", "room") for body in (made, older)),
        ("ws", 402, {}, refused),
        ("room", 429, {"retry-after": "30"}, {"errors": [{"title": "Too many sessions"}]}),
        ("ws", 502, {}, "<html>Bad Gateway</html>"),
    ]
    return [json_bytes(list(answer)) for answer in answers]


def read_answer(data: bytes) -> Outcome:
    """An answer on the way to a socket or a room; what is no list of the four parts is the body of a 201."""
    parts = loads(data)
    way, status, headers, body = parts if isinstance(parts, list) and len(parts) == 4 else ("ws", 201, {}, None)
    options = ROOM if way == "room" else SOCKET
    response = HttpResponse(status_of(status), headers_of(headers), data if body is None else body_of(body))
    failure = failure_of_answer(response.status, response.headers, response.body)
    wait_s = retry_after_s(response.headers)
    hold(wait_s is None or 0 <= wait_s <= 3_600, "a wait is not longer than an hour")
    _check_farewell(response, options)
    ticket = ticket_of(response.body, options)
    if not isinstance(ticket, Ticket):
        return Outcome(f"{failure.category.value}: {ticket.failure.detail.partition(':')[0]}")
    hold(ticket.token.isascii() and ticket.token.isprintable() and " " not in ticket.token, "a token is plain")
    dial = session_dial(ticket, options)
    check_stream(dial.url, DOMAIN)
    hold(
        not isinstance(dial, OpenSocket) or quote(ticket.token, safe="") in dial.url, "a socket is opened by its token"
    )
    return Outcome(f"{failure.category.value}: {type(dial).__name__}")


def _check_farewell(response: HttpResponse, options: PalabraOptions) -> None:
    """What was made for us is given back by a request for nothing else."""
    session_id, disown = session_id_of(response.body), create_request(options).disown
    farewell = disown(response) if disown is not None else None
    if session_id is None:
        hold(farewell is None, "nothing is given back that was not made")
        return
    hold(farewell == delete_request(options, session_id), "an answer that comes too late is given back")
    url = "" if farewell is None else farewell.url
    rest = url.removeprefix(SESSIONS_URL)
    hold(url.startswith(SESSIONS_URL) and not set(rest) & set("/?#;"), "one session is deleted")
    hold(rest not in ("", ".", "..") and unquote(rest) == session_id, "it is ours")


TARGETS = (
    Target("palabra.message", Shape.JSON, read_message, _message_seeds, 3.0, NAMES),
    Target("palabra.answer", Shape.JSON, read_answer, _answer_seeds, 2.0, ADDRESSES),
)
