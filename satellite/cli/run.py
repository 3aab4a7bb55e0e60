"""`voice-satellite run`: the daemon, in the foreground."""

import argparse
import logging
import os
import sys
from typing import TYPE_CHECKING

from satellite.cli import COMMANDS, EXIT_CONFIG, EXIT_FAULT, EXIT_OK, Subparsers, add_config_option

if TYPE_CHECKING:
    from satellite.config.loader import Loaded
    from satellite.ports import ServiceNotifier
    from satellite.runtime.supervisor import StopCause

log = logging.getLogger("satellite")


def add_parser(subparsers: Subparsers) -> None:
    """Arguments of `run`."""
    add_config_option(
        subparsers.add_parser(
            "run",
            help=COMMANDS["run"],
            description="Runs the satellite until SIGTERM or SIGINT; SIGHUP reads the configuration again.",
            epilog="Exit code 0 after an ordered stop, 78 on a configuration error, 1 on a fault.",
        )
    )


def run(args: argparse.Namespace) -> int:
    """Load, run, and begin anew after a reload; a restart replaces the process."""
    # loaded only when used: help and usage errors must be instant
    from satellite.errors import ConfigError  # noqa: PLC0415

    try:
        loaded = _load(args.config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    return _run_until_stopped(args.config, loaded)


def _load(path: str) -> "Loaded":
    from satellite.config.loader import load_all  # noqa: PLC0415 - loaded only when used

    return load_all(path)


def _run_until_stopped(path: str, loaded: "Loaded") -> int:
    """Run, again after a reload. A restart replaces the process, so that it begins as if freshly started."""
    from satellite.adapters.process import keep_to_ourselves  # noqa: PLC0415 - loaded only when used
    from satellite.adapters.systemd import make_notifier  # noqa: PLC0415 - loaded only when used
    from satellite.runtime.supervisor import StopCause  # noqa: PLC0415 - loaded only when used

    keep_to_ourselves()
    notifier = make_notifier(os.environ)
    while True:
        reload = _Reload(path, loaded)
        try:
            cause = _live(loaded, notifier, reload)
        except BaseExceptionGroup as group:
            log.critical("a fault ended the run", exc_info=group)
            return EXIT_FAULT
        if cause is StopCause.RESTART:
            os.execv(sys.executable, [sys.executable, "-m", "satellite", "run", "-c", path])  # noqa: S606 - ourselves
        if cause is not StopCause.RELOAD:
            return EXIT_OK
        loaded = reload.loaded


class _Reload:
    """Reads the configuration again when asked; a broken one changes nothing."""

    def __init__(self, path: str, loaded: "Loaded") -> None:
        self._path = path
        self.loaded = loaded

    def __call__(self) -> bool:
        """True when there is a new configuration to begin anew with."""
        from satellite.errors import ConfigError  # noqa: PLC0415 - loaded only when used

        try:
            self.loaded = _load(self._path)
        except ConfigError as error:
            for problem in error.problems:
                log.error("reload: %s", problem)  # noqa: TRY400 - a sentence, not a trace
            log.error("reload: the configuration before stays in force")  # noqa: TRY400 - a sentence, not a trace
            return False
        return True


def _live(loaded: "Loaded", notifier: "ServiceNotifier", reload: _Reload) -> "StopCause":
    """One life of the application."""
    import asyncio  # noqa: PLC0415 - loaded only when used

    from satellite.adapters.logs import set_up_logging  # noqa: PLC0415 - loaded only when used
    from satellite.adapters.settings import state_directory  # noqa: PLC0415 - loaded only when used
    from satellite.app import App, Surroundings  # noqa: PLC0415 - loaded only when used

    set_up_logging(loaded.config.logging.level)
    for warning in loaded.warnings:
        log.warning("%s", warning)

    async def life() -> "StopCause":
        return await App(loaded.config, Surroundings(notifier, state_directory(os.environ), on_reload=reload)).run()

    return asyncio.run(life())
