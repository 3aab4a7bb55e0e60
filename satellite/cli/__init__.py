"""The command `voice-satellite`: one small module per sub-command, imported only when it is the one asked for."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Protocol, TypeAlias, cast

from satellite import __version__

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

EXIT_OK = 0
EXIT_FAULT = 1
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130

DEFAULT_CONFIG = "/etc/voice-satellite/config.yaml"

COMMANDS = {
    "run": "the daemon, in the foreground",
    "demo": "show what it does, without account or hardware, in under a minute",
    "check": "validate configuration and secrets; touches no network and no device",
    "config": "show the effective configuration, or its JSON Schema",
    "doctor": "try devices, broker, voice service, clock and service for real, and say how to mend them",
    "devices": "list capture and playback devices by the name to configure",
    "fleet": "a live table of all satellites on a broker",
    "forget": "clear what broker and Home Assistant know of a satellite that is no more",
    "replay": "send audio files through gate and voice service as if spoken",
    "emulator": "the voice services' protocols on loopback, for trials and tests",
}
"""Each command with its help; its module is `satellite.cli.<command>`."""


class CommandModule(Protocol):
    """What each command's module holds."""

    def add_parser(self, subparsers: Subparsers) -> None:
        """Describe the command's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit code. ConfigError and SatelliteError may leave it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a usage error leaves as argparse's SystemExit(2)."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without some letter must not end a command
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # the reader has left; nothing may be written at interpreter exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAULT
    return code


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """`-c FILE`, as `args.config`, for every command that reads the configuration."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", default=DEFAULT_CONFIG, help="configuration file (default: %(default)s)"
    )


def _dispatch(arguments: list[str]) -> int:
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    module = _load(chosen) if chosen in COMMANDS else None
    args = _parser(chosen, module).parse_args(arguments)
    assert module is not None  # noqa: S101 - argparse has left unless a command was named
    # loaded only when used: `--help` and usage errors must be instant
    from satellite.errors import ConfigError, SatelliteError  # noqa: PLC0415

    try:
        return module.run(args)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    except SatelliteError as error:
        print(f"voice-satellite: {error}", file=sys.stderr)
        return EXIT_FAULT


def _load(command: str) -> CommandModule:
    module: ModuleType = importlib.import_module(f"satellite.cli.{command}")
    return cast("CommandModule", module)


def _parser(chosen: str | None, module: CommandModule | None) -> argparse.ArgumentParser:
    """The whole tree for `--help`; only the chosen command knows its own arguments."""
    parser = argparse.ArgumentParser(
        prog="voice-satellite",
        description="A microphone, a cloud voice service, MQTT and a loudspeaker: live transcripts and translations.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        if module is not None and name == chosen:
            module.add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=text)
    return parser
