"""`voice-satellite doctor`: tries the real things one by one, and says how to mend what is not well."""

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from satellite.cli import COMMANDS, EXIT_FAULT, EXIT_INTERRUPTED, EXIT_OK, Subparsers, add_config_option
from satellite.cli.terminal import DEFAULT_COLUMNS, PROSE_COLUMNS, Streams, Terminal, harmless

if TYPE_CHECKING:
    from satellite.app.diagnosis import Report, Request, Result

STYLES = {"pass": "32", "warn": "33", "fail": "1;31", "skip": "2"}
VERDICT_COLUMNS = 6
NARROWEST = 20
"""Columns left for what was seen, however narrow the terminal is."""


def add_parser(subparsers: Subparsers) -> None:
    """Arguments of `doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help=COMMANDS["doctor"],
        description="Tries devices, broker, voice service, clock and service for real, beside a satellite that runs or"
        " without one, and says how to mend what is not well.",
        epilog="Exit code 0, 1 when anything fails.",
    )
    add_config_option(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    parser.add_argument("--no-tone", action="store_true", help="open the loudspeaker without a sound")


def run(args: argparse.Namespace) -> int:
    """The table, or the object; 1 on any fail, 130 after Ctrl-C."""
    # loaded only when used: help and usage errors must be instant
    from satellite.adapters.threads import leave_stuck_threads  # noqa: PLC0415
    from satellite.app.diagnosis import Request, Verdict  # noqa: PLC0415

    streams = Streams()
    request = Request(args.config, os.environ, with_tone=not args.no_tone)
    try:
        report = _diagnosed(request, streams.err)
    except KeyboardInterrupt:
        streams.warn("interrupted before everything was tried")
        leave_stuck_threads(EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    if args.json:
        streams.say(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        for line in table(report, streams.out):
            streams.say(line)
    code = EXIT_FAULT if report.verdict is Verdict.FAIL else EXIT_OK
    leave_stuck_threads(code)
    return code


def _diagnosed(request: "Request", progress: Terminal) -> "Report":
    """Carry it out, with a line that tells how far it is."""
    import asyncio  # noqa: PLC0415 - loaded only when used
    import logging  # noqa: PLC0415 - loaded only when used

    from satellite.adapters.threads import WorkerPool  # noqa: PLC0415 - loaded only when used
    from satellite.app.diagnosis import TITLES, diagnose  # noqa: PLC0415 - loaded only when used

    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)  # what is worth knowing comes as a result
    left = list(TITLES.values())

    def tell(result: "Result") -> None:
        left.remove(result.title)
        progress.show(f"trying: {', '.join(left)}")

    async def course() -> "Report":
        asyncio.get_running_loop().set_default_executor(WorkerPool())
        return await diagnose(request, tell)

    progress.show(f"trying: {', '.join(left)}")
    try:
        return asyncio.run(course())
    finally:
        progress.erase()


def table(report: "Report", terminal: Terminal) -> Iterator[str]:
    """A line for each check, more where it is long, and the sum."""
    width = min(PROSE_COLUMNS, terminal.columns - 1) if terminal.is_lively else DEFAULT_COLUMNS - 1
    title_columns = max(len(result.title) for result in report.results) + 2
    for result in report.results:
        yield from _row(result, terminal, width, title_columns)
    verdicts = [result.outcome.verdict.value for result in report.results]
    yield ""
    yield ", ".join(f"{verdicts.count(word)} {word}" for word in STYLES if word in verdicts)


def _row(result: "Result", terminal: Terminal, width: int, title_columns: int) -> Iterator[str]:
    indent = VERDICT_COLUMNS + title_columns
    room = max(NARROWEST, width - indent)
    outcome = result.outcome
    lines = _filled(outcome.detail, room)
    if outcome.mend:
        lines += [f"→ {line}" if at == 0 else f"  {line}" for at, line in enumerate(_filled(outcome.mend, room - 2))]
    verdict = terminal.styled(outcome.verdict.value, STYLES[outcome.verdict.value])
    padding = " " * (VERDICT_COLUMNS - len(outcome.verdict.value))
    yield f"{verdict}{padding}{result.title:<{title_columns}}{lines[0]}"
    for line in lines[1:]:
        yield " " * indent + line


def _filled(text: str, columns: int) -> list[str]:
    return textwrap.wrap(harmless(text), columns, break_on_hyphens=False) or [""]
