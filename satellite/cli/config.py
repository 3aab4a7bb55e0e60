"""`voice-satellite config show` and `config schema`."""

import argparse
import json

from satellite.cli import COMMANDS, EXIT_OK, Subparsers, add_config_option


def add_parser(subparsers: Subparsers) -> None:
    """Arguments of `config`."""
    parser = subparsers.add_parser("config", help=COMMANDS["config"], description=f"{COMMANDS['config']}.".capitalize())
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="the effective configuration as YAML, defaults included, secrets masked")
    add_config_option(show)
    actions.add_parser("schema", help="the JSON Schema of the configuration file")


def run(args: argparse.Namespace) -> int:
    """Prints YAML or JSON; raises ConfigError."""
    print(_show(args.config) if args.action == "show" else _schema(), end="")
    return EXIT_OK


def _show(file: str) -> str:
    # each action loads only what it needs
    from satellite.config.loader import load_all  # noqa: PLC0415
    from satellite.config.show import effective_yaml  # noqa: PLC0415

    return effective_yaml(load_all(file))


def _schema() -> str:
    from satellite.config.schema import json_schema  # noqa: PLC0415 - as above

    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
