"""Target: the whole core of a DeepL session, fed steps in any order by a driver that keeps to the rules.

An input is a JSON list: a set-up, then steps such as ["hear", 400], ["http", 200, {…}, {…}], ["say", {…}],
["raw", "…"], ["closed", 1006, "…", null], ["tick", 2.5]. What a step cannot mean is left out. What comes of the session
goes into a transcript book and on to payloads, whose promises are held as well.
"""

import base64
import math
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from satellite.backends.base import (
    Action,
    CloseSocket,
    HttpFailed,
    HttpRequest,
    HttpResponse,
    OpenSocket,
    SendBytes,
    SendPing,
    SendText,
    SessionSetup,
    SessionState,
    SocketClosed,
)
from satellite.backends.deepl.options import DeepLOptions
from satellite.backends.deepl.session import DeepLSession
from satellite.core.audio import AudioChunk, samples_of_ms
from satellite.core.backlog import Backlog
from satellite.core.events import AudioLost, SessionEnded, SessionFailed, UtteranceSent, UtteranceSettled, VoiceEvent
from satellite.core.section import Secret, read
from satellite.errors import ErrorCategory, LocalMisuse
from tests.fuzz.mutation import json_bytes, msgpack_bytes
from tests.fuzz.readers import Readers
from tests.fuzz.target import Outcome, Shape, Target, hold, number_of, steps_of
from tests.fuzz.wire import BASE_URL, NAMES, STREAM, body_of, check_stream, headers_of, messages, status_of
from tests.unit.backends.deepl.stage import KEY, HoldingEncoder

WALL_S = 1_000_000.0
STEPS_MAX = 60
DUE_MAX = 400
"""Steps that may be due one after the other within the longest time that passes at once."""
SECONDS_MAX = 40.0


class Rules:
    """Follows what a session wants done, and refuses what no session may want."""

    def __init__(self, session: DeepLSession) -> None:
        self.is_asked = False
        self.is_dialled = False
        self.is_open = False
        self.is_closing = False
        self.pings: list[int] = []
        self._session = session
        self._is_final = False
        self._ends = 0
        self._sent: set[str] = set()
        self._has_ended_audio = False

    @property
    def has_socket(self) -> bool:
        return self.is_dialled or self.is_open

    def act(self, action: Action) -> None:
        """One action, in order."""
        match action:
            case HttpRequest():
                hold(not self.is_asked, "one request at a time")
                hold(not self.has_socket, "nothing is asked for while a socket is there")
                hold(action.url.startswith(f"{BASE_URL}/v3/voice/realtime"), "the key goes to the service alone")
                hold(not action.url[len(BASE_URL) :].count("#") and action.url.isascii(), "an address is plain")
                hold(action.timeout_s > 0, "an answer is given time")
                self.is_asked = True
            case OpenSocket():
                hold(not self.has_socket and not self.is_asked, "one socket at a time")
                check_stream(action.url)
                self.is_dialled = True
            case CloseSocket():
                hold(self.has_socket, "only a socket that is there is closed")
                self.is_closing = True
            case SendPing(number):
                hold(self.is_open and number not in self.pings, "a ping goes out once, on a socket")
                self.pings.append(number)
            case SendText() | SendBytes():
                hold(self.is_open, "nothing is sent without a socket")
                size = len(action.text if isinstance(action, SendText) else action.data)
                hold(0 < size <= 100_000, "no message is too large for the service")
                is_end = b"end_of_source_media" in (
                    action.data if isinstance(action, SendBytes) else action.text.encode()
                )
                hold(not self._has_ended_audio, "nothing follows the end of the audio")
                self._has_ended_audio |= is_end

    def happen(self, event: VoiceEvent) -> None:
        """One event, in order."""
        hold(not self._is_final, "nothing follows the end")
        match event:
            case SessionEnded() | SessionFailed():
                self._ends += 1
                self._is_final = True
                text = event.detail if isinstance(event, SessionFailed) else event.reason
                hold(len(text) <= 200 and text.isprintable(), "a reason fits into a line of a log")
                hold(KEY not in text, "no reason holds the key")
            case UtteranceSent(utterance_id):
                hold(utterance_id not in self._sent, "an utterance is sent once")
                self._sent.add(utterance_id)
            case UtteranceSettled(utterance_id):
                hold(utterance_id in self._sent, "what is settled was sent")
            case AudioLost():
                hold(event.samples > 0, "what is lost was there")
            case _:
                pass

    def judge(self, now: float) -> None:
        """After an input: the state, its end and its next deadline fit together."""
        state, due_at = self._session.state, self._session.next_deadline()
        hold(self._is_final == state.is_final and self._ends == int(state.is_final), "an end is told once")
        hold(due_at is None or not math.isnan(due_at), "a deadline is a number")
        if state.is_final:
            hold(due_at is None, "nothing is due after the end")
        elif state in (SessionState.STREAMING, SessionState.ENDING):
            hold(self.is_closing or (due_at is not None and due_at < now + 200), "an open session has a deadline")
        elif state is SessionState.REQUESTING:
            hold(self.is_asked or due_at is not None, "who waits for nothing has a deadline")


class Play:
    """One session from birth to the last step."""

    def __init__(self, wishes: dict[str, Any]) -> None:
        self.now = 0.0
        self.messages = 0
        self._backlog = Backlog(samples_of_ms(5_000))
        self._options, setup = _set_up(wishes, self._backlog)
        self._session = DeepLSession(self._options, setup)
        self._rules = Rules(self._session)
        self._readers = Readers(setup.target_languages, setup.speech_language)
        self._is_deaf = bool(wishes.get("deaf"))
        self._utterances = 0
        self._is_speaking = False

    @property
    def label(self) -> str:
        """Where it ended."""
        counters = self._session.counters
        return f"{self._session.state.value} {min(counters.connections, 3)} {self._readers.label}"

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        """One step, if it means anything; then all promises are looked at."""
        meaning = _STEPS.get(name)
        if meaning is not None:
            self.messages += 1
            meaning(self, arguments)
            self._drain()

    def end(self) -> None:
        """Whatever happened, a session that is let be comes to its end by itself."""
        self._session.finish(self.now)
        self._drain()
        self._part()
        for _ in range(12):
            if self._session.state.is_final:
                break
            self._tick((SECONDS_MAX,))
            self._part()
        hold(self._session.state.is_final, "a session that is finished and gets no answer ends")
        self._readers.over(self.now)

    def _part(self) -> None:
        """Nothing and nobody answers any more."""
        if self._rules.is_asked:
            self._fail_http(("no answer", True, "connectivity"))
            self._drain()
        if self._rules.has_socket:
            self._close_socket((1006, "", None))
            self._drain()

    # --- what we want ----------------------------------------------------------------------------------------------

    def _start(self, _arguments: Sequence[Any]) -> None:
        self._legal(self._session.state is SessionState.IDLE, lambda: self._session.start(self.now))

    def _hear(self, arguments: Sequence[Any]) -> None:
        if not self._is_speaking:
            self._is_speaking = True
            self._utterances += 1
            self._readers.started(f"u{self._utterances}", WALL_S + self.now)
        pcm = b"\x01\x02" * samples_of_ms(number_of(arguments[0], 3_000))
        for dropped in self._backlog.append(AudioChunk(pcm, WALL_S + self.now, f"u{self._utterances}")):
            self._readers.dropped(dropped, self.now)
        self._session.audio_ready(self.now)

    def _fall_silent(self, _arguments: Sequence[Any]) -> None:
        if self._is_speaking:
            self._is_speaking = False
            self._readers.ended(f"u{self._utterances}", WALL_S + self.now, self.now)
            if self._backlog.end_utterance(f"u{self._utterances}"):
                self._session.audio_ready(self.now)

    def _finish(self, _arguments: Sequence[Any]) -> None:
        self._session.finish(self.now)

    def _close(self, _arguments: Sequence[Any]) -> None:
        self._session.close(self.now)

    # --- what happens ----------------------------------------------------------------------------------------------

    def _tick(self, arguments: Sequence[Any]) -> None:
        if self._rules.is_closing:
            self._close_socket((1006, "closed by us", None))
            self._drain()
        until = self.now + number_of(arguments[0], SECONDS_MAX)
        for _ in range(DUE_MAX):
            due_at = self._session.next_deadline()
            if due_at is None or due_at > until:
                break
            self.now = max(self.now, due_at)
            self._session.deadline_reached(self.now)
            self._drain()
        else:
            hold(False, "a session does not spin")
        self.now = until

    def _answer(self, arguments: Sequence[Any]) -> None:
        response = HttpResponse(status_of(arguments[0]), headers_of(arguments[1]), body_of(arguments[2]))
        is_asked, self._rules.is_asked = self._rules.is_asked, False
        self._legal(is_asked, lambda: self._session.http_response(response, self.now))

    def _fail_http(self, arguments: Sequence[Any]) -> None:
        detail, was_sent, category = arguments[:3]
        known = {each.value: each for each in ErrorCategory}
        failure = HttpFailed(str(detail)[:200], bool(was_sent), known.get(str(category), ErrorCategory.CONNECTIVITY))
        is_asked, self._rules.is_asked = self._rules.is_asked, False
        self._legal(is_asked, lambda: self._session.http_failed(failure, self.now))

    def _open(self, _arguments: Sequence[Any]) -> None:
        is_dialled, self._rules.is_dialled = self._rules.is_dialled, False
        self._rules.is_open |= is_dialled
        self._legal(is_dialled, lambda: self._session.socket_opened(self.now))

    def _pong(self, arguments: Sequence[Any]) -> None:
        number = int(number_of(arguments[0], 2**31))
        self._legal(self._rules.is_open, lambda: self._session.pong(number, self.now))

    def _say(self, arguments: Sequence[Any]) -> None:
        encode = msgpack_bytes if self._options.message_format == "msgpack" else json_bytes
        self._take(_with_units(arguments[0]), encode)

    def _say_raw(self, arguments: Sequence[Any]) -> None:
        self._take(str(arguments[0]), lambda text: str(text).encode("latin-1", "replace"))

    def _take(self, content: Any, encode: Callable[[Any], bytes]) -> None:
        data = encode(content)
        is_text = self._options.message_format == "json"
        message = data.decode("utf-8", "replace") if is_text else data
        self._legal(self._rules.is_open, lambda: self._session.message(message, self.now))

    def _close_socket(self, arguments: Sequence[Any]) -> None:
        code, reason, status = arguments[:3]
        was_open = self._rules.is_open
        closed = SocketClosed(
            was_open,
            code if isinstance(code, int) and 0 <= code <= 4_999 else None,
            str(reason)[:123],
            status if isinstance(status, int) and 100 <= status <= 999 and not was_open else None,
        )
        had_socket = self._rules.has_socket
        self._rules.is_dialled = self._rules.is_open = self._rules.is_closing = False
        self._rules.pings.clear()
        self._legal(had_socket, lambda: self._session.socket_closed(closed, self.now))

    # --- inside ----------------------------------------------------------------------------------------------------

    def _legal(self, is_legal: bool, give: Callable[[], None]) -> None:
        """An input; one that no driver would give may be refused as our misuse, and as nothing else."""
        before = self._session.state
        try:
            give()
        except LocalMisuse:
            hold(not is_legal, "a legal input is no misuse")
            hold(self._session.state is before, "misuse changes nothing")

    def _drain(self) -> None:
        """Perform and report, then answer pings: a link that carries anything carries them."""
        self._drain_once()
        while self._rules.pings and not self._is_deaf and not self._session.state.is_final:
            self._session.pong(self._rules.pings.pop(0), self.now)
            self._drain_once()

    def _drain_once(self) -> None:
        actions, events = self._session.actions(), self._session.events()
        if self._session.state.is_final:
            self._rules.is_asked = False  # the driver cancels it
        for action in actions:
            self._rules.act(action)
        for event in events:
            self._rules.happen(event)
            self._readers.take(event, self.now)
        self._rules.judge(self.now)
        hold(not self._session.actions() and not self._session.events(), "what was taken is gone")


_STEPS: dict[str, Callable[[Play, Sequence[Any]], None]] = {
    "start": Play._start,
    "hear": Play._hear,
    "silent": Play._fall_silent,
    "finish": Play._finish,
    "close": Play._close,
    "tick": Play._tick,
    "http": Play._answer,
    "no answer": Play._fail_http,
    "pong": Play._pong,
    "opened": Play._open,
    "say": Play._say,
    "raw": Play._say_raw,
    "closed": Play._close_socket,
}


def _with_units(content: Any) -> Any:
    """The marked texts of a message as audio units."""
    if isinstance(content, dict):
        return {name: _with_units(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_with_units(value) for value in content]
    if isinstance(content, str) and content.startswith("b64:"):
        return content[4:].encode("latin-1", "replace")
    return content


def _set_up(wishes: dict[str, Any], backlog: Backlog) -> tuple[DeepLOptions, SessionSetup]:
    asked = wishes.get("options")
    usable, _ = read(DeepLOptions, {"api_key": KEY, **(asked if isinstance(asked, dict) else {})})
    options = usable or DeepLOptions(api_key=Secret(KEY))
    targets = wishes.get("targets")
    spoken = wishes.get("speech")
    return replace(options, base_url=BASE_URL), SessionSetup(
        backlog=backlog,
        encoder=HoldingEncoder(samples_of_ms(number_of(wishes.get("page_ms"), 300))),
        source_language="auto" if wishes.get("source") == "auto" else "en",
        target_languages=tuple(f"{each}"[:8] for each in targets[:5]) if isinstance(targets, list) else ("de",),
        speech_language=spoken if isinstance(spoken, str) and spoken in ("de", "fr", "pt-BR") else None,
        speech_voice=None,
        idle_close_s=max(5.0, number_of(wishes.get("idle_s"), 120)),
    )


def play(data: bytes) -> Outcome:
    """One session."""
    wishes, steps = steps_of(data, STEPS_MAX)
    book = Play(wishes)
    for name, arguments in steps:
        book.step(name, arguments)
    book.end()
    return Outcome(book.label, max(1, book.messages))


def _seeds() -> Sequence[bytes]:
    said = [["say", _as_text(message)] for message in messages()]
    ticket = {"streaming_url": STREAM, "token": "tok-en/1+="}
    begin = [["hear", 300], ["start"], ["http", 200, {"x-trace-id": "t1"}, ticket], ["opened"], ["tick", 0.5]]
    talk = [["hear", 900], ["tick", 1.0], said[0], ["silent"], ["tick", 0.4], said[2], said[4], ["tick", 1.5]]
    again = [["closed", 1006, "", None], ["http", 200, {}, {**ticket, "token": "tok-en/2"}], ["opened"], ["hear", 500]]
    end = [["finish"], ["tick", 1], said[7], said[9], said[10], ["closed", 1000, "", None]]
    wishes = [
        {"options": {"message_format": "json"}, "targets": ["de"], "speech": "de", "source": "en"},
        {"options": {"message_format": "msgpack"}, "targets": ["de", "fr"], "speech": None, "source": "auto"},
        {"options": {"message_format": "msgpack", "formality": "more"}, "targets": [], "speech": "fr", "page_ms": 250},
        {"options": {"message_format": "json"}, "targets": ["de"], "deaf": True, "idle_s": 10},
    ]
    scripts = [
        [*begin, *talk, *end],
        [*begin, *talk, *again, *talk, *end],
        [*begin, *said, ["tick", 40]],
        [*begin, ["closed", 1008, "policy", None], ["http", 400, {}, {"message": "gone"}], ["tick", 5]],
        [["start"], ["no answer", "refused", False, "connectivity"], ["tick", 5]],
        [["start"], ["http", 400, {}, "no"], ["http", 200, {}, ticket], ["closed", None, "no", 503], ["close"]],
        [
            *begin,
            ["finish"],
            ["closed", 1006, "", None],
            ["no answer", "x", True, "server"],
            ["tick", 3],
            ["http", 200, {}, ticket],
        ],
        [*begin, ["raw", "{"], ["say", {"error": {"error_code": 429, "error_message": "slow"}}]],
        [*begin, *([["closed", 1011, "", None], ["http", 200, {}, ticket], ["opened"], ["tick", 3]] * 6)],
        [
            *begin,
            *talk,
            ["tick", 40],
            ["hear", 3000],
            ["hear", 3000],
            ["tick", 10],
            ["closed", 1001, "", None],
            ["tick", 30],
        ],
    ]
    return [json_bytes([wish, *script]) for wish in wishes for script in scripts]


def _as_text(content: Any) -> Any:
    """A message that JSON can hold, its audio units marked."""
    if isinstance(content, dict):
        return {name: _as_text(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_as_text(value) for value in content]
    return f"b64:{base64.b64encode(content).decode()}" if isinstance(content, bytes) else content


TARGETS = (Target("deepl.session", Shape.JSON, play, _seeds, 24, (*NAMES, *_STEPS), tree_share=0.95, has_steps=True),)
