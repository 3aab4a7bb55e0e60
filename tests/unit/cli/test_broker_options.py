import argparse
from pathlib import Path

import pytest

from satellite.cli.broker_options import PASSWORD_VARIABLE, add_broker_options, broker, config_file, seconds_of


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_broker_options(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with a login; no password comes from anywhere else."""
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    config = tmp_path / "ops.yaml"
    config.write_text("mqtt: {host: broker.lan, port: 1234, username: ops, password: abcdefgh, base_topic: a/b}\n")
    return str(config)


def test_what_is_said_stands_over_the_file(file: str) -> None:
    mqtt = broker(parsed("-c", file, "--host", "other.lan", "--ca-file", "ca.pem"))
    assert (mqtt.host, mqtt.port, mqtt.username, mqtt.base_topic) == ("other.lan", 1234, "ops", "a/b")
    assert mqtt.password is not None
    assert mqtt.password.get_secret_value() == "abcdefgh"
    assert mqtt.tls is not None
    assert mqtt.tls.ca_file == "ca.pem"


def test_the_password_of_the_file_is_for_its_user(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert broker(parsed("-c", file, "--username", "other")).password is None
    monkeypatch.setenv(PASSWORD_VARIABLE, "of the environment")
    password = broker(parsed("-c", file)).password
    assert password is not None
    assert password.get_secret_value() == "of the environment"


def test_a_host_needs_no_file(file: str) -> None:
    assert broker(parsed("--host", "x")).effective_port == 1883
    assert broker(parsed("--host", "x", "--tls")).effective_port == 8883
    assert config_file(parsed("--host", "x")) is None
    assert config_file(parsed("--host", "x", "-c", file)) == file
    assert config_file(parsed()) == "/etc/voice-satellite/config.yaml"


def test_seconds() -> None:
    assert seconds_of("1.5") == 1.5
    for text in ("", "soon", "-1", "nan", "inf", "86401"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no number of seconds from 0 to 86400"):
            seconds_of(text)
