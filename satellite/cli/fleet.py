"""`voice-satellite fleet`: all satellites of a broker in one live table, or as one answer for programs."""

import argparse

from satellite.cli import COMMANDS, Subparsers
from satellite.cli.broker_options import PASSWORD_HELP, add_broker_options, broker, seconds_of
from satellite.cli.fleet_table import ORDERS


def add_parser(subparsers: Subparsers) -> None:
    """Arguments of `fleet`."""
    parser = subparsers.add_parser(
        "fleet",
        help=COMMANDS["fleet"],
        description="Shows all satellites of a broker by what they publish: a live table until Ctrl-C, on anything but"
        " a terminal once. Reads nothing of what is said.",
        epilog="Exit code 0 when all are well, 1 when any has a problem, is offline or does not tell of its health, or"
        f" when there is none. {PASSWORD_HELP}",
    )
    add_broker_options(parser)
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


def _add_waiting(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--wait",
        metavar="SECONDS",
        type=seconds_of,
        help="until all are online and well by a health that they tell from now on; exit code 1 after that time",
    )
    group.add_argument("--expect-version", metavar="VERSION", help="with --wait: and run this version")
    group.add_argument(
        "--started-within",
        metavar="SECONDS",
        type=seconds_of,
        help="with --wait: and were started at most so long before this command, or later",
    )


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
    return asyncio.run(Onlooker(broker(args), wishes).run())
