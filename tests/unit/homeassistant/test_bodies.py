"""Bodies: every key says what it means, and is always there."""

import re
from collections.abc import Iterator
from typing import get_args

import msgspec
import pytest
from msgspec import inspect

from satellite.core.gate import EndReason
from satellite.homeassistant import bodies, payloads
from satellite.homeassistant.bodies import Body
from satellite.homeassistant.messages import Message
from satellite.homeassistant.topics import OFFLINE, ONLINE, Topics

BODIES = Body.__subclasses__()


def fields(body: type[Body]) -> Iterator[inspect.Field]:
    info = inspect.type_info(body)
    assert isinstance(info, inspect.StructType)
    yield from info.fields


def described(kind: inspect.Type) -> bool:
    """By itself, or as another body that has a docstring."""
    if isinstance(kind, inspect.Metadata):
        return bool((kind.extra_json_schema or {}).get("description"))
    parts = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return any(isinstance(part, inspect.StructType) and part.cls.__doc__ for part in parts)


@pytest.mark.parametrize("body", BODIES)
def test_every_key_is_described_and_always_there(body: type[Body]) -> None:
    assert [field.name for field in fields(body) if not described(field.type)] == []
    assert all(field.required for field in fields(body))


@pytest.mark.parametrize("body", BODIES)
def test_numbers_name_their_unit(body: type[Body]) -> None:
    """In the description, as not every key has it."""
    units = re.compile(r"seconds|milliseconds|bytes|percent", re.IGNORECASE)
    counted = {"utterances", "sessions", "resumes", "reconnects", "outbox"}
    properties = msgspec.json.schema(body)["$defs"][body.__name__]["properties"]
    for name, schema in properties.items():
        kinds = {kind.get("type") for kind in schema.get("anyOf", [schema])}
        if kinds & {"integer", "number"} and name not in counted:
            assert units.search(schema["description"]), name


def test_keys_are_published_in_the_order_in_which_they_stand() -> None:
    message = payloads.command_error(Topics("b", "i"), "c", "p", "r")
    assert list(msgspec.json.decode(message.payload)) == [field.name for field in fields(bodies.CommandError)]


def test_reasons_are_those_of_the_gate_and_of_the_end() -> None:
    schema = msgspec.json.schema(bodies.Utterance)["$defs"]["Utterance"]["properties"]["reason"]
    assert schema["enum"] == [*(reason.value for reason in EndReason), "session_over", ""]


@pytest.mark.parametrize(
    ("moment", "fits"),
    [(payloads.rfc3339_ms(0), True), ("2026-11-21T14:03:07Z", False), ("2026-11-21 14:03:07.123Z", False)],
)
def test_moments(moment: str, fits: bool) -> None:
    schema = msgspec.json.schema(bodies.Moment)
    assert bool(re.fullmatch(schema["pattern"], moment)) is fits


def words(kind: object) -> tuple[str, ...]:
    """The words of an annotated Literal."""
    return get_args(get_args(kind)[0])


def test_plain_text_is_one_of_the_words_of_the_contract() -> None:
    assert {word.encode() for word in words(bodies.Availability)} == {ONLINE, OFFLINE}
    assert set(words(bodies.State)) == {"starting", "idle", "listening", "speaking", "muted", "parked"}
    sent: list[Message] = [payloads.state(Topics("b", "i"), name) for name in words(bodies.State)]  # type: ignore[arg-type]  # words of the type
    assert [message.payload.decode() for message in sent] == list(words(bodies.State))
