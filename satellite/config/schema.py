"""The JSON Schema of the configuration file, for editors and for other tools."""

from typing import Any

from satellite.config.model import Config

_TAGGED = {
    "type": "string",
    "description": "A value that stands elsewhere: !secret NAME, !env_var NAME [default] or !credential NAME.",
    "pattern": r"^!(secret|env_var|credential) +\S",
}
_TAGGED_REF = {"$ref": "#/$defs/TaggedValue"}


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the file; a tag counts as text that begins with it."""
    schema = Config.model_json_schema()
    sections = schema["$defs"]
    for section in (schema, *sections.values()):
        section.pop("title", None)
        section["properties"] = {name: _value(value) for name, value in section["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "voice-satellite configuration",
        **schema,
        "$defs": {**sections, "TaggedValue": _TAGGED},
    }


def _value(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of one key: no generated titles, a section may be empty, a value may be a tag."""
    schema.pop("title", None)
    described: dict[str, Any] = {name: schema.pop(name) for name in ("description", "default") if name in schema}
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
    """True where a tag passes anyway, and for lists and sections, which cannot be tags."""
    if schema.get("type") == "array" or "$ref" in schema:
        return True
    return schema.get("type") == "string" and not schema.keys() & {"pattern", "enum", "const"}
