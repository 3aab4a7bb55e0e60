"""What plays with a DeepL session share: options, set-up, the service's lines, and what went over the wire."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from satellite.backends.base import HttpRequest, OpenSocket, SendText, SessionSetup
from satellite.backends.deepl.options import DeepLOptions
from satellite.backends.deepl.session import DeepLSession
from satellite.core.audio import SAMPLE_BYTES
from satellite.core.backlog import Backlog
from tests.fakes.playbook import Playbook, backlog_of, play
from tests.fakes.sections import made

KEY = "11111111-2222-3333-4444-555555555555"
STREAM = "wss://api.deepl.com/v3/voice/realtime/connect"
END = SendText('{"end_of_source_media":{}}')
SILENCE_100_MS = bytes(3200)


class PcmEncoder:
    """PCM as it is; counts restarts."""

    def __init__(self) -> None:
        self.restarts = 0
        self.rest = b""

    def encode(self, pcm: bytes) -> bytes:
        return pcm

    def restart(self) -> None:
        self.restarts += 1

    def finish(self) -> bytes:
        return self.rest


@dataclass
class HoldingEncoder(PcmEncoder):
    """Keeps audio back until it has a page, as a container does."""

    page_samples: int

    def __post_init__(self) -> None:
        super().__init__()
        self._held = b""

    def encode(self, pcm: bytes) -> bytes:
        self._held += pcm
        if len(self._held) < self.page_samples * SAMPLE_BYTES:
            return b""
        page, self._held = self._held, b""
        return page

    def finish(self) -> bytes:
        return self._held


def options(**changes: Any) -> DeepLOptions:
    """JSON, so that what is sent can be read."""
    return made(DeepLOptions, {"api_key": KEY, "message_format": "json", **changes})


def setup(backlog: Backlog | None = None, **changes: Any) -> SessionSetup:
    """English to German, text only."""
    values: dict[str, Any] = {
        "encoder": PcmEncoder(),
        "source_language": "en",
        "target_languages": ("de",),
        "speech_language": None,
        "speech_voice": None,
        "idle_close_s": 60.0,
        **changes,
    }
    return SessionSetup(backlog=backlog or backlog_of(), **values)


def new_play(session_options: DeepLOptions | None = None, **changes: Any) -> Playbook:
    """A session that nothing was said to yet."""
    backlog = backlog_of()
    return play(DeepLSession(session_options or options(), setup(backlog, **changes)), backlog)


def streaming(session_options: DeepLOptions | None = None, **changes: Any) -> Playbook:
    """A session whose first connection opened at 0.0 s."""
    return new_play(session_options, **changes).start().answers(200, ticket("t1")).opens().skip()


def ticket(token: str = "t1", url: str = STREAM, **more: Any) -> bytes:
    return json.dumps({"streaming_url": url, "token": token, **more}).encode()


def dial(token: str) -> OpenSocket:
    return OpenSocket(f"{STREAM}?token={token}")


def segment(text: str, start_ms: int, end_ms: int, **more: Any) -> dict[str, Any]:
    return {"text": text, "start_time": start_ms, "end_time": end_ms, **more}


def source(concluded: list[dict[str, Any]], tentative: list[dict[str, Any]]) -> str:
    """A `source_transcript_update` in English unless the segments say otherwise."""
    languages = [[{"language": "en", **each} for each in part] for part in (concluded, tentative)]
    return json.dumps({"source_transcript_update": {"concluded": languages[0], "tentative": languages[1]}})


def target(language: str, concluded: list[dict[str, Any]], tentative: list[dict[str, Any]]) -> str:
    update = {"language": language, "concluded": concluded, "tentative": tentative}
    return json.dumps({"target_transcript_update": update})


def media(data: list[bytes], **more: Any) -> str:
    units = [base64.b64encode(unit).decode() for unit in data]
    return json.dumps({"target_media_chunk": {"language": "de", "data": units, "duration": 0, **more}})


def end_of(kind: str, **more: Any) -> str:
    return json.dumps({f"end_of_{kind}": more})


def error(code: Any, text: str = "") -> str:
    body = {"request_type": "source_media_chunk", "error_code": code, "reason_code": 1, "error_message": text}
    return json.dumps({"error": body})


@dataclass(frozen=True)
class Chunk:
    """Audio as it went out."""

    at: float
    audio: bytes

    @property
    def seconds(self) -> float:
        return len(self.audio) / SAMPLE_BYTES / 16_000


def chunks(book: Playbook) -> list[Chunk]:
    """All audio sent so far, silence included."""
    sent = [(seen.at, json.loads(seen.what.text)) for seen in book.history if isinstance(seen.what, SendText)]
    return [
        Chunk(at, base64.b64decode(message["source_media_chunk"]["data"], validate=True))
        for at, message in sent
        if "source_media_chunk" in message
    ]


def spoken(book: Playbook) -> list[Chunk]:
    """The audio sent that is no silence of ours."""
    return [chunk for chunk in chunks(book) if any(chunk.audio)]


def silences(book: Playbook) -> list[float]:
    """When silence of ours was sent."""
    return [chunk.at for chunk in chunks(book) if not any(chunk.audio)]


def answered(book: Playbook) -> Playbook:
    """Text of all that was said is concluded."""
    return book.says(source([segment("Hello.", 0, 900)], []))


def said_and_answered(**changes: Any) -> Playbook:
    """An utterance of one second, spoken from 0.0 s, answered at 1.0 s."""
    return answered(streaming(**changes).speaks("u1", 1.0)).falls_silent("u1")


def resumed(book: Playbook, token: str = "t2") -> Playbook:
    """The connection is lost, and there is another one as soon as it is asked for."""
    asked = len(book.all(HttpRequest))
    book.closes()
    while len(book.all(HttpRequest)) == asked and (due_at := book.session.next_deadline()) is not None:
        book.at(due_at)
    return book.answers(200, ticket(token)).opens()
