"""`voice-satellite forget`: clears what a broker and Home Assistant know of a satellite that is no more."""

import argparse
import asyncio

from satellite.cli import COMMANDS, EXIT_OK, Subparsers, add_config_option
from satellite.cli.terminal import Streams


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "forget",
        help=COMMANDS["forget"],
        description="Clears every topic that the broker retains for a satellite, so that Home Assistant removes the"
        " device. Stop the satellite first: one that runs says everything again.",
    )
    add_config_option(parser)
    parser.add_argument("--id", type=_id, help="a satellite of another id on the same broker")


def _id(text: str) -> str:
    """No wildcard must get into a topic."""
    from satellite.homeassistant.topics import is_id  # noqa: PLC0415 - loaded only when used

    if not is_id(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no id of a satellite: a-z, 0-9, _ and -")
    return text


def run(args: argparse.Namespace) -> int:
    """Say what was cleared. Raises ConfigError, BrokerError."""
    # loaded only when used: help and usage errors must be instant
    from satellite.app.forgetting import forget  # noqa: PLC0415
    from satellite.config.loader import load  # noqa: PLC0415

    streams = Streams()
    config = load(args.config)
    satellite_id = args.id or config.satellite.id
    forgotten = asyncio.run(forget(config, satellite_id))
    for topic in forgotten.topics:
        streams.say(topic)
    count = len(forgotten.topics)
    streams.say(f"{count} topics cleared" if count else f"nothing is retained of {satellite_id}")
    if forgotten.is_online:
        streams.warn(f"{satellite_id} is online and will publish again: stop it, then forget it")
    return EXIT_OK
