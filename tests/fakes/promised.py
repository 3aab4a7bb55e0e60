"""The published schemas as a judge: whether a message is what docs/mqtt promises of its topic."""

import functools
import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parents[2] / "docs" / "mqtt"


class Promises:
    """Holds messages against docs/mqtt, and remembers which schemas were used.

    Stricter than what subscribers are told: a key that is not in a schema is wrong.
    """

    def __init__(self, base: str = "voice-satellite") -> None:
        self._base = base
        self.used: set[str] = set()
        """Files of the schemas that a message was held against."""

    def complaint(self, topic: str, payload: bytes) -> str | None:
        """What is wrong with a message below the base topic; None for a good one, a command, and other topics."""
        base, _, below = topic.partition(f"{self._base}/")
        name = below.partition("/")[2]
        if base or not below or name.startswith("set/"):
            return None
        found = next((entry for entry in index() if entry["pattern"].fullmatch(name)), None)
        if found is None:
            return f"{topic} has no schema: add its payload to scripts/make_mqtt_page.py and run that"
        self.used.add(found["schema"])
        try:
            text = payload.decode()
            value = json.loads(text) if found["content"] == "application/json" else text
        except ValueError as error:
            return f"{topic}: {error}"
        wrong = next(validator(found["schema"]).iter_errors(value), None)
        return None if wrong is None else f"{topic}: {wrong.json_path}: {wrong.message}"


@functools.cache
def index() -> list[dict[str, Any]]:
    """The topics of docs/mqtt/topics.json, each with a pattern made of its filter."""
    listed: list[dict[str, Any]] = json.loads((SCHEMAS / "topics.json").read_text(encoding="utf-8"))["published"]
    return [{**entry, "pattern": re.compile(re.escape(entry["topic"]).replace(r"\+", "[^/]+"))} for entry in listed]


@functools.cache
def validator(file: str) -> Draft202012Validator:
    """A schema that allows no key that it does not name."""
    schema: dict[str, Any] = json.loads((SCHEMAS / file).read_text(encoding="utf-8"))
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" in part:
            part["additionalProperties"] = False
    return Draft202012Validator(schema)
