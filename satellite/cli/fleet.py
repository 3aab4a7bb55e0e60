"""`voice-satellite fleet`: all satellites of a broker in one live table, or as one answer for programs."""

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from satellite.cli import COMMANDS, DEFAULT_CONFIG, Subparsers
from satellite.cli.fleet_table import ORDERS

if TYPE_CHECKING:
    from satellite.config.model import Mqtt

PASSWORD_VARIABLE = "VOICE_SATELLITE_MQTT_PASSWORD"  # noqa: S105 - where the password is, not what it is
OPTIONS = ("host", "port", "username", "base_topic")
TLS_OPTIONS = ("ca_file", "cert_file", "key_file")


def add_parser(subparsers: Subparsers) -> None:
    """Arguments of `fleet`."""
    parser = subparsers.add_parser(
        "fleet",
        help=COMMANDS["fleet"],
        description="Shows all satellites of a broker by what they publish: a live table until Ctrl-C, on anything but"
        " a terminal once. Reads nothing of what is said.",
        epilog="Exit code 0 when all are well, 1 when any has a problem, is offline or does not tell of its health, or"
        f" when there is none. The password at the broker comes from the file, or from ${PASSWORD_VARIABLE}.",
    )
    broker = parser.add_argument_group("the broker")
    broker.add_argument(
        "-c", "--config", metavar="FILE", help=f"section mqtt of this file; without --host {DEFAULT_CONFIG}"
    )
    broker.add_argument("--host", type=_broker_option("host"), help="instead of a file: its name or address")
    broker.add_argument("--port", type=_broker_option("port"), help="default: 1883, with TLS 8883")
    broker.add_argument("--username", type=_broker_option("username"))
    broker.add_argument("--tls", action="store_true", help="encrypted, trusting the system's certificates")
    broker.add_argument("--ca-file", metavar="FILE", help="encrypted, trusting these certificates")
    broker.add_argument("--cert-file", metavar="FILE", help="client certificate")
    broker.add_argument("--key-file", metavar="FILE", help="its private key")
    broker.add_argument("--base-topic", type=_broker_option("base_topic"), help="default: voice-satellite")
    shown = parser.add_argument_group("what is shown")
    shown.add_argument(
        "--only", metavar="ID", action="append", default=[], help="only this one, or these: hall-*; may be repeated"
    )
    shown.add_argument("--problems", action="store_true", help="only those with a problem")
    shown.add_argument("--sort", choices=ORDERS, default="problem", help="default: problem, then id")
    shown.add_argument("--names", action="store_true", help="names and areas, from what Home Assistant is told")
    shown.add_argument("--once", action="store_true", help="the table once, also on a terminal")
    shown.add_argument("--json", action="store_true", help="one JSON object, for programs")
    _add_waiting(parser.add_argument_group("after a deployment"))
    parser.set_defaults(fail=parser.error)


def _add_waiting(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        help="until all are online and well by a health that they tell from now on; exit code 1 after that time",
    )
    group.add_argument("--expect-version", metavar="VERSION", help="with --wait: and run this version")
    group.add_argument(
        "--started-within",
        metavar="SECONDS",
        type=_seconds,
        help="with --wait: and were started at most so long before this command, or later",
    )


def _broker_option(name: str) -> Callable[[str], Any]:
    """A value as the configuration would have it."""

    def read_value(text: str) -> Any:
        from satellite.config.model import Mqtt  # noqa: PLC0415 - loaded only when used
        from satellite.config.sentences import sentence  # noqa: PLC0415 - loaded only when used
        from satellite.core.section import read  # noqa: PLC0415 - loaded only when used

        made, faults = read(Mqtt, {name: int(text) if text.isdecimal() and name == "port" else text})
        for fault in faults:
            raise argparse.ArgumentTypeError(sentence(fault, masked=False)[0])
        return getattr(made, name)

    return read_value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return seconds


def run(args: argparse.Namespace) -> int:
    """The table, the object, or the wait. Raises ConfigError, BrokerError."""
    import asyncio  # noqa: PLC0415 - loaded only when used

    from satellite.cli.onlooker import Onlooker, Wishes  # noqa: PLC0415 - loaded only when used

    if args.wait is None and (args.expect_version is not None or args.started_within is not None):
        args.fail("--expect-version and --started-within go with --wait")
    wishes = Wishes(
        only=tuple(args.only),
        problems=args.problems,
        sort=args.sort,
        names=args.names,
        once=args.once,
        json=args.json,
        wait_s=args.wait,
        expect_version=args.expect_version,
        started_within_s=args.started_within,
    )
    return asyncio.run(Onlooker(_broker(args), wishes).run())


def _broker(args: argparse.Namespace) -> "Mqtt":
    """Where to look: by the file, and by what is said on the command line. Raises ConfigError."""
    from msgspec.structs import replace  # noqa: PLC0415 - loaded only when used

    from satellite.config.loader import load_broker  # noqa: PLC0415 - loaded only when used
    from satellite.config.model import Mqtt, Tls  # noqa: PLC0415 - loaded only when used
    from satellite.core.section import Secret  # noqa: PLC0415 - loaded only when used

    if args.config is None and args.host is None and not Path(DEFAULT_CONFIG).exists():
        args.fail(f"name the broker by --host, or a file with its section mqtt by -c: there is no {DEFAULT_CONFIG}")
    is_by_file = args.config is not None or args.host is None
    mqtt = load_broker(args.config or DEFAULT_CONFIG) if is_by_file else Mqtt()
    said = {name: value for name in OPTIONS if (value := getattr(args, name)) is not None}
    if args.tls or any(getattr(args, name) for name in TLS_OPTIONS):
        said["tls"] = Tls(**{name: getattr(args, name) for name in TLS_OPTIONS})
    password = _password(args)
    if args.username is not None or password is not None:  # that of the file is for the user of the file
        said["password"] = None if password is None else Secret(password)
    return replace(mqtt, **said)


def _password(args: argparse.Namespace) -> str | None:
    """From the environment; a person who names a user is asked for it."""
    password = os.environ.get(PASSWORD_VARIABLE)
    if password is None and args.username is not None and sys.stdin.isatty():
        password = getpass.getpass(f"Password of {args.username} at the broker: ")
    return password or None
