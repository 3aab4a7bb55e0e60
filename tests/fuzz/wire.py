"""Targets: what the voice service sends, decoded: messages in both encodings, and answers to requests."""

import base64
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgpack
from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from satellite.adapters.httpcall import with_wait_in_seconds
from satellite.backends.answers import retry_after_s
from satellite.backends.base import HttpResponse
from satellite.backends.deepl.failures import Source, failure_of_answer, trace_id
from satellite.backends.deepl.messages import (
    MAX_MS,
    EndOfTargetMedia,
    Ignored,
    JsonCodec,
    Malformed,
    MediaChunk,
    Message,
    MsgpackCodec,
    ServiceError,
    SourceUpdate,
    TargetUpdate,
    WireSegment,
)
from satellite.backends.deepl.requests import Ticket, ticket_of
from tests.fuzz.mutation import json_bytes
from tests.fuzz.target import Outcome, Shape, Target, hold, is_a, loads

BASE_URL = "https://api.deepl.com"
STREAM = "wss://api.deepl.com/v3/voice/realtime/connect"
PCM = "audio/pcm;encoding=s16le;rate=24000"
NAMES = (
    *("source_transcript_update", "target_transcript_update", "target_media_chunk", "end_of_source_transcript"),
    *("end_of_target_transcript", "end_of_target_media", "end_of_stream", "error", "concluded", "tentative", "text"),
    *("start_time", "end_time", "language", "content_type", "headers", "data", "duration", "error_code", "reason_code"),
    *("request_type", "error_message", PCM, "audio/opus", "audio/ogg;codecs=opus", "fr", "de", "en"),
)


def segment(text: str, start_ms: int, end_ms: int, **more: Any) -> dict[str, Any]:
    return {"text": text, "start_time": start_ms, "end_time": end_ms, **more}


def messages() -> list[dict[str, Any]]:
    """One of each kind, as the service says them."""
    said = [segment("Good morning.", 120, 980, language="en"), segment(" How are", 1020, 1500, language="en")]
    target = [segment("Guten Morgen.", 120, 980)]
    chunk = {"language": "de", "content_type": PCM, "headers": 0, "data": [b"\x01\x02" * 40], "duration": 2}
    opus = {"language": "de", "content_type": "audio/opus", "headers": 1, "data": [b"OpusHead\1\1", b"\xf8\xff\xfe"]}
    return [
        {"source_transcript_update": {"concluded": said[:1], "tentative": said[1:]}},
        {"source_transcript_update": {"concluded": [], "tentative": []}},
        {"target_transcript_update": {"language": "de", "concluded": target, "tentative": []}},
        {"target_transcript_update": {"language": "fr", "concluded": [], "tentative": [segment("Bon", 100, 300)]}},
        {"target_media_chunk": {**chunk, "text": "Guten Morgen."}},
        {"target_media_chunk": {"language": "de", "data": [b"\x01\x02\x03", b""], "duration": 20, "text": None}},
        {"target_media_chunk": {**opus, "duration": 20, "text": "Ja."}},
        {"end_of_source_transcript": {}},
        {"end_of_target_transcript": {"language": "de"}},
        {"end_of_target_media": {"language": "de"}},
        {"end_of_stream": {}},
        {"error": {"request_type": "unknown", "error_code": 400, "reason_code": 4000403, "error_message": "Timed out"}},
        {"session_statistics": {"messages": 3}},
    ]


def _json_seeds() -> Sequence[bytes]:
    return [
        json.dumps(message, default=lambda data: base64.b64encode(data).decode()).encode() for message in messages()
    ]


def _msgpack_seeds() -> Sequence[bytes]:
    return [msgpack.packb(message, use_bin_type=True) for message in messages()]


def decode_json(data: bytes) -> Outcome:
    """A TEXT message; what is no UTF-8 never gets past the WebSocket."""
    return Outcome(_judge(JsonCodec().decode(data.decode("utf-8", "replace"))))


def decode_msgpack(data: bytes) -> Outcome:
    """A BINARY message."""
    return Outcome(_judge(MsgpackCodec().decode(data)))


def _judge(decoded: list[Message] | Malformed) -> str:
    if isinstance(decoded, Malformed):
        return decoded.detail
    hold(bool(decoded), "a message is something, if only an ignored one")
    for message in decoded:
        _check(message)
    return "+".join(sorted({type(message).__name__ for message in decoded}))


def _check(message: Message) -> None:
    match message:
        case SourceUpdate():
            _check_segments(message.concluded + message.tentative)
        case TargetUpdate():
            _check_word(message.language)
            _check_segments(message.concluded + message.tentative)
        case MediaChunk():
            _check_word(message.language)
            _check_word(message.content_type)
            hold(all(is_a(unit, bytes) for unit in message.data), "units are bytes")
            hold(0 <= message.headers <= MAX_MS and 0 <= message.duration_ms <= MAX_MS, "counts are within bounds")
            _check_text(message.text or "")
        case EndOfTargetMedia():
            _check_word(message.language)
        case ServiceError():
            _check_text(message.text)
            _check_text(message.request)
            hold(
                all(each is None or is_a(each, int) for each in (message.code, message.reason_code)), "codes are whole"
            )
        case Ignored():
            pass


def _check_segments(segments: Sequence[WireSegment]) -> None:
    for each in segments:
        hold(0 <= each.start_ms <= each.end_ms <= MAX_MS, "a segment does not end before it begins")
        hold(bool(each.text), "a segment has text")
        _check_text(each.text)
        _check_word(each.language)


def _check_word(word: str | None) -> None:
    hold(word is None or bool(word.strip()), "a word is not blank")
    _check_text(word or "")


def _check_text(text: str) -> None:
    hold(is_a(text, str) and bool(text.encode() or True), "text can be written as UTF-8")


# --- answers ------------------------------------------------------------------------------------------------------


def _answer_seeds() -> Sequence[bytes]:
    ticket = {"streaming_url": STREAM, "token": "VGhpcyBpcyBhIHRva2Vu", "session_id": "4f911080"}
    regional = {**ticket, "streaming_url": "wss://voice-eu.deepl.com:443/v3/x?region=eu"}
    headers = {"retry-after": "7", "x-trace-id": "0a1b2c", "content-type": "application/json"}
    answers = [
        ("POST", 200, headers, ticket),
        ("GET", 200, {}, regional),
        ("POST", 403, headers, {"message": "Forbidden", "detail": "Voice is not in your plan"}),
        ("GET", 429, headers, {"error": {"message": "Too many requests"}}),
        ("POST", 502, {"retry-after": "Fri, 07 Nov 2014 23:59:59 GMT"}, "<html>Bad Gateway</html>"),
    ]
    return [json_bytes(list(answer)) for answer in answers]


def read_answer(data: bytes) -> Outcome:
    """An answer to POST or GET; what is no list of the four parts is the body of a 200."""
    parts = loads(data)
    source, status, headers, body = parts if isinstance(parts, list) and len(parts) == 4 else ("POST", 200, {}, None)
    response = HttpResponse(status_of(status), headers_of(headers), data if body is None else body_of(body))
    ticket = ticket_of(response.body, BASE_URL)
    kind = Source.REJOIN if source == "GET" else Source.OPEN
    failure = failure_of_answer(kind, response.status, response.headers, response.body, wants_speech=True)
    wait_s, trace = retry_after_s(response.headers), trace_id(response.headers)
    hold(wait_s is None or 0 <= wait_s <= 3_600, "a wait is not longer than an hour")
    hold(trace is None or (trace.isprintable() and len(trace) <= 128), "a trace id fits into a line of a log")
    if not isinstance(ticket, Ticket):
        return Outcome(f"{failure.category.value}: {ticket.detail.partition(':')[0]}")
    check_stream(ticket.url)
    hold(ticket.token.isascii() and ticket.token.isprintable() and " " not in ticket.token, "a token is plain")
    return Outcome(f"{failure.category.value}: ticket")


def check_stream(url: str, domain: str = "deepl.com") -> None:
    """Only the service's own domain over TLS, however the address is read."""
    try:
        address = parse_uri(url)
    except InvalidURI:
        return  # refused by whoever dials
    for host in (address.host, urlsplit(url).hostname or ""):
        hold(address.secure and f".{host}".endswith((f".{domain}", f".{domain}.")), f"never leads to {host!r}")
    hold(url.isascii() and url.isprintable(), "an address fits into a request")


def _dates() -> Sequence[bytes]:
    dates = ("Fri, 07 Nov 2014 23:59:59 GMT", "Friday, 07-Nov-14 23:59:59 GMT", "Fri Nov  7 23:59:59 2014", "7")
    return [f"{wish}\n{told}".encode() for wish in dates for told in dates]


class _Wall:
    """A clock on the wall."""

    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 1_415_404_799.0


def read_wait(data: bytes) -> Outcome:
    """`Retry-After` and `Date`, as dates or whatever they are."""
    wish, _, told = data.decode("latin-1").partition("\n")
    timed = with_wait_in_seconds(HttpResponse(429, {"retry-after": wish, "date": told}, b""), _Wall())
    wait_s = retry_after_s(timed.headers)
    hold(wait_s is None or 0 <= wait_s <= 3_600, "a wait is not longer than an hour")
    return Outcome("none" if wait_s is None else "some" if wait_s else "at once")


def status_of(value: object) -> int:
    """A status as HTTP can carry it."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 999 else 200


def headers_of(value: object) -> dict[str, str]:
    """Header fields as the adapter hands them on: names in lower case, any text as value."""
    if not isinstance(value, dict):
        return {}
    return {str(name).lower(): text for name, text in value.items() if isinstance(text, str)}


def body_of(value: object) -> bytes:
    """A text as it is, anything else as JSON."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json_bytes(value)


TARGETS = (
    Target("deepl.json", Shape.JSON, decode_json, _json_seeds, 20, NAMES),
    Target("deepl.msgpack", Shape.MSGPACK, decode_msgpack, _msgpack_seeds, 20, NAMES),
    Target("http.wait", Shape.TEXT, read_wait, _dates, 2, ("GMT", "Nov", "-2359", "+9999", "99999999999", "Fri,")),
    Target("deepl.answer", Shape.JSON, read_answer, _answer_seeds, 8, ("streaming_url", "token", "message", "detail")),
)
