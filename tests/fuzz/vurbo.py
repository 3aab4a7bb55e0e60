"""Vurbo: its messages, and whole sessions with a service that says anything and a user who asks for anything."""

import base64
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from satellite.app.parts import read_arguments
from satellite.backends.base import CloseSocket, HttpRequest, OpenSocket, SendPing, SendText, SessionState
from satellite.backends.vurbo.arguments import ACTIONS
from satellite.backends.vurbo.messages import (
    MAX_SID,
    MAX_TEXT_CHARACTERS,
    Clip,
    Malformed,
    Message,
    Origin,
    Sentences,
    ServiceError,
    Translation,
    decode,
)
from satellite.backends.vurbo.speech import audio_of, sniff
from satellite.core.events import (
    ActionAnswered,
    SessionEnded,
    SessionFailed,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
)
from tests.fuzz.target import Outcome, Shape, Target, hold, is_a, number_of, steps_of
from tests.unit.backends.vurbo.stage import Talking, new_play, options, ticket

MAX_STEPS = 60
CLIP = base64.b64encode(b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(16)).decode()


def events() -> list[dict[str, Any]]:
    """One of each event, as the reference prints them."""
    entry = {"sid": 1, "text": "Eins.", "is_final": True}
    origin = {"sid": 1, "language": "en-US", "text": "One.", "is_final": True, "speaker_id": "G", "start_time": "00:01"}
    found = [
        {"action": "session_started", "task_id": "t", "recording_id": "t"},
        {"action": "result", "origin": {**origin, "is_final": False, "text": "On"}},
        {"action": "result", "origin": origin, "translations": {"de-DE": entry}},
        {"action": "translation", "translations": {"de-DE": {**entry, "is_retranslation": True}}},
        {"action": "batch_retranslation", "sid": 1, "translations": {"es-ES": entry}},
        {"action": "status", "message": "Speech recognition paused"},
        {"action": "config_updated", "updated": ["terminology"]},
        {"action": "tts_ready", "sid": 1, "language": "de-DE", "audio": CLIP},
        {"action": "tts_error", "sid": 1},
        {"action": "language_switch_done", "success_count": 1},
        {"action": "speaker_renamed", "speaker_id": "G", "new_label": "Ann"},
        {"action": "conversation_mode_changed", "conversation_mode": "manual"},
        {"action": "speaker_language_changed", "speaker_language_map": {"1": "it-IT"}},
        {"action": "task_complete", "task_id": "t"},
        {"action": "error", "error_code": "audio_decode_failed", "severity": "error"},
    ]
    return [{"type": "voice-translation", "data": data} for data in found] + [
        {"type": "error", "data": {"error_code": "session_not_started", "severity": "fatal", "sid": 1}},
        {"type": "health", "data": {"action": "pong"}},
    ]


def _message_seeds() -> Sequence[bytes]:
    return [json.dumps(event).encode() for event in events()]


def read_message(data: bytes) -> Outcome:
    """A TEXT message; what is no UTF-8 never gets past the WebSocket."""
    message = decode(data.decode("utf-8", "replace"))
    _check(message)
    return Outcome(message.detail if isinstance(message, Malformed) else type(message).__name__)


def _check(message: Message) -> None:
    match message:
        case Sentences(origin, translations):
            said: list[Origin | Translation] = [*translations]
            said += [origin] if origin is not None else []
            for each in said:
                hold(0 <= each.sid < MAX_SID, "a number is within bounds")
                hold(is_a(each.text, str) and len(each.text) <= MAX_TEXT_CHARACTERS, "a text is bounded")
                hold(bool(each.text.encode() or True), "text can be written as UTF-8")
        case Clip(data):
            audio = audio_of(data)
            sound = sniff(audio) if audio is not None else None
            hold(sound is None or sound.duration_ms >= 0, "nothing lasts less than no time")
        case ServiceError():
            hold(bool(message.code), "an error has a code")


# --- sessions -----------------------------------------------------------------------------------------------------

WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"recording_type": "conversation"},
    {"recording_type": "conversation", "conversation_mode": "manual"},
    {"recording_type": "broadcast", "broadcast_token": "k7q2"},
)


class Walk:
    """One session, and what it has promised so far."""

    def __init__(self, wishes: dict[str, Any]) -> None:
        way = WAYS[int(number_of(wishes.get("way"), len(WAYS) - 1))]
        self.book: Talking = new_play(options(**way), speech_language="de")
        self._asked = 0
        self._utterances = 0

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        """Something happens."""
        if self.book.session.state.is_final:
            return
        match name:
            case "begin" if self.book.session.state is SessionState.IDLE:
                self.book.start()
            case "grant" if self.book.session.state is SessionState.REQUESTING:
                self.book.answers(200, ticket())
            case "open" if self._is_dialled and not self._has_opened:
                self.book.opens()
            case "say" if self._has_opened:
                self.book.says(json.dumps(arguments[0]))
            case "hear":
                self.book.hears(f"u{self._utterances}", number_of(arguments[0], 2_000) + 1)
            case "hush":
                self.book.falls_silent(f"u{self._utterances}")
                self._utterances += 1
            case "wait":
                self.book.after(number_of(arguments[0], 90))
            case "ask":
                self._ask(arguments)
            case "finish":
                self.book.finish()
            case "close" if self._is_dialled:
                self.book.closes(1006)

    @property
    def _is_dialled(self) -> bool:
        return bool(self.book.all(OpenSocket))

    @property
    def _has_opened(self) -> bool:
        return bool(self.book.all(SendText))

    def _ask(self, arguments: Sequence[Any]) -> None:
        names = sorted(ACTIONS)
        name = names[int(number_of(arguments[0], len(names) - 1))]
        given = arguments[1] if isinstance(arguments[1], dict) else {}
        read = read_arguments(ACTIONS[name].arguments, given)
        if not isinstance(read, str):
            self.book.asks(name, read)
            self._asked += 1

    def judge(self) -> str:
        """Whether all promises were kept; how it ended."""
        book = self.book
        if not book.session.state.is_final:
            book.close()
        ends = [*book.all(SessionEnded), *book.all(SessionFailed)]
        hold(len(ends) == 1, "a session ends once")
        hold(len(book.all(ActionAnswered)) <= self._asked, "nothing is answered that was not asked for")
        for passed in ([*book.all(UtteranceSent)], [*book.all(UtteranceSettled)]):
            counts = Counter(event.utterance_id for event in passed)
            hold(all(count == 1 for count in counts.values()), "an utterance is sent once, and settled once")
        updates = book.all(TranscriptUpdated)
        hold(all(each.text.strip() for update in updates for each in update.concluded), "no segment is empty")
        hold(len(book.all(HttpRequest)) <= 1 and len(book.all(OpenSocket)) <= 1, "one connection for each session")
        hold(len(book.all(CloseSocket)) <= 2, "a socket is closed once, or cut and closed")
        hold(book.all(SendPing) == [], "pings are no outcomes")
        return type(ends[0]).__name__


def walk(data: bytes) -> Outcome:
    """A whole session."""
    wishes, steps = steps_of(data, MAX_STEPS)
    course = Walk(wishes)
    for name, arguments in steps:
        course.step(name, arguments)
    return Outcome(course.judge(), max(1, len(steps)))


def _walk_seeds() -> Sequence[bytes]:
    opening: list[list[Any]] = [["begin"], ["grant"], ["open"], ["say", events()[0]]]
    talk: list[list[Any]] = [["hear", 900], *(["say", event] for event in events()[1:9]), ["hush"], ["wait", 3]]
    asks: list[list[Any]] = [
        ["ask", at, {"sid": 1, "speaker": 2, "language": "it", "name": "x"}] for at in range(len(ACTIONS))
    ]
    turns: list[list[Any]] = [["ask", sorted(ACTIONS).index("start_speaking"), {"speaker": 2}], ["say", events()[5]]]
    end: list[list[Any]] = [["finish"], ["wait", 1], ["say", events()[5]], ["say", events()[13]]]
    walks = [[{"way": way}, *opening, *talk, *talk, *end] for way in range(len(WAYS))]
    walks += [[{"way": way}, *opening, *asks, *turns, *talk, ["close"]] for way in range(len(WAYS))]
    walks.append([{"way": 0}, *opening, ["hear", 500], ["say", events()[15]], ["wait", 90], *end])
    return [json.dumps(steps).encode() for steps in walks]


_WORDS = (
    *tuple(ACTIONS),
    "origin",
    "translations",
    "sid",
    "is_final",
    "is_retranslation",
    "result",
    "tts_ready",
    "say",
)
TARGETS = (
    Target("vurbo.message", Shape.JSON, read_message, _message_seeds, 3.0, _WORDS),
    Target("vurbo.session", Shape.JSON, walk, _walk_seeds, 2.0, _WORDS, 0.95, has_steps=True),
)
