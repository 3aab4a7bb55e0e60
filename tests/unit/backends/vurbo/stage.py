"""What plays with a Vurbo session share: options, set-up, the service's lines, and what went over the wire."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from satellite.backends.base import OpenSocket, SendText, SessionSetup
from satellite.backends.vurbo.options import VurboOptions
from satellite.backends.vurbo.session import VurboSession
from satellite.core.backlog import Backlog
from satellite.core.events import ActionAnswered, Segment, Stream, TranscriptUpdated
from satellite.core.section import Section
from tests.fakes.playbook import Playbook, backlog_of
from tests.fakes.sections import made

KEY = "vas_" + "k" * 32
TICKET = "Qm4Zt81LwXr0Yb6NcVd2Ks9HfJe7Pa5G"
DIAL = OpenSocket("wss://vas-poc.vurbo.ai/ws", subprotocols=(f"ticket.{TICKET}",))
TASK = "d94e2c70-1f3b-4a86-8d52-0be7f6a1c329"


class PcmEncoder:
    """PCM as it is, with something kept back for the end."""

    rest = b""

    def encode(self, pcm: bytes) -> bytes:
        return pcm

    def restart(self) -> None:
        raise AssertionError("a session has one connection")

    def finish(self) -> bytes:
        return self.rest


def options(**changes: Any) -> VurboOptions:
    return made(VurboOptions, {"api_key": KEY, **changes})


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


class Talking(Playbook):
    """A play with a Vurbo session."""

    def asks(self, action: str, arguments: Section) -> "Talking":
        """A user asks for something."""
        self.session.run_action(action, arguments, self.now)
        self._drain()
        return self

    def hears_of(self, action: str, **data: Any) -> "Talking":
        """The service sends an event."""
        self.says(event(action, **data))
        return self

    def fails(self, code: str, severity: str = "error", **more: Any) -> "Talking":
        """The service sends an error."""
        self.says(error(code, severity, **more))
        return self


def new_play(session_options: VurboOptions | None = None, **changes: Any) -> Talking:
    """A session that nothing was said to yet."""
    backlog = backlog_of()
    return Talking(VurboSession(session_options or options(), setup(backlog, **changes)), backlog)


def connected(session_options: VurboOptions | None = None, **changes: Any) -> Talking:
    """A session that has sent `start` at 0.0 s."""
    book = new_play(session_options, **changes)
    book.start().answers(200, ticket()).opens()
    return book


def streaming(session_options: VurboOptions | None = None, **changes: Any) -> Talking:
    """A session that began at 0.0 s."""
    book = connected(session_options, **changes)
    book.says(started()).skip()
    return book


def conversing(mode: str = "manual", speech: str | None = "de", **changes: Any) -> Talking:
    """A conversation in English and German that began at 0.0 s."""
    chosen = options(recording_type="conversation", conversation_mode=mode, **changes)
    return streaming(chosen, speech_language=speech)


def ticket(value: str = TICKET) -> bytes:
    return json.dumps({"ticket": value, "expires_in": 60}).encode()


def event(action: str, **data: Any) -> str:
    return json.dumps({"type": "voice-translation", "data": {"action": action, **data}})


def started(**data: Any) -> str:
    return event("session_started", **{"session_id": "s", "task_id": TASK, "recording_id": TASK, **data})


def status() -> str:
    return event("status", message="whatever")


def error(code: str, severity: str = "error", **more: Any) -> str:
    return json.dumps({"type": "error", "data": {"error_code": code, "severity": severity, "message": "m", **more}})


def origin(sid: int, text: str, *, final: bool = True, **more: Any) -> dict[str, Any]:
    return {"sid": sid, "language": "en-US", "text": text, "is_final": final, **more}


def result(sid: int, text: str, *, final: bool = True, **more: Any) -> str:
    return event("result", origin=origin(sid, text, final=final, **more))


def translation(sid: int, text: str, language: str = "de-DE", *, final: bool = True, **more: Any) -> str:
    return event("result", translations={language: {"sid": sid, "text": text, "is_final": final, **more}})


def sent(book: Playbook) -> list[dict[str, Any]]:
    """The data of all messages to the service but audio, in order; a heartbeat is `{"action": "ping"}`."""
    texts = [json.loads(action.text)["data"] for action in book.all(SendText)]
    return [data for data in texts if data["action"] != "audio"]


def asked(book: Playbook) -> list[str]:
    """The commands sent, in order."""
    return [data["action"] for data in sent(book)]


@dataclass(frozen=True)
class Chunk:
    """Audio as it went out."""

    at: float
    audio: bytes

    @property
    def seconds(self) -> float:
        return len(self.audio) / 32_000


def chunks(book: Playbook) -> list[Chunk]:
    """All audio sent so far, silence included."""
    found = [(seen.at, json.loads(seen.what.text)["data"]) for seen in book.history if isinstance(seen.what, SendText)]
    return [
        Chunk(at, base64.b64decode(data["payload"], validate=True)) for at, data in found if data["action"] == "audio"
    ]


def spoken(book: Playbook) -> list[Chunk]:
    """The audio sent that is no silence of ours."""
    return [chunk for chunk in chunks(book) if any(chunk.audio)]


def silences(book: Playbook) -> list[float]:
    """When silence of ours was sent."""
    return [chunk.at for chunk in chunks(book) if not any(chunk.audio)]


def segments(book: Playbook, stream: Stream = Stream.SOURCE) -> list[Segment]:
    """Concluded text."""
    updates = [update for update in book.all(TranscriptUpdated) if update.stream is stream]
    return [segment for update in updates for segment in update.concluded]


def texts(book: Playbook, stream: Stream = Stream.SOURCE) -> list[str]:
    return [segment.text for segment in segments(book, stream)]


def answer(book: Playbook) -> ActionAnswered:
    """The last answer to a user."""
    return book.all(ActionAnswered)[-1]
