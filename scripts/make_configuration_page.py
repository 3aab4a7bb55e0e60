"""Writes docs/configuration.md from the configuration's schema; a test holds the page against it.

python scripts/make_configuration_page.py
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from satellite.config.schema import json_schema

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

INTRODUCTION = """\
# Configuration

One YAML file, by default `/etc/voice-satellite/config.yaml`. Every key has a default but the voice service's
credentials, so that this is a whole configuration:

```yaml
voice:
  backend: deepl
  deepl:
    api_key: !secret deepl_api_key
```

- `voice-satellite check -c FILE` names every mistake with its line, and what may have been meant. It touches no network
  and no device. An unknown key is a mistake.
- `voice-satellite config show -c FILE` prints what is in force, defaults included and secrets masked.
- `voice-satellite config schema` prints a JSON Schema, for editors that complete and check YAML.
  [config/schema.json](../config/schema.json) is the same.
- [config/example.yaml](../config/example.yaml) has every key with a comment, ready to be copied from.
- `kill -HUP` (`systemctl reload voice-satellite`) reads the file again; a file with mistakes changes nothing.

## Secrets

Any value may stand elsewhere, so that the file itself can be shared:

| | |
|---|---|
| `!secret NAME` | the line `NAME: value` of `secrets.yaml` beside the file (`chmod 600 secrets.yaml`) |
| `!env_var NAME [default]` | an environment variable |
| `!credential NAME` | a systemd credential (`LoadCredential=NAME:FILE` in the unit) |

Keys and passwords show as `****` everywhere.

## Keys

Languages are BCP 47 tags such as `en`, `de` or `pt-BR`. Relative file names are meant from the configuration's
directory.
"""

OUTRO = """
## Not part of this version

`audio.echo_cancellation: true`, `vad.detector: silero` and `web.enabled: true` are refused by
`check`. `mqtt.discovery_prefix` and `satellite.area` are read, and have no effect yet.
"""


def page() -> str:
    """The whole page."""
    schema = json_schema()
    return "".join([INTRODUCTION, *_section("", schema, schema["$defs"]), OUTRO])


def _section(path: str, node: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    """A table of the plain keys of a section, then the sections inside it."""
    inner: list[tuple[str, dict[str, Any]]] = []
    rows = []
    for key, entry in node["properties"].items():
        reference = _reference(entry)
        if reference is not None and definitions[reference].get("properties"):
            inner.append((f"{path}.{key}".lstrip("."), definitions[reference]))
        elif reference is None:
            rows.append(f"| `{key}` | {_default(entry)} | {_meaning(entry)} |\n")
    if rows:
        yield f"\n### `{path}`\n\n{_text(node)}\n\n| key | default | |\n|---|---|---|\n"
        yield from rows
    for name, definition in inner:
        yield from _section(name, definition, definitions)


def _choices(entry: dict[str, Any]) -> list[dict[str, Any]]:
    choices: list[dict[str, Any]] = entry.get("anyOf", [entry])
    return choices


def _reference(entry: dict[str, Any]) -> str | None:
    """Name of the section that an entry is, None for a plain value."""
    names = [str(choice["$ref"]).rsplit("/", 1)[-1] for choice in _choices(entry) if "$ref" in choice]
    return next((name for name in names if name != "TaggedValue"), None)


def _default(entry: dict[str, Any]) -> str:
    if "default" not in entry:
        return ""
    return f"`{json.dumps(entry['default'])}`".replace('`"', "`").replace('"`', "`")


def _text(entry: dict[str, Any]) -> str:
    return str(entry.get("description", "")).replace("|", "\\|")


def _meaning(entry: dict[str, Any]) -> str:
    """The description, and which values are possible."""
    text = _text(entry)
    for choice in _choices(entry):
        values = choice.get("enum", [])
        if len(values) > 1:
            text += f" One of {', '.join(f'`{value}`' for value in values)}."
        bounds = f"{choice.get('minimum', 0):g} to {choice.get('maximum', 0):g}"
        if "maximum" in choice and "minimum" in choice and bounds not in text:
            text = f"{text.rstrip('.')}; {bounds}."
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
