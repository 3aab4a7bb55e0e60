"""Writes the schemas in docs/mqtt, and the tables and examples of docs/mqtt.md; a test holds both against the code.

python scripts/make_mqtt_page.py
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec

from satellite.core.events import Stream
from satellite.core.transcript import SegmentConcluded, TentativeChanged
from satellite.core.utterance import UtteranceRecord
from satellite.homeassistant import bodies, payloads
from satellite.homeassistant.messages import Delivery, Message
from satellite.homeassistant.payloads import HealthFigures, ProblemNote
from satellite.homeassistant.topics import Topics

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "mqtt.md"
SCHEMAS = DOCS / "mqtt"
LINE_CHARACTERS = 120
TOPICS = Topics("voice-satellite", "kitchen")
FORWARD = "Later versions may add keys: ignore those that you do not know."

# --- what is published ------------------------------------------------------------------------------------------

SAID_S = datetime(2026, 11, 21, 14, 3, 7, 120_000, tzinfo=UTC).timestamp()
UTTERANCE = "3f0c8a8e1d2b4c5f"
SESSION = "a81bc81bdead4e5d"
ENGLISH, GERMAN = "Good morning, the kitchen light is on.", "Guten Morgen, das Küchenlicht ist an."
SOURCE = SegmentConcluded(f"{UTTERANCE}-en-1", UTTERANCE, Stream.SOURCE, "en", ENGLISH, SAID_S, SAID_S + 2.36, None)
TARGET = replace(SOURCE, id=f"{UTTERANCE}-de-1", stream=Stream.TARGET, language="de", text=GERMAN)
TAIL = TentativeChanged(UTTERANCE, Stream.SOURCE, "en", "Good morning, the kit", SAID_S, SAID_S + 1.18)
RECORD = UtteranceRecord(
    id=UTTERANCE,
    start_s=SAID_S,
    end_s=SAID_S + 2.36,
    source_language="en",
    source_text=ENGLISH,
    translations=(("de", GERMAN),),
    speech_language="de",
    speech_ms=2710,
    lost_ms=0,
    complete=True,
    reason="silence",
)
GONE = ProblemNote(
    "microphone",
    "the microphone plughw:CARD=Device,DEV=0 is gone",
    "see `voice-satellite devices` for the names that can be used",
    SAID_S,
)
FIGURES = HealthFigures(
    version="0.1.0",
    uptime_s=3600.4,
    captured_s=3600.1,
    streamed_s=212.5,
    billed_s=212.5,
    utterances=41,
    sessions=7,
    resumes=1,
    reconnects=1,
    lost_audio_ms=0,
    outbox=0,
    capture_age_ms=42,
    cpu_s=61,
    rss_bytes=47_185_920,
    uplink_p50_ms=98,
    uplink_p95_ms=240,
)


@dataclass(frozen=True)
class Kind:
    """One kind of payload: its types, when it is published, and messages that were really made.

    `make` is told whether transcripts are retained. `topics` are filters below the satellite's root.
    """

    name: str
    bodies: tuple[Any, ...]
    topics: tuple[str, ...]
    when: str
    make: Callable[[bool], Sequence[Message]]

    @property
    def is_json(self) -> bool:
        """False for plain text."""
        return all(isinstance(body, type) for body in self.bodies)

    @property
    def file(self) -> str:
        """Name of its schema."""
        return f"{self.name}.schema.json"

    @property
    def retained(self) -> str:
        """When the broker keeps the newest message for later subscribers."""
        now, by_choice = (all(message.retain for message in self.make(chosen)) for chosen in (False, True))
        return "always" if now else "mqtt.retain_transcripts" if by_choice else "never"


def _below(*topics: str) -> tuple[str, ...]:
    return tuple(topic.removeprefix(f"{TOPICS.root}/") for topic in topics)


KINDS = (
    Kind(
        "availability",
        (bodies.Availability,),
        _below(TOPICS.availability),
        "it comes, or goes; by the broker when it vanishes",
        lambda _: [payloads.availability(TOPICS, is_online=True)],
    ),
    Kind(
        "state",
        (bodies.State,),
        _below(TOPICS.state),
        "it changes",
        lambda _: [payloads.state(TOPICS, "listening")],
    ),
    Kind(
        "segment",
        (bodies.Segment,),
        _below(TOPICS.transcript, TOPICS.translation("+")),
        "a piece of text is concluded",
        lambda keep: [payloads.segment(TOPICS, text, SESSION, retain=keep) for text in (SOURCE, TARGET)],
    ),
    Kind(
        "tentative",
        (bodies.Tentative,),
        _below(TOPICS.transcript_tentative, TOPICS.translation_tentative("+")),
        "what is understood so far changes",
        lambda _: [payloads.tentative(TOPICS, TAIL)],
    ),
    Kind(
        "utterance",
        (bodies.Utterance,),
        _below(TOPICS.utterance),
        "all there is to say about an utterance is concluded",
        lambda keep: [payloads.utterance(TOPICS, RECORD, retain=keep)],
    ),
    Kind(
        "speech",
        (bodies.Speech,),
        _below(TOPICS.speech),
        "speech begins or ends to be heard",
        lambda _: [payloads.speech(TOPICS, "started", UTTERANCE, "de", GERMAN, 2710)],
    ),
    Kind(
        "session",
        (bodies.Session,),
        _below(TOPICS.session),
        "the conversation with the service begins, breaks or ends",
        lambda _: [payloads.session(TOPICS, "opened", SESSION, "deepl", None, "0af7651916cd43dd")],
    ),
    Kind(
        "problem",
        (bodies.NoProblem, bodies.Problem),
        _below(TOPICS.problem),
        "the most serious problem changes",
        lambda _: [payloads.problem(TOPICS, GONE), payloads.problem(TOPICS, None)],
    ),
    Kind(
        "health",
        (bodies.Health,),
        _below(TOPICS.health),
        "every 30 s, and when a problem comes or goes",
        lambda _: [payloads.health(TOPICS, FIGURES)],
    ),
    Kind(
        "usage",
        (bodies.Usage,),
        _below(TOPICS.usage),
        "with `health`",
        lambda _: [payloads.usage(TOPICS, "2026-11-21", 212.5, 212.5)],
    ),
    Kind(
        "cloud",
        (bodies.Cloud,),
        _below(TOPICS.cloud),
        "the link to the voice service comes or goes",
        lambda _: [payloads.cloud(TOPICS, "connected")],
    ),
    Kind(
        "settings",
        (bodies.Settings,),
        _below(TOPICS.settings),
        "a command changed something",
        lambda _: [
            payloads.settings(
                TOPICS, mute=False, volume=80, source_language="en", target_languages=("de",), speech_language="de"
            )
        ],
    ),
    Kind(
        "command_error",
        (bodies.CommandError,),
        _below(TOPICS.command_error),
        "a command is refused",
        lambda _: [payloads.command_error(TOPICS, "volume", "loud", "expected a number from 0 to 100")],
    ),
    Kind(
        "backend_result",
        (bodies.BackendResult,),
        _below(TOPICS.backend_result("+")),
        "the service has done `set/backend/<action>`, or refused it",
        lambda _: [payloads.backend_result(TOPICS, "config", None, {"applies": "with the next session"})],
    ),
)
"""In the order in which docs/mqtt.md tells of them; a payload that is not told here fails the tests that hear it."""


# --- schemas ----------------------------------------------------------------------------------------------------


def schema(kind: Kind) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one kind, complete in itself; plain text counts as a JSON string."""
    references, components = msgspec.json.schema_components(kind.bodies, ref_template="#/$defs/{name}")
    parts = json.loads(msgspec.json.encode([references, components]))
    shapes, definitions = parts
    if not kind.is_json:
        body = {"type": "string", **shapes[0]}
    elif len(kind.bodies) == 1:
        body = definitions.pop(kind.bodies[0].__name__) | {"$comment": FORWARD}
    else:
        body = {"oneOf": shapes, "$comment": FORWARD}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:voice-satellite:mqtt:{kind.name}",
        **body,
        "title": kind.name,
        **({"$defs": definitions} if definitions else {}),
    }


def index() -> dict[str, Any]:
    """Which schema is that of which topic."""
    published = [
        {
            "topic": topic,
            "schema": kind.file,
            "content": "application/json" if kind.is_json else "text/plain",
            "retained": kind.retained,
            "qos": kind.make(False)[0].qos,
        }
        for kind in KINDS
        for topic in kind.topics
    ]
    return {"below": "<base_topic>/<id>/", "published": published}


def schema_files() -> dict[str, str]:
    """The text of each file of docs/mqtt, by name."""
    objects = {**{kind.file: schema(kind) for kind in KINDS}, "topics.json": index()}
    return {name: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for name, value in objects.items()}


# --- page -------------------------------------------------------------------------------------------------------

WAITING = {
    Delivery.CONCLUDED: "all wait, in order",
    Delivery.LATEST: "the newest waits",
    Delivery.TRANSIENT: "is dropped",
}


def page(text: str) -> str:
    """The page with its generated parts made anew: what stands between `<!-- NAME -->` and `<!-- /NAME -->`."""
    parts = {"topics": "".join(_overview()), **{kind.name: "".join(_section(kind)) for kind in KINDS}}
    for name, part in parts.items():
        before, opening, rest = text.partition(f"<!-- {name} -->\n")
        _, closing, after = rest.partition(f"<!-- /{name} -->\n")
        assert closing, f"docs/mqtt.md has no place for {name}"
        text = f"{before}{opening}{part}{closing}{after}"
    return text


def _overview() -> Iterator[str]:
    yield "| topic | when | retained | QoS | without broker | schema |\n|---|---|---|---|---|---|\n"
    for kind in KINDS:
        message = kind.make(False)[0]
        names = ", ".join(f"`{topic.replace('+', _level(topic))}`" for topic in kind.topics)
        retained = {"always": "yes", "never": "no"}.get(kind.retained, f"as `{kind.retained}`")
        link = f"[{kind.name}](mqtt/{kind.file})"
        yield f"| {names} | {kind.when} | {retained} | {message.qos} | {WAITING[message.delivery]} | {link} |\n"


def _level(topic: str) -> str:
    return "<lang>" if topic.startswith("translation") else "<action>"


def _section(kind: Kind) -> Iterator[str]:
    """The keys, and messages as examples."""
    if not kind.is_json:
        yield f"One word of plain text: {', '.join(f'`{word}`' for word in get_args(get_args(kind.bodies[0])[0]))}.\n"
        return
    yield "| key | type | |\n|---|---|---|\n"
    definitions = json.loads(msgspec.json.encode(msgspec.json.schema_components(kind.bodies)[1]))
    seen: set[str] = set()
    for body in reversed(kind.bodies):  # the fullest has all keys
        for row in _rows(definitions[body.__name__], definitions):
            key = row.split("|")[1]
            if key not in seen:
                yield row
            seen.add(key)
    for message in kind.make(False):
        yield f"\n```json\n{_broken(message.payload.decode())}\n```\n"


def _rows(node: dict[str, Any], definitions: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, entry in node["properties"].items():
        choices = entry.get("anyOf", [entry])
        inner = next((choice["$ref"].rsplit("/", 1)[-1] for choice in choices if "$ref" in choice), None)
        text = entry.get("description", definitions[inner]["description"] if inner else "")
        yield f"| `{path}{key}` | {' or '.join(_type(choice) for choice in choices)} | {text}{_words(choices)} |\n"
        if inner:
            yield from _rows(definitions[inner], definitions, f"{path}{key}.")


def _type(choice: dict[str, Any]) -> str:
    if choice.get("format") == "date-time":
        return "time"
    if "const" in choice:
        return "boolean"
    name = choice.get("type", "object" if "$ref" in choice else "string")
    return {"string": "text", "integer": "whole number", "array": "list of text"}.get(name, str(name))


def _words(choices: Sequence[dict[str, Any]]) -> str:
    words = [f"`{word}`" for choice in choices for word in choice.get("enum", []) if word]
    return f" One of {', '.join(words)}." if words else ""


def _broken(text: str) -> str:
    """JSON on lines that can be read; only blanks are added, and none inside of a text."""
    lines = [""]
    for piece in re.split(r'(?<=,)(?=")', text):
        if len(lines[-1]) + len(piece) > LINE_CHARACTERS:
            lines.append(" ")
        lines[-1] += piece
    return "\n".join(lines)


def write() -> None:
    """All files, and none that is not wanted any longer."""
    files = schema_files()
    SCHEMAS.mkdir(exist_ok=True)
    for path in SCHEMAS.glob("*.json"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
