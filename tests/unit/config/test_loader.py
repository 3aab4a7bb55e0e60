from pathlib import Path

import pytest

from satellite.config.loader import Loaded, load, load_all, load_broker
from satellite.config.model import Config
from satellite.errors import ConfigError
from tests.fakes.sections import made

KEY = "voice: {deepl: {api_key: abcdefgh}}\n"


def write(directory: Path, text: str | bytes, secrets: str | None = None) -> Path:
    file = directory / "config.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    if secrets is not None:
        (directory / "secrets.yaml").write_text(secrets)
        (directory / "secrets.yaml").chmod(0o600)
    return file


def loaded(directory: Path, text: str, secrets: str | None = None) -> Loaded:
    return load_all(write(directory, text, secrets), {})


def problems(directory: Path, text: str | bytes, secrets: str | None = None) -> list[str]:
    """Every problem without the name of the directory."""
    with pytest.raises(ConfigError) as caught:
        load_all(write(directory, text, secrets), {})
    return [str(problem).replace(f"{directory}/", "") for problem in caught.value.problems]


def test_the_smallest_file_works(tmp_path: Path) -> None:
    config = load(write(tmp_path, "voice: {backend: deepl, deepl: {api_key: abcdefgh}}"))
    assert config.voice.deepl is not None
    assert config.voice.deepl.api_key.get_secret_value() == "abcdefgh"
    assert config.mqtt == Config().mqtt


def test_tags_are_resolved_and_their_paths_masked(tmp_path: Path) -> None:
    text = "voice: {deepl: {api_key: !secret key}}\nmqtt: {host: !secret host, port: !env_var PORT 1884}\n"
    result = loaded(tmp_path, text, "key: abcdefgh\nhost: broker.lan\n")
    assert result.config.mqtt.host == "broker.lan"
    assert result.config.mqtt.port == 1884
    assert result.masked == {("voice", "deepl", "api_key"), ("mqtt", "host")}
    assert result.warnings == ()


def test_warnings_do_not_stop_anybody(tmp_path: Path) -> None:
    file = write(tmp_path, "voice: {deepl: {api_key: !secret key}}\nmqtt: {port: 8883}\n", "key: abcdefgh\n")
    (tmp_path / "secrets.yaml").chmod(0o644)
    warnings = [str(warning).replace(f"{tmp_path}/", "") for warning in load_all(file).warnings]
    assert warnings == [
        "config.yaml:2: mqtt.port: warning: 8883 is the port for TLS, which is off"
        " (add `tls: {}` to trust the system's certificates)",
        "secrets.yaml:1: warning: others may read the secrets (chmod 600 secrets.yaml)",
    ]


def test_relative_files_are_meant_from_the_files_directory(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"")
    (tmp_path / "in.wav").write_bytes(b"")
    text = KEY + "audio: {input: {device: 'file:in.wav'}, output: {device: hw}}\nmqtt: {tls: {ca_file: ca.pem}}\n"
    config = loaded(tmp_path, text).config
    assert config.audio.input.device == f"file:{tmp_path / 'in.wav'}"
    assert config.audio.output.device == "hw"
    assert config.mqtt.tls is not None
    assert config.mqtt.tls.ca_file == str(tmp_path / "ca.pem")


def test_a_backend_that_is_not_chosen_may_be_incomplete_but_not_wrong(tmp_path: Path) -> None:
    assert loaded(tmp_path, "voice: {backend: loopback, deepl: {formality: more}, target_languages: [fr]}").config == (
        made(Config, {"voice": {"backend": "loopback", "target_languages": ["fr"]}})
    )
    assert problems(tmp_path, "voice: {backend: loopback, deepl: {formality: x}}") == [
        'config.yaml:1: voice.deepl.formality: must be default, formal, informal, less or more, not "x"'
    ]


@pytest.mark.parametrize("text", ["mqtt: {}\n", "voice:\n", "voice: {deepl: }\n", "voice: {deepl: {}}\n"])
def test_the_chosen_backends_credentials_must_be_there(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == [
        "config.yaml:1: voice.deepl.api_key: is missing (write `api_key: !secret NAME` and put NAME into secrets.yaml)"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "config.yaml:1: the file is empty (the smallest that works is"),
        ("# nothing\n", "config.yaml:1: the file is empty"),
        ("\n- a\n", "config.yaml:2: must be a mapping of sections"),
        ("text\n", "config.yaml:1: must be a mapping of sections"),
        ("a: 'b\n", "config.yaml:1: not valid YAML: a quote is opened and never closed"),
        (b"a: 1\nb: \xff\n", "config.yaml:2: the file is not UTF-8 text"),
        ("a: &a [*a]\n", "config.yaml:1: too much is nested or repeated"),
    ],
)
def test_what_is_no_configuration_at_all_is_one_problem(tmp_path: Path, text: str | bytes, expected: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(expected)


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.yaml", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert [str(problem) for problem in caught.value.problems] == [f"{path}:1: cannot be read: {words}"]


def test_every_problem_is_told_at_once_and_by_line(tmp_path: Path) -> None:
    text = """\
audio:
  barge_in: true
  input: {channels: x, channel: 3}
voice:
  target_languages: [de, 5, de]
  source_language: no
  speech_language: ga
  deepl:
    api_key: !secret kye
    glossary_ids: [a, "b c"]
mqtt: 5
web: {enabled: true}
"""
    assert problems(tmp_path, text, "key: abcdefgh\nkey: x\n") == [
        "config.yaml:2: audio.barge_in: works with audio.duplex: simultaneous only",
        'config.yaml:3: audio.input.channels: must be a whole number, not "x"',
        "config.yaml:5: voice.target_languages[1]: must be text, not 5 (put it in quotes)",
        "config.yaml:9: voice.deepl.api_key: !secret kye cannot be looked up before secrets.yaml is mended",
        'config.yaml:10: voice.deepl.glossary_ids[1]: must match the pattern ^[!-~]+$, not "b c"',
        "config.yaml:11: mqtt: must be a section: indented `key: value` lines",
        "config.yaml:12: web.enabled: is not part of this version (set it to false)",
        "secrets.yaml:2: key is there twice",
    ]


def test_what_a_check_finds_has_the_line_of_the_entry(tmp_path: Path) -> None:
    text = "voice:\n  deepl: {api_key: abcdefgh}\n  target_languages:\n    - de\n    - de\n"
    assert problems(tmp_path, text) == ["config.yaml:5: voice.target_languages[1]: de is there twice"]


def test_a_finding_about_a_wrong_key_says_nothing_more(tmp_path: Path) -> None:
    """The default that stands in for a wrong language must not be judged in the user's name."""
    text = "voice: {deepl: {api_key: abcdefgh}, source_language: 7, target_languages: [en], speech_voice: x y}\n"
    assert [problem.split(" ")[1] for problem in problems(tmp_path, text)] == [
        "voice.source_language:",
        "voice.speech_voice:",
    ]
    text = "voice: {deepl: {api_key: abcdefgh}, target_languages: [ga], speech_language: 7}\n"
    assert [problem.split(" ")[1] for problem in problems(tmp_path, text)] == ["voice.speech_language:"]


def test_a_wrong_backend_does_not_ask_for_another_ones_key(tmp_path: Path) -> None:
    for backend in ("vosk", "5", "target_languages_"):
        (problem,) = problems(tmp_path, f"voice: {{backend: {backend}}}\n")
        assert "voice.backend: must be deepgram, deepl, loopback, palabra or vurbo" in problem
    assert len(problems(tmp_path, "voice: [deepl]\n")) == 1


def test_no_secret_shows_in_any_problem(tmp_path: Path) -> None:
    text = """\
satellite: {id: !secret upper}
audio: {driver: !secret long, input: {device: !secret file}, output: {volume: !secret long}}
voice: {deepl: {api_key: 'two words', base_url: !secret long}, speech_voice: !secret long}
mqtt: {password: 4711, base_topic: !secret long, tls: {ca_file: !secret long}}
"""
    secrets = "long: hunter2hunter2\nupper: Hunter3\nfile: file:/hunter5\n"
    found = problems(tmp_path, text, secrets)
    assert len(found) == 8
    everything = "\n".join(found).lower()
    for word in ("hunter", "two words", "4711"):
        assert word not in everything


def test_names_of_any_length_are_told_in_a_line(tmp_path: Path) -> None:
    told = problems(tmp_path, f"{KEY}mqtt: {{{'k' * 50_000}, username: a, password: !secret {'s' * 50_000}}}\n")
    assert len(told) == 2
    assert all(len(problem) < 2_200 for problem in told)
    assert any(problem.startswith(f"config.yaml:2: mqtt.{'k' * 64}…: unknown key") for problem in told)


# --- the broker alone -----------------------------------------------------------------------------------------------


def broker_problems(directory: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_broker(write(directory, text), {})
    return [str(problem).replace(f"{directory}/", "") for problem in caught.value.problems]


def test_who_looks_at_the_broker_needs_nothing_else_of_the_file(tmp_path: Path) -> None:
    text = (
        "mqtt: {host: broker.lan, username: ops, password: !secret broker, tls: {ca_file: ca.pem}}\n"
        "voice: {backend: nobody, deepl: {api_key: !secret not_here}}\naudio: [!credential x]\n"
    )
    (tmp_path / "ca.pem").write_text("certificates")
    mqtt = load_broker(write(tmp_path, text, "broker: abcdefgh\n"), {})
    assert (mqtt.host, mqtt.username, mqtt.effective_port) == ("broker.lan", "ops", 8883)
    assert mqtt.password is not None
    assert mqtt.password.get_secret_value() == "abcdefgh"
    assert mqtt.tls is not None
    assert mqtt.tls.ca_file == str(tmp_path / "ca.pem")


def test_a_file_without_the_section_means_its_defaults(tmp_path: Path) -> None:
    assert load_broker(write(tmp_path, "voice: {}\n"), {}) == Config().mqtt


def test_what_is_wrong_with_the_section_is_said(tmp_path: Path) -> None:
    text = "mqtt:\n  hots: a\n  port: 99999\n  password: !secret gone\nmtqt: {}\n"
    assert broker_problems(tmp_path, text) == [
        "config.yaml:2: mqtt.hots: unknown key (did you mean host?)",
        "config.yaml:3: mqtt.port: must be 65535 or less, not 99999",
        "config.yaml:4: mqtt.password: !secret gone: there is no secrets.yaml (create it with a line `gone: …`)",
        "config.yaml:5: mtqt: unknown key (did you mean mqtt?)",
    ]
    assert broker_problems(tmp_path, "mqtt: {password: abcdefgh}") == [
        "config.yaml:1: mqtt.password: has no effect without mqtt.username (add the user name)"
    ]
    assert broker_problems(tmp_path, "- mqtt\n")[0].startswith("config.yaml:1: must be a mapping")
    assert broker_problems(tmp_path, "")[0].startswith("config.yaml:1: the file is empty")
