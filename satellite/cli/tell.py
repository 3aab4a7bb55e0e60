"""`voice-satellite tell`: sends a command to satellites, and says what came of it."""

import argparse
import asyncio
import json
import os
import re
from typing import TYPE_CHECKING

from satellite import __version__
from satellite.cli import COMMANDS, EXIT_FAULT, EXIT_OK, Subparsers
from satellite.cli.broker_options import PASSWORD_HELP, add_broker_options, broker, config_file, seconds_of
from satellite.cli.terminal import Streams, harmless

if TYPE_CHECKING:
    from satellite.homeassistant.errand import Errand, Outcome

WITHIN_S = 10.0
NAME_PATTERN = r"[a-z][a-z0-9_]{0,63}(/[a-z][a-z0-9_]{0,63})?"
WORDS = {"done": "done", "unchanged": "nothing changed", "told": "told", "answered": "answered"}
"""Outcomes for people; the others have a reason of their own."""


def add_parser(subparsers: Subparsers) -> None:
    """Arguments of `tell`."""
    parser = subparsers.add_parser(
        "tell",
        help=COMMANDS["tell"],
        description="Sends a command over MQTT, such as `mute ON`, `volume 40` or `restart`, and waits for what comes"
        " of it. Without --only and --all it is for the satellite of the configuration file.",
        epilog="Exit code 0 when it was carried out everywhere, as far as that shows; 1 when a satellite refuses, is"
        f" offline or does not answer. {PASSWORD_HELP}",
    )
    parser.add_argument("name", metavar="NAME", type=_name, help="the command: as in topics, below set/")
    parser.add_argument("value", metavar="VALUE", nargs="?", default="", help="its payload")
    whom = parser.add_argument_group("whom").add_mutually_exclusive_group()
    whom.add_argument(
        "--only", metavar="ID", action="append", default=[], type=_id, help="this satellite; may be repeated"
    )
    whom.add_argument("--all", action="store_true", help="all satellites of the broker")
    parser.add_argument(
        "--within",
        metavar="SECONDS",
        type=seconds_of,
        default=WITHIN_S,
        help="how long to wait for what comes of it (default: %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    add_broker_options(parser)


def _name(text: str) -> str:
    """No wildcard must get into a topic."""
    if re.fullmatch(NAME_PATTERN, text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a command, such as mute or backend/config")
    return text


def _id(text: str) -> str:
    from satellite.homeassistant.topics import EVERYBODY, is_id  # noqa: PLC0415 - loaded only when used

    if not is_id(text):
        mend = "use --all" if text == EVERYBODY else "a-z, 0-9, _ and -"
        raise argparse.ArgumentTypeError(f"{text!r} is no id of a satellite: {mend}")
    return text


def run(args: argparse.Namespace) -> int:
    """Say what came of it. Raises ConfigError, BrokerError."""
    # loaded only when used: help and usage errors must be instant
    from satellite.app import parts  # noqa: PLC0415
    from satellite.app.messenger import Messenger  # noqa: PLC0415
    from satellite.config.loader import load_satellite  # noqa: PLC0415
    from satellite.homeassistant.errand import Errand  # noqa: PLC0415
    from satellite.homeassistant.order import Order  # noqa: PLC0415

    file = config_file(args)
    if file is None and not (args.all or args.only):
        args.fail("say whom to tell, by --only or --all: without -c there is no file that names a satellite")
    mqtt = broker(args)
    settings = parts.broker_settings(mqtt)
    ids = tuple(dict.fromkeys(args.only))
    if file is not None and not (args.all or args.only):
        ids = (load_satellite(file).id,)
    errand = Errand(mqtt.base_topic, Order(args.name, os.fsencode(args.value)), ids)
    streams = Streams()
    streams.err.show(f"telling {', '.join(errand.ids) or 'all'} at {settings.where}")
    try:
        asyncio.run(Messenger(settings, errand).run(args.within))
    finally:
        streams.err.erase()
    return _say(streams, args, settings.where, errand)


def _say(streams: Streams, args: argparse.Namespace, where: str, errand: "Errand") -> int:
    outcomes = errand.outcomes()
    if args.json:
        report = {
            "version": __version__,
            "broker": where,
            "base_topic": errand.base,
            "command": args.name,
            "satellites": [{"id": satellite_id, **outcome.as_json()} for satellite_id, outcome in outcomes.items()],
        }
        streams.say(json.dumps(report, separators=(",", ":")))
    else:
        for satellite_id, outcome in outcomes.items():
            streams.say(f"{satellite_id}: {harmless(_sentence(outcome))}")
    if not outcomes:
        streams.warn(
            f"no satellite at {where} below {errand.base}/: is that the base topic, and may this login read there?"
        )
    return EXIT_OK if outcomes and all(outcome.is_good for outcome in outcomes.values()) else EXIT_FAULT


def _sentence(outcome: "Outcome") -> str:
    if outcome.answer:
        return json.dumps(outcome.answer, ensure_ascii=False, separators=(",", ":"))
    return WORDS.get(outcome.word) or f"{outcome.word}: {outcome.reason}"
