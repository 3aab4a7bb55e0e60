"""Options that name a broker, for the commands that look after satellites from anywhere."""

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from satellite.cli import DEFAULT_CONFIG

if TYPE_CHECKING:
    from satellite.config.model import Mqtt

PASSWORD_VARIABLE = "VOICE_SATELLITE_MQTT_PASSWORD"  # noqa: S105 - where the password is, not what it is
PASSWORD_HELP = f"The password at the broker comes from the file, or from ${PASSWORD_VARIABLE}."
OPTIONS = ("host", "port", "username", "base_topic")
TLS_OPTIONS = ("ca_file", "cert_file", "key_file")


def add_broker_options(parser: argparse.ArgumentParser) -> None:
    """A group of them; `broker` then makes one of what was said."""
    group = parser.add_argument_group("the broker")
    group.add_argument(
        "-c", "--config", metavar="FILE", help=f"section mqtt of this file; without --host {DEFAULT_CONFIG}"
    )
    group.add_argument("--host", type=_broker_option("host"), help="instead of a file: its name or address")
    group.add_argument("--port", type=_broker_option("port"), help="default: 1883, with TLS 8883")
    group.add_argument("--username", type=_broker_option("username"))
    group.add_argument("--tls", action="store_true", help="encrypted, trusting the system's certificates")
    group.add_argument("--ca-file", metavar="FILE", help="encrypted, trusting these certificates")
    group.add_argument("--cert-file", metavar="FILE", help="client certificate")
    group.add_argument("--key-file", metavar="FILE", help="its private key")
    group.add_argument("--base-topic", type=_broker_option("base_topic"), help="default: voice-satellite")
    parser.set_defaults(fail=parser.error)


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


def seconds_of(text: str) -> float:
    """A time to wait, for `type` of an option."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return seconds


def config_file(args: argparse.Namespace) -> str | None:
    """The configuration that is to be read; None when all is said on the command line."""
    if args.config is not None or args.host is None:
        return args.config or DEFAULT_CONFIG
    return None


def broker(args: argparse.Namespace) -> "Mqtt":
    """Where to look: by the file, and by what is said on the command line. Raises ConfigError."""
    from msgspec.structs import replace  # noqa: PLC0415 - loaded only when used

    from satellite.config.loader import load_broker  # noqa: PLC0415 - loaded only when used
    from satellite.config.model import Mqtt, Tls  # noqa: PLC0415 - loaded only when used
    from satellite.core.section import Secret  # noqa: PLC0415 - loaded only when used

    if args.config is None and args.host is None and not Path(DEFAULT_CONFIG).exists():
        args.fail(f"name the broker by --host, or a file with its section mqtt by -c: there is no {DEFAULT_CONFIG}")
    file = config_file(args)
    mqtt = Mqtt() if file is None else load_broker(file)
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
