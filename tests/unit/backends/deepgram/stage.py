"""What plays with a Deepgram session share: options, set-up, the service's lines, and what went over the wire."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from satellite.backends.base import OpenSocket, SendBytes, SendText, SessionSetup
from satellite.backends.deepgram.manners import Manners
from satellite.backends.deepgram.options import DeepgramOptions
from satellite.backends.deepgram.pace import GATHER_S
from satellite.backends.deepgram.session import DeepgramSession
from satellite.core.backlog import Backlog
from satellite.core.events import Segment, Stream, TranscriptUpdated
from satellite.core.section import Section
from tests.fakes.playbook import Playbook, backlog_of, play
from tests.fakes.sections import made
from tests.unit.backends.deepl.stage import PcmEncoder

KEY = "0123456789abcdef0123456789abcdef01234567"
BASE = "wss://api.deepgram.com/v2/listen"
CLOSE_STREAM = SendText('{"type":"CloseStream"}')
FORCE = SendText('{"type":"ForceEndTurn"}')
REQUEST_ID = "6b0f4d1e-8a55-4c0e-9a6b-2f4a7c1d9e01"


def options(**changes: Any) -> DeepgramOptions:
    return made(DeepgramOptions, {"api_key": KEY, **changes})


def setup(backlog: Backlog | None = None, **changes: Any) -> SessionSetup:
    """English, text only."""
    values: dict[str, Any] = {
        "encoder": PcmEncoder(),
        "source_language": "en",
        "target_languages": (),
        "speech_language": None,
        "speech_voice": None,
        "idle_close_s": 60.0,
        **changes,
    }
    return SessionSetup(backlog=backlog or backlog_of(), **values)


def new_play(
    session_options: DeepgramOptions | None = None, manners: Manners | None = None, **changes: Any
) -> Playbook:
    """A session that nothing was said to yet."""
    backlog = backlog_of()
    return play(DeepgramSession(session_options or options(), setup(backlog, **changes), manners), backlog)


def connecting(
    session_options: DeepgramOptions | None = None, manners: Manners | None = None, **changes: Any
) -> Playbook:
    """The socket is open, and the service has not said that it is ready."""
    return new_play(session_options, manners, **changes).start().opens().skip()


def streaming(
    session_options: DeepgramOptions | None = None, manners: Manners | None = None, **changes: Any
) -> Playbook:
    """A session whose connection was ready at 0.0 s."""
    return connecting(session_options, manners, **changes).says(connected()).skip()


def said(book: Playbook, text: str = "Hello there.", seconds: float = 1.0, utterance_id: str = "u1") -> Playbook:
    """Somebody speaks; all of it went out, and the service opens a turn at the end of it."""
    book.speaks(utterance_id, seconds).after(GATHER_S + 0.05)
    return book.says(turn("StartOfTurn", text, end_s=sent_s(book)))


def asks(book: Playbook, action: str, arguments: Section) -> Playbook:
    """A user asks for a run-time action."""
    book.session.run_action(action, arguments, book.now)
    return book._drain()


def connected(**more: Any) -> str:
    return message("Connected", request_id=REQUEST_ID, sequence_id=0, **more)


def turn(
    event: str,
    text: str | None = None,
    index: int | None = 0,
    start_s: float = 0.0,
    end_s: float = 1.0,
    **more: Any,
) -> str:
    """A `TurnInfo`; what is None is left out."""
    fields = {"event": event, "turn_index": index, "transcript": text}
    window = {"audio_window_start": start_s, "audio_window_end": end_s}
    return message("TurnInfo", **{name: value for name, value in fields.items() if value is not None}, **window, **more)


def words(*spans: tuple[str, float, float]) -> list[dict[str, Any]]:
    return [{"word": word, "confidence": 0.9, "start": start_s, "end": end_s} for word, start_s, end_s in spans]


def message(kind: str, **members: Any) -> str:
    return json.dumps({"type": kind, **members})


def error(code: str | None = None, **more: Any) -> str:
    return message("Error", **({} if code is None else {"code": code}), **more)


def warning(code: str = "FORCE_END_TURN_NO_ACTIVE_TURN") -> str:
    return message("Warning", code=code, description="nothing to end")


def audio(book: Playbook) -> list[tuple[float, bytes]]:
    """All audio sent so far, silence included, and when."""
    return [(seen.at, seen.what.data) for seen in book.history if isinstance(seen.what, SendBytes)]


def silences(book: Playbook) -> list[float]:
    """When silence of ours was sent."""
    return [at for at, data in audio(book) if not any(data)]


def sent_s(book: Playbook) -> float:
    return book.session.counters.sent_samples / 16_000


def texts(book: Playbook, kind: str) -> list[dict[str, Any]]:
    """The text messages of one type that were sent."""
    sent = [json.loads(action.text) for action in book.all(SendText)]
    return [each for each in sent if each["type"] == kind]


def concluded(book: Playbook) -> list[Segment]:
    return [segment for update in book.all(TranscriptUpdated) for segment in update.concluded]


def tentative(book: Playbook) -> list[str]:
    """The tentative tail after each update, without its blank."""
    return ["".join(segment.text for segment in update.tentative).strip() for update in book.all(TranscriptUpdated)]


def query(dial: OpenSocket) -> dict[str, list[str]]:
    """The parameters of a dial, each with its values."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(urlsplit(dial.url).query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return values


def update(*tentative_segments: Segment, concluded_segments: tuple[Segment, ...] = ()) -> TranscriptUpdated:
    return TranscriptUpdated(Stream.SOURCE, None, concluded_segments, tentative_segments)
