"""What every Palabra session promises, whatever the service says and the user wants: on the wire, and in its events."""

import base64
import json
from collections import Counter
from typing import Any
from urllib.parse import quote

from satellite.backends.base import (
    Action,
    BackendSession,
    CloseSocket,
    HttpRequest,
    OpenRoom,
    OpenSocket,
    SendAudio,
    SendText,
    SessionSetup,
    SessionState,
)
from satellite.backends.lifecycle import MAX_TEXT_CHARACTERS as MAX_REASON_CHARACTERS
from satellite.backends.palabra.messages import MAX_TEXT_CHARACTERS, CurrentTask, Message
from satellite.backends.palabra.options import PalabraOptions, wanted_targets
from satellite.core.audio import SAMPLE_BYTES
from satellite.core.events import (
    ActionAnswered,
    AudioLost,
    ConnectionLost,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    SpeechCancelled,
    SpeechChunk,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
    VoiceEvent,
)
from tests.fuzz.palabra import DOMAIN, SESSIONS_URL
from tests.fuzz.target import hold
from tests.fuzz.wire import check_stream
from tests.unit.backends.palabra import stage

GAPS_S = {
    "set_task": ("task", 2.0),
    "get_task": ("task", 2.0),
    "pause_task": ("stop", 3.0),
    "end_task": ("stop", 3.0),
    "tts_task": ("say", 1.0),
    "flush_task": ("flush", 1.0),
    "interrupt_task": ("interrupt", 1.0),
}
"""Commands by what they share a limit with, and the least distance that the service publishes."""
SLACK_S = 0.1
"""A beat may be late by this without the next one being so."""
DUE_WITHIN_S = 130.0
"""No state is kept for longer without looking after it: the wait for the last words, and a little."""
RUNS_WITHIN_S = 25.0
"""A task that was asked for: the wait for it, and a little."""
ANSWERED_WITHIN_S = 10.0
"""A request, while the task runs: its distance, the wait for a complaint, both for the other name, and a little."""
STALL_S = 3.0
"""Nobody is to blame for what was late because the loop was."""
OPEN_MAX = 32
"""Sentences of a stream that may still change."""
TOKENS = (stage.TOKEN, quote(stage.TOKEN, safe=""))
SECRETS = (stage.KEY, *stage.PAIR.values(), *TOKENS)


class Wire:
    """What a session wants done."""

    def __init__(self, options: PalabraOptions) -> None:
        self.request: HttpRequest | None = None
        """Under way."""
        self.granted: list[str] = []
        self.is_dialled = False
        self.is_open = False
        self.is_closing = False
        self.samples = 0
        self.audible_samples = 0
        self.cancels = 0
        self.secrets = set(options.secrets)
        self._is_room = options.transport == "webrtc"
        self._beat_samples = 1_600 if self._is_room else stage.BEAT // SAMPLE_BYTES
        self._done: Counter[str] = Counter()
        self._deleted: list[str] = []
        self._left_at: dict[str, float] = {}
        self.may_stream = False
        """True when the task runs, by all that the service said."""
        self.asked_at: float | None = None
        """When the task was asked for that the service did not say to run."""
        self._ready_at = float("-inf")

    @property
    def has_socket(self) -> bool:
        """True from the dial to the end of the connection."""
        return self.is_dialled or self.is_open

    @property
    def is_ending(self) -> bool:
        """True when the service was told that no more comes."""
        return bool(self._done["end_task"])

    def told(self, message: Message) -> None:
        """The service said this."""
        if isinstance(message, CurrentTask) and message.status == "running" and self._done["set_task"]:
            self.may_stream, self.asked_at = True, None

    def gone(self) -> None:
        """The connection is over, or was never made."""
        self.is_dialled = self.is_open = self.is_closing = False

    def act(self, action: Action, at: float) -> None:
        """One action, in order."""
        match action:
            case HttpRequest(method="DELETE"):
                self._deleted.append(action.url)
            case HttpRequest():
                self._once("request")
                self.request = action
            case OpenSocket() | OpenRoom():
                self._once("connection")
                hold(isinstance(action, OpenRoom) == self._is_room, "a session keeps to its transport")
                check_stream(action.url, DOMAIN)
                opens_with = action.token if isinstance(action, OpenRoom) else action.url.rpartition("token=")[2]
                self.secrets.update(TOKENS if opens_with in TOKENS else ())
                self.is_dialled = True
            case CloseSocket():
                self._done["close"] += 1
                hold(self.has_socket and self._done["close"] <= 2, "a socket is closed once, or cut and closed")
                self.is_closing = True
            case SendAudio(pcm):
                hold(self._is_room, "only a room has a track")
                self._beat(pcm, at)
            case SendText(text):
                self._send(json.loads(text.encode()), at)
            case _:
                hold(False, f"no session wants {type(action).__name__}")

    def end(self) -> None:
        """What must have been done by now, and nothing else."""
        wanted = [SESSIONS_URL + quote(session_id, safe="") for session_id in self.granted]
        hold(self._deleted == wanted, "what was made for us is given back once")

    def _once(self, what: str) -> None:
        self._done[what] += 1
        hold(self._done[what] == 1 and not self.has_socket, f"a session has one {what}")

    def _send(self, content: dict[str, Any], at: float) -> None:
        name, data = content["message_type"], content["data"]
        hold(self.is_open, "nothing is sent without a connection")
        if name == "input_audio_data":
            hold(not self._is_room, "in a room audio goes by its track")
            self._beat(base64.b64decode(data["data"], validate=True), at)
            return
        hold(name in GAPS_S and isinstance(data, dict), "a command is one that the service knows")
        hold(name == "set_task" or self._done["set_task"] > 0, "a task is asked for before anything else")
        hold(not self.is_ending, "nothing follows the end of the task")
        group, gap_s = GAPS_S[name]
        hold(at >= self._left_at.get(group, float("-inf")) + gap_s, f"{name} keeps its distance")
        self._left_at[group] = at
        self._done[name] += 1
        if name in ("set_task", "pause_task"):
            self.may_stream, self.asked_at = False, at if name == "set_task" else None
        self.cancels += name in ("flush_task", "interrupt_task")

    def _beat(self, pcm: bytes, at: float) -> None:
        """Audio goes in whole beats, never faster than it is heard, to a task that runs."""
        hold(self.is_open and self.may_stream and not self.is_ending, "audio goes to a task that runs")
        hold(len(pcm) == self._beat_samples * SAMPLE_BYTES, "a beat is whole")
        hold(at >= self._ready_at - 1e-6, "audio is not sent faster than it is heard")
        self._ready_at = max(self._ready_at, at - SLACK_S) + self._beat_samples / 16_000
        self.samples += self._beat_samples
        self.audible_samples += (len(pcm) - pcm.count(0)) // SAMPLE_BYTES


class Story:
    """What a session reports."""

    def __init__(self, setup: SessionSetup, wire: Wire) -> None:
        self.is_over = False
        self._setup = setup
        self._wire = wire
        self._languages = {None, *wanted_targets(setup)}
        self._asked: list[str] = []
        self._idle_at = self._judged_at = 0.0
        self._opened = 0
        self._sent: set[str] = set()
        self._settled: set[str] = set()
        self._lost_samples = 0

    def asked(self, action: str) -> None:
        """A user wants something."""
        self._asked.append(action)

    def happen(self, event: VoiceEvent) -> None:
        """One event, in order."""
        hold(not self.is_over, "nothing follows the end")
        match event:
            case SessionOpened():
                self._opened += 1
                hold(self._opened == 1 and not event.resumed and self._wire.is_open, "a session opens once")
            case TranscriptUpdated():
                self._read(event)
            case SpeechChunk():
                hold(event.language == self._setup.speech_language, "one language is spoken")
                hold(sum(map(len, event.data)) % SAMPLE_BYTES == 0, "speech is whole samples")
                hold(bool(event.data or event.text), "speech is something")
            case UtteranceSent(utterance_id):
                hold(utterance_id not in self._sent, "an utterance is sent once")
                self._sent.add(utterance_id)
            case UtteranceSettled(utterance_id):
                hold(utterance_id in self._sent - self._settled, "what was sent is settled once")
                self._settled.add(utterance_id)
            case AudioLost(_, samples):
                self._lost_samples += samples
                hold(0 < samples <= self._lost_samples <= self._wire.audible_samples, "what is lost was sent")
            case ActionAnswered():
                self._answered(event)
            case SpeechCancelled(reason):
                hold(self._wire.cancels > 0, "speech is cancelled on request")
                self._check_reason(reason)
            case ConnectionLost(reason):
                self._check_reason(reason)
            case SessionEnded(reason) | SessionFailed(_, reason):
                self.is_over = True
                self._check_reason(reason)

    def judge(self, session: BackendSession, now: float) -> None:
        """After an input: the state, its end and its next deadline fit together."""
        state, due_at = session.state, session.next_deadline()
        hold(self.is_over == state.is_final, "an end is told, and told once")
        hold(session.counters.sent_samples == self._wire.samples, "what is sent is counted")
        self._check_waits(now)
        match state:
            case SessionState.CLOSED | SessionState.FAILED:
                hold(due_at is None, "nothing is due after the end")
            case SessionState.REQUESTING:
                hold(self._wire.request is not None, "who asks waits for an answer")
            case SessionState.STREAMING | SessionState.ENDING:
                is_due = due_at is not None and due_at < now + DUE_WITHIN_S
                hold(self._wire.is_open and (is_due or self._wire.is_closing), "an open session has a deadline")

    def _check_waits(self, now: float) -> None:
        """A task runs in time, or the session is over; what is asked of one that runs is answered in time."""
        wire, was_stalled = self._wire, now > self._judged_at + STALL_S
        self._judged_at = now
        if not self._asked or not wire.may_stream or was_stalled:
            self._idle_at = now
        if self.is_over or wire.is_closing or wire.is_ending:
            return
        hold(wire.asked_at is None or now < wire.asked_at + RUNS_WITHIN_S, "a task is not waited for without end")
        hold(now < self._idle_at + ANSWERED_WITHIN_S, "what is asked for is answered")

    def _answered(self, answer: ActionAnswered) -> None:
        hold(answer.action in self._asked, "only what was asked for is answered")
        self._asked.remove(answer.action)
        self._idle_at = self._judged_at
        if answer.reason is not None:
            self._check_reason(answer.reason)

    def _read(self, update: TranscriptUpdated) -> None:
        hold(update.language in self._languages, "a language is one that is wanted")
        hold(len(update.tentative) <= OPEN_MAX, "not everything may still change")
        for segment in (*update.concluded, *update.tentative):
            hold(bool(segment.text.strip()), "no segment is empty")
            hold(len(segment.text) <= MAX_TEXT_CHARACTERS + 1, "a text is bounded")
            hold(bool(segment.text.encode()), "text can be written as UTF-8")

    def _check_reason(self, text: str) -> None:
        hold(0 < len(text) <= MAX_REASON_CHARACTERS and text.isprintable(), "a reason fits into a line of a log")
        hold(not any(secret in text for secret in self._wire.secrets), "no reason holds a secret")
