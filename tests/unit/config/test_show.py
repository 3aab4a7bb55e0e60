from pathlib import Path

import yaml

from satellite.config.loader import load_all
from satellite.config.show import effective_yaml


def shown(directory: Path, text: str) -> str:
    (directory / "secrets.yaml").write_text("key: hunter2key\nhost: hunter2host\nlang: fr\n")
    (directory / "config.yaml").write_text(text)
    return effective_yaml(load_all(directory / "config.yaml"))


def test_defaults_are_shown_and_secrets_masked(tmp_path: Path) -> None:
    text = shown(
        tmp_path,
        "voice: {deepl: {api_key: hunter2literal}, target_languages: [no, !secret lang]}\n"
        "mqtt: {host: !secret host, username: u, password: hunter2pass, tls: {}}\n",
    )
    assert "hunter2" not in text
    data = yaml.safe_load(text)
    assert data["voice"]["deepl"]["api_key"] == data["mqtt"]["password"] == data["mqtt"]["host"] == "****"
    assert data["voice"]["target_languages"] == ["no", "****"]
    assert data["mqtt"]["port"] == 8883
    assert data["mqtt"]["tls"] == {"ca_file": None, "cert_file": None, "key_file": None}
    assert data["audio"]["tail_ms"] == 300


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    text = shown(tmp_path, "voice: {backend: loopback}\nsatellite: {id: x}\nmqtt: {port: 1884}\n")
    again = tmp_path / "again.yaml"
    again.write_text(text)
    assert load_all(again).config == load_all(tmp_path / "config.yaml").config


def test_what_a_user_named_is_shown_by_its_name(tmp_path: Path) -> None:
    vurbo = "{api_key: vas_00000000000000000000000000000000, terminology: {no: [{term: Zigbee}]}}"
    data = yaml.safe_load(shown(tmp_path, f"voice: {{backend: vurbo, vurbo: {vurbo}}}\n"))
    assert data["voice"]["vurbo"]["terminology"] == {"no": [{"term": "Zigbee", "boost": 1.0}]}
    assert data["voice"]["vurbo"]["api_key"] == "****"
