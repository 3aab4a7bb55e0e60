"""Target: whole Palabra sessions, on a socket and in a room: a service that says anything, a user who wants anything.

An input is a JSON list: a set-up, then steps such as ["hear", 400], ["grant", 201, {…}, {…}], ["say", {…}],
["raw", "…"], ["track", "translation_de", 100, 900], ["ask", 1, {…}], ["tick", 2.5], ["stall", 3]. What a step cannot
mean is left out. What comes of the session goes into a transcript book as well, whose promises are held too.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Self

from satellite.app.parts import read_arguments
from satellite.backends.base import HttpFailed, HttpResponse, SessionState
from satellite.backends.palabra.jobs import ACTIONS
from satellite.backends.palabra.messages import decode
from satellite.backends.palabra.requests import session_id_of
from satellite.backends.palabra.session import FINISH_MARGIN_S, PalabraSession
from satellite.core.audio import AudioChunk, samples_of_ms
from satellite.core.events import VoiceEvent
from tests.fakes.playbook import WALL_S, Playbook, backlog_of
from tests.fuzz.mutation import json_bytes
from tests.fuzz.palabra import NAMES, messages
from tests.fuzz.palabrarules import SECRETS, Story, Wire
from tests.fuzz.readers import Readers
from tests.fuzz.target import Outcome, Shape, Target, hold, number_of, steps_of
from tests.fuzz.wire import body_of, headers_of, status_of
from tests.unit.backends.palabra import stage

STEPS_MAX = 60
SECONDS_MAX = 40.0
BACKLOG_S = 5.0
AT_ONCE_MAX = 200
"""Inputs at one moment, pongs and deadlines included."""
TRACK_BYTES_MAX = 9_600
STILL_TALKING = json.loads(stage.heard("s9", "and then"))
"""What a service says that finds no end."""

WAYS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({}, {}),
    ({**stage.PAIR, "speech_format": "zlib_pcm_s16le"}, {"target_languages": ("de", "fr")}),
    ({**stage.PAIR, "transport": "webrtc"}, {}),
    ({"transport": "webrtc", "pause_after_s": None}, {"speech_language": None, "source_language": "auto"}),
    ({"key_in_query": True, "pause_after_s": 0}, {"source_language": "auto", "idle_close_s": 12.0}),
    (
        {**stage.PAIR, "translation": {"translate_partial_transcriptions": True}},
        {"target_languages": ("es-MX", "zh"), "speech_language": "zh", "idle_close_s": 5.0},
    ),
)


class Watched(Playbook):
    """A play that looks at every outcome, and at the session behind every input."""

    def __init__(self, way: int) -> None:
        options_changes, setup_changes = WAYS[way]
        options, backlog = stage.options(**options_changes), backlog_of(BACKLOG_S)
        setup = stage.setup(backlog, **setup_changes)
        super().__init__(PalabraSession(options, setup), backlog)
        self.is_room = options.transport == "webrtc"
        self.wire = Wire(options)
        self.story = Story(setup, self.wire)
        self.readers = Readers(setup.target_languages, setup.speech_language)
        self._looked_at = 0
        self._moment, self._inputs = 0.0, 0

    def _drain(self) -> Self:
        self._inputs = self._inputs + 1 if self.now == self._moment else 0
        self._moment = self.now
        hold(self._inputs < AT_ONCE_MAX, "a session does not spin")
        super()._drain()
        while self._looked_at < len(self.history):
            outcome = self.history[self._looked_at].what
            self._looked_at += 1
            if isinstance(outcome, VoiceEvent):
                self.story.happen(outcome)
                self.readers.take(outcome, self.now)
            else:
                self.wire.act(outcome, self.now)
        hold(not (self.is_room and self.pings), "a room has no pings")
        self.story.judge(self.session, self.now)
        return self


class Walk:
    """One session from birth to the last step."""

    def __init__(self, wishes: dict[str, Any]) -> None:
        self.messages = 0
        self._book = Watched(int(number_of(wishes.get("way"), len(WAYS) - 1)))
        self._is_parted = bool(wishes.get("parts"))
        self._is_talking = bool(wishes.get("talks"))
        self._heard_samples = self._dropped_samples = 0
        self._utterances = 0
        self._is_speaking = False

    @property
    def label(self) -> str:
        """Where it ended."""
        return f"{self._book.session.state.value} {self._book.readers.label}"

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        """One step, if it means anything."""
        meaning = _STEPS.get(name)
        if meaning is not None and (name == "grant" or not self._book.session.state.is_final):
            self.messages += 1
            meaning(self, arguments)
            self._close_what_is_closing()

    def end(self) -> None:
        """Whatever happened, a session that is let be comes to its end by itself, and owes nothing then."""
        book, wire = self._book, self._book.wire
        book.finish()
        until = book.now + book.backlog.seconds + FINISH_MARGIN_S + 1.0
        if wire.request is not None:
            self._refuse(("no answer", True))
        if wire.is_dialled or (self._is_parted and wire.is_open):
            self._close((1006, "", None))
        while self._is_talking and wire.is_open and book.now < until - 2.0 and not book.session.state.is_final:
            self._say((STILL_TALKING, False))
            self._pass(1.0)
        self._pass(until - book.now)
        hold(book.session.state.is_final, "a session that is finished ends")
        taken = self._heard_samples - self._dropped_samples - book.backlog.samples
        hold(wire.audible_samples == taken, "what a session takes it sends")
        wire.end()
        book.readers.over(book.now)

    # --- what we want ----------------------------------------------------------------------------------------------

    def _start(self, _arguments: Sequence[Any]) -> None:
        if self._book.session.state is SessionState.IDLE:
            self._book.start()

    def _hear(self, arguments: Sequence[Any]) -> None:
        book = self._book
        if not self._is_speaking:
            self._is_speaking = True
            self._utterances += 1
            book.readers.started(f"u{self._utterances}", WALL_S + book.now)
        samples = samples_of_ms(number_of(arguments[0], 3_000))
        self._heard_samples += samples
        for dropped in book.backlog.append(
            AudioChunk(b"\x01\x02" * samples, WALL_S + book.now, f"u{self._utterances}")
        ):
            self._dropped_samples += dropped.samples
            book.readers.dropped(dropped, book.now)
        book.session.audio_ready(book.now)
        book._drain()

    def _fall_silent(self, _arguments: Sequence[Any]) -> None:
        if self._is_speaking:
            self._is_speaking = False
            self._book.readers.ended(f"u{self._utterances}", WALL_S + self._book.now, self._book.now)
            self._book.falls_silent(f"u{self._utterances}")

    def _ask(self, arguments: Sequence[Any]) -> None:
        name = sorted(ACTIONS)[int(number_of(arguments[0], len(ACTIONS) - 1))]
        wanted = arguments[1] if isinstance(arguments[1], dict) else {}
        try:
            json.dumps(wanted, ensure_ascii=False).encode()
        except ValueError:
            return  # refused where commands come in
        read = read_arguments(ACTIONS[name].arguments, wanted)
        if not isinstance(read, str):
            self._book.story.asked(name)
            self._book.asks(name, read)

    def _finish(self, _arguments: Sequence[Any]) -> None:
        self._book.finish()

    def _end(self, _arguments: Sequence[Any]) -> None:
        self._book.close()

    # --- what happens ----------------------------------------------------------------------------------------------

    def _tick(self, arguments: Sequence[Any]) -> None:
        self._pass(number_of(arguments[0], SECONDS_MAX))

    def _stall(self, arguments: Sequence[Any]) -> None:
        self._book.stalls_until(self._book.now + number_of(arguments[0], SECONDS_MAX))

    def _grow_deaf(self, _arguments: Sequence[Any]) -> None:
        self._book.goes_deaf()

    def _grant(self, arguments: Sequence[Any]) -> None:
        """An answer; one that comes behind the end is undone, as the driver does it."""
        book, wire = self._book, self._book.wire
        request, wire.request = wire.request, None
        if request is None:
            return
        body = stage.created() if arguments[2] is None else body_of(arguments[2])
        response = HttpResponse(status_of(arguments[0] or 201), headers_of(arguments[1]), body)
        session_id = session_id_of(body)
        wire.granted += [session_id] if session_id is not None else []
        if not book.session.state.is_final:
            book.answers(response.status, body, response.headers)
        elif request.disown is not None and (farewell := request.disown(response)) is not None:
            wire.act(farewell, book.now)

    def _refuse(self, arguments: Sequence[Any]) -> None:
        request, self._book.wire.request = self._book.wire.request, None
        if request is not None:
            self._book.no_answer(HttpFailed(str(arguments[0])[:200], bool(arguments[1])))

    def _open(self, _arguments: Sequence[Any]) -> None:
        wire = self._book.wire
        if wire.is_dialled:
            wire.is_dialled, wire.is_open = False, True
            self._book.opens()

    def _close(self, arguments: Sequence[Any]) -> None:
        code, reason, status = arguments[0], str(arguments[1])[:123], arguments[2]
        wire = self._book.wire
        was_open, had_socket = wire.is_open, wire.has_socket
        wire.gone()
        if was_open:
            self._book.closes(code if isinstance(code, int) and 0 <= code <= 4_999 else None, reason)
        elif had_socket:
            self._book.dial_fails(status if isinstance(status, int) and 100 <= status <= 999 else None, reason)

    def _say(self, arguments: Sequence[Any]) -> None:
        self._take(json_bytes(arguments[0]), is_text=not arguments[1])

    def _say_raw(self, arguments: Sequence[Any]) -> None:
        self._take(str(arguments[0]).encode("latin-1", "replace"), is_text=not arguments[1])

    def _take(self, data: bytes, *, is_text: bool) -> None:
        book = self._book
        if book.wire.is_open:
            said = data.decode("utf-8", "replace") if is_text and not book.is_room else data
            book.wire.told(decode(said, is_inflated=False))
            book.says(said)

    def _sound(self, arguments: Sequence[Any]) -> None:
        """A piece on a track of the room: as many bytes, as loud."""
        book = self._book
        if book.is_room and book.wire.is_open:
            loudness = int(number_of(arguments[2], 2**15 - 1)).to_bytes(2, "little")
            size = int(number_of(arguments[1], TRACK_BYTES_MAX))
            book.session.track_audio(str(arguments[0]), (loudness * size)[:size], book.now)
            book._drain()

    # --- inside ----------------------------------------------------------------------------------------------------

    def _pass(self, seconds: float) -> None:
        """Time passes; a connection that is closed is gone a moment later."""
        until = self._book.now + seconds
        while self._book.now < until:
            self._book.at(min(until, self._book.now + 1.0))
            self._close_what_is_closing()

    def _close_what_is_closing(self) -> None:
        if self._book.wire.is_closing and not self._book.session.state.is_final:
            self._close((1006, "closed by us", None))


_STEPS: dict[str, Callable[[Walk, Sequence[Any]], None]] = {
    "start": Walk._start,
    "hear": Walk._hear,
    "silent": Walk._fall_silent,
    "ask": Walk._ask,
    "finish": Walk._finish,
    "close": Walk._end,
    "tick": Walk._tick,
    "stall": Walk._stall,
    "deaf": Walk._grow_deaf,
    "grant": Walk._grant,
    "no answer": Walk._refuse,
    "opened": Walk._open,
    "closed": Walk._close,
    "say": Walk._say,
    "raw": Walk._say_raw,
    "track": Walk._sound,
}


def play(data: bytes) -> Outcome:
    """One session."""
    wishes, steps = steps_of(data, STEPS_MAX)
    walk = Walk(wishes)
    for name, arguments in steps:
        walk.step(name, arguments)
    walk.end()
    return Outcome(walk.label, max(1, walk.messages))


def _seeds() -> Sequence[bytes]:
    said: list[list[Any]] = [["say", message] for message in messages()]
    rude: list[Any] = ["say", json.loads(stage.error("\x00", f"\n{' '.join(SECRETS)} " + "a" * 300))]
    running, paused = said[0], said[1]
    sound: list[list[Any]] = [["track", "translation_de", 4_800, 900], ["track", "translation_de", 4_800, 0]]
    dial: list[list[Any]] = [["hear", 300], ["start"], ["grant", 201], ["opened"]]
    begin = [*dial, ["tick", 2.5], running, ["tick", 0.7]]
    talk: list[list[Any]] = [["hear", 900], ["tick", 1], *said[3:5], ["silent"], *said[5:11], *sound, ["tick", 1.5]]
    pause: list[list[Any]] = [["tick", 20], paused, ["hear", 700], ["tick", 2.5], running, ["silent"], ["tick", 2]]
    wishes = [{"text": "Hallo."}, {}, {"text": "Ja.", "language": "de", "translate_text": True}, {"languages": ["de"]}]
    asks: list[list[Any]] = [["ask", (index + 1) % 2, wish] for index, wish in enumerate(wishes)]
    end: list[list[Any]] = [["finish"], ["tick", 1], *said[4:6], *sound, said[16], ["closed", 1000, "", None]]
    scripts: list[list[list[Any]]] = [
        [*begin, *talk, *talk, *end],
        [*begin, *talk, *pause, *talk, *end],
        [*begin, *said, ["tick", 40]],
        [*begin, *asks, ["tick", 1], said[12], ["tick", 0.5], said[12], ["tick", 6], *talk, *asks, ["finish"]],
        [*begin, *talk, ["deaf"], ["hear", 3_000], ["tick", 12], ["closed", 1_011, "", None]],
        [*begin, *talk, *asks, ["tick", 40], said[11], ["tick", 5]],
        [*begin, *asks, ["tick", 1], rude, ["tick", 3], rude, rude, ["tick", 9], rude, ["closed", 1_011, SECRETS[-1]]],
        [["start"], ["no answer", "refused", False], ["start"], ["grant", 201], ["opened"]],
        [["hear", 500], ["start"], ["close"], ["grant", 201]],
        [["start"], ["grant", 402, {"retry-after": "7"}, {"errors": [{"title": "No funds"}]}]],
        [["start"], ["grant", 201], ["closed", None, "no", 503]],
        [*dial, said[13], ["tick", 3], said[11], ["tick", 30]],
        [*begin, *asks[:1] * 20, ["stall", 4], *asks[1:2] * 20, ["tick", 40], ["raw", "{", 1], ["stall", 9], *end[:2]],
    ]
    ways = [{"way": way, "parts": way % 2, "talks": way % 3 == 0} for way in range(len(WAYS))]
    return [json.dumps([way, *script]).encode() for way in ways for script in scripts]


_WORDS = (*NAMES, *SECRETS, *_STEPS)
TARGETS = (Target("palabra.session", Shape.JSON, play, _seeds, 12.0, _WORDS, tree_share=0.95, has_steps=True),)
