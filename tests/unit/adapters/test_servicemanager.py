from pathlib import Path

import pytest

from satellite.adapters import servicemanager
from satellite.adapters.servicemanager import time_properties, unit_properties


def program(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where programs are looked for; the shell's own are enough."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


async def test_properties_are_what_the_program_prints(path: Path) -> None:
    program(path, "systemctl", 'echo "Asked=$*"; echo "Id=a=b"; echo; echo nonsense')
    program(path, "timedatectl", 'echo "NTPSynchronized=$1"')
    assert await unit_properties("voice-satellite", ("Id", "Result")) == {
        "Asked": "show voice-satellite --property=Id --property=Result",
        "Id": "a=b",
    }
    assert await time_properties() == {"NTPSynchronized": "show"}


async def test_none_where_there_is_nobody_to_ask(path: Path) -> None:
    assert await time_properties() is None
    program(path, "timedatectl", "echo System has not been booted with systemd >&2; exit 1")
    assert await time_properties() is None


async def test_one_that_hangs_is_given_up_and_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servicemanager, "ANSWER_WITHIN_S", 0.2)
    program(path, "timedatectl", "while :; do :; done")
    assert await time_properties() is None
