import argparse
import os
import subprocess
import sys
from types import ModuleType

import pytest

from satellite import __version__
from satellite.cli import COMMANDS, DEFAULT_CONFIG, Subparsers, add_config_option, main
from satellite.config.loader import DEFAULT_PATH
from satellite.errors import ConfigError, DeviceError, Problem

HEAVY = ("yaml", "msgspec", "asyncio", "logging")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A command `probe` whose `run` each test writes."""
    module = ModuleType("satellite.cli.probe")

    def add_parser(subparsers: Subparsers) -> None:
        add_config_option(subparsers.add_parser("probe"))

    vars(module)["add_parser"] = add_parser
    monkeypatch.setitem(COMMANDS, "probe", "does what the test says")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_the_chosen_command_gets_its_arguments(command: ModuleType) -> None:
    seen: list[argparse.Namespace] = []

    def run(args: argparse.Namespace) -> int:
        seen.append(args)
        return 5

    vars(command)["run"] = run
    assert main(["probe", "-c", "x.yaml"]) == 5
    assert main(["probe"]) == 5
    assert [args.config for args in seen] == ["x.yaml", "/etc/voice-satellite/config.yaml"]
    assert str(DEFAULT_PATH) == DEFAULT_CONFIG


def test_arguments_come_from_the_process_when_none_are_given(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    vars(command)["run"] = lambda _: 3
    monkeypatch.setattr(sys, "argv", ["voice-satellite", "probe"])
    assert main() == 3


def test_errors_become_sentences_and_exit_codes(command: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: BaseException) -> None:
        def run(_: argparse.Namespace) -> int:
            raise error

        vars(command)["run"] = run

    fail(ConfigError((Problem("f", 1, "a", "is wrong"), Problem("f", 2, "b", "too", "so"))))
    assert main(["probe"]) == 78
    fail(DeviceError("the microphone is gone"))
    assert main(["probe"]) == 1
    fail(KeyboardInterrupt())
    assert main(["probe"]) == 130
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "f:1: a: is wrong\nf:2: b: too (so)\nvoice-satellite: the microphone is gone\n"


@pytest.mark.parametrize("arguments", [[], ["bogus"], ["check", "--bogus"], ["config"], ["config", "bogus"], ["-x"]])
def test_usage_errors_are_argparse_text_and_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: voice-satellite" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"voice-satellite {__version__}\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    output = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n    {name}" not in output] == []


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], [], ["check", "--help"], ["config", "show", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys; from satellite.cli import main\n"
        f"try: main({arguments!r})\n"
        f"except SystemExit: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert result.stderr.endswith("[]\n")


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as gone:
        result = subprocess.run(
            [sys.executable, "-m", "satellite", "config", "schema"],
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
            timeout=30,
        )
    assert (result.returncode, result.stderr) == (1, b"")
