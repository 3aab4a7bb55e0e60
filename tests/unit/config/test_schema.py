import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from satellite.config.fields import all_paths
from satellite.config.schema import json_schema

CONFIG = Path(__file__).parents[3] / "config"


class TagsAsText(yaml.SafeLoader):
    """Reads a tagged value as the text that stands in the file, tag included."""


TagsAsText.add_multi_constructor("!", lambda _, suffix, node: f"!{suffix} {node.value}")


def read(text: str) -> Any:
    return yaml.load(text, Loader=TagsAsText)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_in_the_repository_is_the_generated_one() -> None:
    assert json.loads((CONFIG / "schema.json").read_text(encoding="utf-8")) == json_schema(), (
        "run: voice-satellite config schema > config/schema.json"
    )


@pytest.mark.parametrize("name", ["example.yaml", "deepl.yaml", "vurbo.yaml", "palabra.yaml", "deepgram.yaml"])
def test_the_examples_match_the_schema(validator: jsonschema.Draft202012Validator, name: str) -> None:
    assert list(validator.iter_errors(read((CONFIG / name).read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "audio:\nvoice:\n",
        "mqtt: {port: !env_var MQTT_PORT 1883, tls: {}, password: !credential broker}",
        "voice: {backend: !env_var BACKEND, target_languages: [en-GB], speech_language: null}",
        "voice: {vurbo: {api_key: !secret x, terminology: {en: [{term: Zigbee}]}, dictionary: null}}",
        "satellite: {id: !secret id}\naudio: {input: {device: 2}, barge_in: !env_var BARGE_IN false}",
    ],
)
def test_valid_files_match(validator: jsonschema.Draft202012Validator, text: str) -> None:
    assert list(validator.iter_errors(read(text) or {})) == []


@pytest.mark.parametrize(
    "text",
    [
        "audoi: {}",
        "audio: {driver: alsaa}",
        "audio: {output: {volume: 101}}",
        "mqtt: {port: many}",
        "mqtt: {base_topic: a/#}",
        "satellite: {id: Kitchen}",
        "voice: {target_languages: de}",
        "voice: {source_language: english}",
        "voice: {deepl: {}}",
        "voice: {vurbo: {api_key: x, terminology: [Zigbee]}}",
        "voice: {vurbo: {api_key: x, terminology: {en: [{term: Zigbee, bost: 1}]}}}",
        "voice: {vurbo: {api_key: x, dictionary: [{source: hub}]}}",
    ],
)
def test_wrong_files_do_not_match(validator: jsonschema.Draft202012Validator, text: str) -> None:
    assert list(validator.iter_errors(read(text))) != []


def test_secrets_are_text_without_more() -> None:
    assert json_schema()["$defs"]["DeepLOptions"]["properties"]["api_key"]["type"] == "string"


def test_every_key_is_described_once_and_has_no_generated_title() -> None:
    schema = json_schema()
    sections = [schema, *schema["$defs"].values()]
    keys = {name: value for section in sections for name, value in section.get("properties", {}).items()}
    assert set(keys) == {path[-1] for path in all_paths()}
    assert [name for name, value in keys.items() if not value.get("description")] == []
    assert '"title"' not in json.dumps(schema["$defs"])
