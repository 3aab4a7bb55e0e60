import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from satellite.backends.base import Finding, Severity
from satellite.config.checks import CHECKS
from satellite.config.fields import all_paths, dotted
from satellite.config.model import Config
from tests.fakes.sections import made

DEEPL = {"voice": {"deepl": {"api_key": "key"}}}


def findings(data: dict[str, Any]) -> list[Finding]:
    config = made(Config, data)
    return [finding for check, _ in CHECKS for finding in check(config)]


def only(data: dict[str, Any]) -> Finding:
    (finding,) = findings(data)
    return finding


def test_the_defaults_have_nothing_wrong() -> None:
    assert findings({}) == findings(DEEPL) == []


def test_the_keys_that_checks_read_exist() -> None:
    known = {dotted(path) for path in all_paths()}
    assert {key for _, keys in CHECKS for key in keys} <= known


def test_barge_in_needs_simultaneous_duplex() -> None:
    assert only({"audio": {"barge_in": True}}).path == "audio.barge_in"
    assert findings({"audio": {"barge_in": True, "duplex": "simultaneous"}}) == []


def test_echo_cancellation_is_not_there_yet() -> None:
    finding = only({"audio": {"echo_cancellation": True, "duplex": "simultaneous"}})
    assert (finding.path, finding.message) == ("audio.echo_cancellation", "is not part of this version")


def test_the_channel_must_be_one_of_the_devices() -> None:
    finding = only({"audio": {"input": {"channel": 2, "channels": 2}}})
    assert (finding.path, finding.hint) == ("audio.input.channel", "the highest is 1")
    assert findings({"audio": {"input": {"channel": 1, "channels": 2}}}) == []


def test_an_input_file_must_be_readable(tmp_path: Path, as_nobody: Callable[[], None]) -> None:
    wav = tmp_path / "a.wav"
    data = {"audio": {"input": {"device": f"file:{wav}"}}}
    assert only(data).message == f"{wav} cannot be read: no such file or directory"
    wav.write_bytes(b"")
    assert findings(data) == []
    assert "is a directory" in only({"audio": {"input": {"device": f"file:{tmp_path}"}}}).message
    wav.chmod(0)
    as_nobody()
    assert only(data).message == f"{wav} cannot be read"


def test_an_output_file_must_be_writable(tmp_path: Path, as_nobody: Callable[[], None]) -> None:
    wav = tmp_path / "out.wav"
    data = {"audio": {"output": {"device": f"file:{wav}"}}}
    assert findings(data) == []
    wav.write_bytes(b"")
    assert findings(data) == []
    assert "is a directory" in only({"audio": {"output": {"device": f"file:{tmp_path}"}}}).message
    elsewhere = only({"audio": {"output": {"device": f"file:{tmp_path}/not/there.wav"}}})
    assert elsewhere.message == f"{tmp_path}/not/there.wav cannot be written: no such file or directory"
    wav.chmod(0o444)
    as_nobody()
    assert only(data).message == f"{wav} cannot be written"


def test_the_input_file_is_not_overwritten(tmp_path: Path) -> None:
    wav = tmp_path / "a.wav"
    wav.write_bytes(b"")
    device = {"device": f"file:{wav}"}
    assert "is the input file" in only({"audio": {"input": device, "output": device}}).message
    assert findings({"audio": {"input": {"device": "null"}, "output": {"device": "null"}}}) == []


def test_a_chosen_driver_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings({"audio": {"driver": "alsa"}}) == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert only({"audio": {"driver": "alsa"}}).hint == "install the extra alsa (docs/install.md)"
    assert only({"audio": {"driver": "portaudio"}}).hint == "install the extra portaudio (docs/install.md)"
    assert findings({"audio": {"driver": "auto"}}) == []


def test_compressed_media_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"api_key": "key", "source_media": "opus", "speech_media": "audio/webm;codecs=opus"}
    data = {"voice": {"deepl": options}}
    assert findings(data) == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert [(finding.path, finding.hint) for finding in findings(data)] == [
        ("voice.deepl.source_media", "install the extra av (docs/install.md)"),
        ("voice.deepl.speech_media", "install the extra av (docs/install.md)"),
    ]
    assert findings({"voice": {"backend": "loopback", "deepl": options}}) == []
    palabra = {"api_key": "plbr_key", "transport": "webrtc"}
    found = findings({"voice": {"backend": "palabra", "palabra": palabra}})
    assert [(finding.path, finding.hint) for finding in found] == [
        ("voice.palabra.transport", "install the extra webrtc (docs/install.md)")
    ]


def test_silero_is_not_there_yet() -> None:
    assert only({"vad": {"detector": "silero"}}).path == "vad.detector"


def test_a_pre_roll_shorter_than_the_onset_is_worth_a_warning() -> None:
    finding = only({"vad": {"pre_roll_ms": 50}})
    assert (finding.path, finding.severity, finding.hint) == ("vad.pre_roll_ms", Severity.WARNING, "260 or more")


def test_a_target_language_stands_there_once() -> None:
    finding = only({"voice": {"target_languages": ["de", "fr", "DE"]}})
    assert (finding.path, finding.message) == ("voice.target_languages.2", "DE is there twice")


def test_the_backend_checks_the_languages() -> None:
    data = {"voice": {"target_languages": ["de", "fr", "es", "it", "nl", "pl"], "deepl": {"api_key": "key"}}}
    assert only(data).path == "voice.target_languages"
    assert findings({"voice": {**data["voice"], "backend": "loopback"}}) == []


def test_a_password_needs_a_user() -> None:
    assert only({"mqtt": {"password": "x"}}).path == "mqtt.password"
    assert findings({"mqtt": {"password": "x", "username": "u"}}) == []


def test_the_tls_port_without_tls_is_worth_a_warning() -> None:
    assert only({"mqtt": {"port": 8883}}).severity is Severity.WARNING
    assert findings({"mqtt": {"port": 8883, "tls": {}}}) == []


def test_tls_files_come_in_pairs_and_exist(tmp_path: Path) -> None:
    pem = tmp_path / "x.pem"
    pem.write_bytes(b"")
    assert only({"mqtt": {"tls": {"cert_file": str(pem)}}}).message == "needs mqtt.tls.key_file beside it"
    assert only({"mqtt": {"tls": {"key_file": str(pem)}}}).message == "needs mqtt.tls.cert_file beside it"
    assert findings({"mqtt": {"tls": {"cert_file": str(pem), "key_file": str(pem), "ca_file": str(pem)}}}) == []
    assert (
        only({"mqtt": {"tls": {"ca_file": "/not/there"}}}).message
        == "/not/there cannot be read: no such file or directory"
    )


def test_what_comes_later_cannot_be_enabled() -> None:
    assert [finding.path for finding in findings({"web": {"enabled": True}})] == ["web.enabled"]


def test_metrics_may_be_served() -> None:
    assert findings({"metrics": {"enabled": True}}) == []
