"""The JSON Schema of the configuration file, for editors and for other tools."""

import json
from typing import Any

import msgspec

from satellite.config.model import DERIVED, Config

_TAGGED = {
    "type": "string",
    "description": "A value that stands elsewhere: !secret NAME, !env_var NAME [default] or !credential NAME.",
    "pattern": r"^!(secret|env_var|credential) +\S",
}
_TAGGED_REF = {"$ref": "#/$defs/TaggedValue"}


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the file; a tag counts as text that begins with it."""
    _, components = msgspec.json.schema_components([Config], schema_hook=_secret, ref_template="#/$defs/{name}")
    sections = json.loads(msgspec.json.encode(components))  # defaults too as JSON has them
    for section in sections.values():
        del section["title"]
        if not section["required"]:
            del section["required"]
        section["properties"] = {name: _value(value) for name, value in section["properties"].items()}
    schema = sections.pop(Config.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "voice-satellite configuration",
        **schema,
        "$defs": {**sections, "TaggedValue": _TAGGED},
    }


def _secret(_: type) -> dict[str, Any]:
    """Text that editors do not show: the one type of a key that is not the library's own."""
    return {"type": "string", "format": "password", "writeOnly": True}


def _value(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of one key: a section may be empty, a value may be a tag."""
    described: dict[str, Any] = {name: schema.pop(name) for name in ("description", "default") if name in schema}
    if described.get("default") == DERIVED:
        del described["default"]
    if "$ref" in schema:
        described.pop("default", None)  # a section's defaults stand at its keys
        return {**described, "anyOf": [schema, {"type": "null"}]}
    alternatives = schema.pop("anyOf", [schema])
    if not any(_takes_any_text(alternative) for alternative in alternatives):
        alternatives = [*alternatives, _TAGGED_REF]
    if len(alternatives) == 1:
        return {**described, **alternatives[0]}
    return {**described, "anyOf": alternatives}


def _takes_any_text(schema: dict[str, Any]) -> bool:
    """True where a tag passes anyway, and for lists, mappings and sections, which cannot be tags."""
    if schema.get("type") in ("array", "object") or "$ref" in schema:
        return True
    return schema.get("type") == "string" and not schema.keys() & {"pattern", "enum", "const"}
