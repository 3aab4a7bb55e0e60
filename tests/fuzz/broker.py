"""Targets: what comes from the broker (commands), and what is made for it of any text."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from satellite.core.events import Stream
from satellite.core.transcript import SegmentConcluded, TentativeChanged
from satellite.core.utterance import UtteranceRecord
from satellite.homeassistant import payloads
from satellite.homeassistant.commands import ARGUMENTS_DEPTH_MAX, CommandRefused, RunBackendAction, parse
from satellite.homeassistant.messages import Message
from tests.fuzz.mutation import json_bytes
from tests.fuzz.readers import TOPICS, check_payload
from tests.fuzz.target import Outcome, Shape, Target, hold, loads, number_of

TARGETS_MAX = 5
LATEST_S = 4_102_444_800.0
"""The year 2100: times come from our own clock."""

_COMMANDS = (
    *("mute\nON", "volume\n80", "source_language\nauto", "listen\nOFF", "speech_language\nde", "restart\n"),
    *('target_languages\n["de","fr","zh-Hant"]', "target_languages\nde, pt-BR", "play\nhttp://10.0.0.2/bell.wav"),
    *('backend/say\n{"text":"hello","list":[1,2.5,null,{"a":[]}]}', "backend/x_1\n", "stop_speech\nx"),
    *("/voice-satellite/all/set/mute\nON", "/voice-satellite/kitchen/state\nidle"),
)


def _command_seeds() -> Sequence[bytes]:
    return [command.encode() for command in _COMMANDS]


def take_command(data: bytes) -> Outcome:
    """The first line is a command, or after a slash a topic, which a broker passes on as UTF-8; then the payload."""
    line, _, payload = data.partition(b"\n")
    name = line.decode("utf-8", "replace").replace("\0", "")
    topic = name[1:] if name.startswith("/") else TOPICS.command(name)
    command = parse(TOPICS, topic, payload, retained=False, targets_max=TARGETS_MAX)
    hold(parse(TOPICS, topic, payload, retained=True, targets_max=TARGETS_MAX) is None, "retained commands are ignored")
    if isinstance(command, CommandRefused):
        hold(command.command.isprintable() and command.payload.isprintable(), "what is sent back is printable")
        hold(len(command.reason) < 300, "a reason is a sentence")
        check_payload(payloads.command_error(TOPICS, command.command, command.payload, command.reason))
        return Outcome(command.reason[:30])
    if isinstance(command, RunBackendAction):
        hold(_depth(command.arguments) <= ARGUMENTS_DEPTH_MAX, "arguments are shallow")
        check_payload(payloads.backend_result(TOPICS, command.action, None, command.arguments))
    return Outcome(type(command).__name__)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


# --- what is made for it ------------------------------------------------------------------------------------------


def _payload_seeds() -> Sequence[bytes]:
    words = {"text": "Guten Morgen.", "language": "de", "reason": "closed with 1006", "id": "u1", "speaker": None}
    times = {"start": 1_700_000_000.25, "seconds": 1.5}
    return [json.dumps({"kind": kind, **words, **times}).encode() for kind in _MAKERS]


def make_payload(data: bytes) -> Outcome:
    """Any text from anybody, at times of our own."""
    given = loads(data)
    fields: dict[str, Any] = given if isinstance(given, dict) else {"text": data.decode("utf-8", "replace")}
    kind = fields.get("kind")
    maker = _MAKERS.get(kind) if isinstance(kind, str) else None
    made = [maker] if maker is not None else list(_MAKERS.values())
    for each in made:
        check_payload(each(_Fields(fields)))
    return Outcome(f"{len(made)} made")


class _Fields:
    """Texts and times out of anything."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        value = self._fields.get(name, "")
        return value if isinstance(value, str) else json_bytes(value).decode("utf-8", "surrogatepass")[:5_000]

    @property
    def start_s(self) -> float:
        return number_of(self._fields.get("start"), LATEST_S)

    @property
    def end_s(self) -> float:
        return self.start_s + number_of(self._fields.get("seconds"), 600)


def _segment(fields: _Fields) -> Message:
    stream = Stream.SOURCE if fields.text("id").startswith("s") else Stream.TARGET
    output = SegmentConcluded(
        fields.text("id"), fields.text("id"), stream, fields.text("language"), fields.text("text"),
        fields.start_s, fields.end_s, fields.text("speaker"),
    )  # fmt: skip
    return payloads.segment(TOPICS, output, fields.text("reason"), retain=True)


def _tentative(fields: _Fields) -> Message:
    language, text = fields.text("language"), fields.text("text")
    output = TentativeChanged(fields.text("id"), Stream.TARGET, language, text, fields.start_s, fields.end_s)
    return payloads.tentative(TOPICS, output)


def _utterance(fields: _Fields) -> Message:
    language, text = fields.text("language"), fields.text("text")
    lost_ms = fields.end_s - fields.start_s
    record = UtteranceRecord(
        fields.text("id"), fields.start_s, fields.end_s, language, text, ((language, text), ("fr", text)),
        language, int(lost_ms), lost_ms, complete=False, reason=fields.text("reason"),
    )  # fmt: skip
    return payloads.utterance(TOPICS, record, retain=False)


_MAKERS: dict[str, Callable[[_Fields], Message]] = {
    "segment": _segment,
    "tentative": _tentative,
    "utterance": _utterance,
    "speech": lambda fields: payloads.speech(
        TOPICS,
        "started",
        fields.text("id"),
        fields.text("language"),
        fields.text("text"),
        fields.end_s - fields.start_s,
    ),
    "session": lambda fields: payloads.session(
        TOPICS, "lost", fields.text("id"), "deepl", fields.text("reason"), fields.text("text")
    ),
    "problem": lambda fields: payloads.problem(
        TOPICS, payloads.ProblemNote("rejected", fields.text("reason"), fields.text("text"), fields.start_s)
    ),
    "command_error": lambda fields: payloads.command_error(
        TOPICS, fields.text("id"), fields.text("text"), fields.text("reason")
    ),
}

TARGETS = (
    Target("mqtt.command", Shape.TEXT, take_command, _command_seeds, 8, ("set", "backend", "ON", "OFF", "all", "auto")),
    Target("mqtt.payload", Shape.JSON, make_payload, _payload_seeds, 6, tuple(_MAKERS), tree_share=0.9),
)
