"""`voice-satellite check`: every problem of the configuration, one per line."""

import argparse

from satellite.cli import COMMANDS, EXIT_CONFIG, EXIT_OK, Subparsers, add_config_option


def add_parser(subparsers: Subparsers) -> None:
    """Arguments of `check`."""
    add_config_option(
        subparsers.add_parser(
            "check",
            help=COMMANDS["check"],
            description="Validates configuration and secrets and prints every problem as"
            " FILE:LINE: path.to.key: what is wrong. Touches no network and no device.",
            epilog="Exit code 0 when the configuration can be used, 78 when not.",
        )
    )


def run(args: argparse.Namespace) -> int:
    """Problems go to standard output, which is what was asked for."""
    # loaded only when used: help and usage errors must be instant
    from satellite.config.loader import load_all  # noqa: PLC0415
    from satellite.errors import ConfigError  # noqa: PLC0415

    try:
        loaded = load_all(args.config)
    except ConfigError as error:
        print(error)
        return EXIT_CONFIG
    for warning in loaded.warnings:
        print(warning)
    print(f"{args.config}: ok")
    return EXIT_OK
