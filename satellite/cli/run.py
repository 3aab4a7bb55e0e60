"""`voice-satellite run`: the daemon, in the foreground."""

import argparse
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from satellite.cli import COMMANDS, EXIT_CONFIG, EXIT_FAULT, EXIT_OK, Subparsers, add_config_option

if TYPE_CHECKING:
    from satellite.adapters.systemd import SystemdNotifier
    from satellite.config.loader import Loaded
    from satellite.errors import ConfigError
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
    from satellite.adapters.systemd import make_notifier  # noqa: PLC0415
    from satellite.errors import ConfigError  # noqa: PLC0415

    _expect_signals()
    notifier = make_notifier(os.environ)
    notifier.starting("reading the configuration")
    try:
        loaded = _load(args.config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        notifier.refused(_first_problem(error))
        return EXIT_CONFIG
    return _run_until_stopped(args.config, loaded, notifier)


def _first_problem(error: "ConfigError") -> str:
    """What to mend first, and how much else there is."""
    others = len(error.problems) - 1
    return f"{error.problems[0]}{f' (and {others} more)' if others else ''}"


def _expect_signals() -> None:
    """While no application runs that takes them: a stop is in order, and there is nothing to reload."""

    def stop(*_: object) -> None:
        sys.exit(EXIT_OK)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _load(path: str) -> "Loaded":
    from satellite.config.loader import load_all  # noqa: PLC0415 - loaded only when used

    return load_all(path)


def _run_until_stopped(path: str, loaded: "Loaded", notifier: "SystemdNotifier") -> int:
    """Run, again after a reload. A restart replaces the process, so that it begins as if freshly started."""
    # loaded only when used: help and usage errors must be instant
    from satellite.adapters.process import keep_to_ourselves  # noqa: PLC0415
    from satellite.adapters.stacks import dump_when_aborted  # noqa: PLC0415
    from satellite.adapters.threads import leave_stuck_threads  # noqa: PLC0415
    from satellite.runtime.supervisor import StopCause  # noqa: PLC0415

    keep_to_ourselves()
    dump_when_aborted()
    while True:
        reload = _Reload(path, loaded)
        try:
            cause = _live(loaded, notifier, reload)
        except BaseExceptionGroup as group:
            log.critical("a fault ended the run", exc_info=_only(group))
            leave_stuck_threads(EXIT_FAULT)
            return EXIT_FAULT
        _expect_signals()
        if cause is StopCause.RESTART:
            os.execv(sys.executable, [sys.executable, "-m", "satellite", "run", "-c", path])  # noqa: S606 - ourselves
        if cause is not StopCause.RELOAD:
            leave_stuck_threads(EXIT_OK)
            return EXIT_OK
        loaded = reload.loaded


def _only(error: BaseException) -> BaseException:
    """What a group of one is about, so that its trace is all there is to read."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


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


def _live(loaded: "Loaded", notifier: "SystemdNotifier", reload: _Reload) -> "StopCause":
    """One life of the application."""
    notifier.starting("loading the program")
    import asyncio  # noqa: PLC0415 - loaded only when used

    from satellite.adapters.logs import set_up_logging  # noqa: PLC0415 - loaded only when used
    from satellite.adapters.settings import state_directory  # noqa: PLC0415 - loaded only when used
    from satellite.adapters.threads import LastResort, WorkerPool  # noqa: PLC0415 - loaded only when used
    from satellite.app import App, Surroundings  # noqa: PLC0415 - loaded only when used

    notifier.starting("looking at what is kept and at the devices")
    set_up_logging(loaded.config.logging.level)
    for warning in loaded.warnings:
        log.warning("%s", warning)

    last_resort = LastResort(EXIT_FAULT)
    around = Surroundings(notifier, state_directory(os.environ), on_reload=reload, end_within=last_resort.arm)

    async def life() -> "StopCause":
        asyncio.get_running_loop().set_default_executor(WorkerPool())
        return await App(loaded.config, around).run()

    try:
        return asyncio.run(life())
    finally:
        last_resort.disarm()
