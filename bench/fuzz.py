"""Bad input by the million: mutated messages through every decoder and core, each of which may only end normally.

    python -m bench.fuzz --messages 1000000 --seed 1              every target, its share of the messages
    python -m bench.fuzz --seconds 60 --target deepl.session      one target, for so long
    python -m bench.fuzz --guided --seconds 120 --target deepl.json   guided by coverage (needs atheris)

Prints for each target what it was given and what came of it. An input that was not survived is written to --failures
and makes the exit code 1; from there it goes into tests/data/fuzz, where the tests replay it. The same seed gives the
same inputs.
"""

import argparse
import os
import sys
from pathlib import Path

from bench.guided import GuidedReport, is_available, run_guided
from tests.fuzz.all import targets
from tests.fuzz.campaign import Report, run_apart

MESSAGES_PER_TARGET_MIN = 200
HEAD = f"{'target':<18}{'inputs':>9}{'messages':>10}{'inputs/s':>10}{'outcomes':>10}{'failures':>10}{'RSS +MB':>9}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000, help="in all, dealt out by share")
    parser.add_argument("--seconds", type=float, help="for each target, instead of a number of messages")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", choices=sorted(targets()), metavar="NAME")
    parser.add_argument("--guided", action="store_true", help="search for inputs that reach new code (atheris)")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="where bad inputs are written to")
    args = parser.parse_args()
    names = args.target or list(targets())
    print(f"seed {args.seed}")
    if args.guided and is_available():
        return _guided(names, args.seconds or 60.0, args.failures)
    if args.guided:
        print("atheris is not installed (pip install --group fuzz): seeded mutation instead")
    shares = sum(targets()[name].share for name in names)
    reports = []
    print(HEAD)
    for name in names:
        messages = max(MESSAGES_PER_TARGET_MIN, round(args.messages * targets()[name].share / shares))
        report = run_apart(name, args.seed, messages, args.seconds)
        reports.append(report)
        print(_line(report), flush=True)
        _keep(report, args.failures)
    total = Report("all", sum(each.inputs for each in reports), sum(each.messages for each in reports))
    total.seconds = sum(each.seconds for each in reports)
    total.failures = [failure for each in reports for failure in each.failures]
    total.rss_growth_mb = max(each.rss_growth_mb for each in reports)
    print(_line(total))
    print(f"unhandled exceptions: {len(total.failures)}")
    return 1 if total.failures else 0


def _line(report: Report) -> str:
    speed = report.inputs / report.seconds if report.seconds else 0.0
    return (
        f"{report.name:<18}{report.inputs:>9}{report.messages:>10}{speed:>10.0f}{len(report.outcomes) or '':>10}"
        f"{len(report.failures):>10}{report.rss_growth_mb:>9.1f}"
    )


def _keep(report: Report, directory: Path) -> None:
    """Write what was not survived to files, and say where."""
    told: set[str] = set()
    for index, data, trace in report.failures:
        path = directory / report.name / f"{index}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        cause = trace.strip()[-300:]
        print(f"  {path}" + ("" if cause in told else f"\n{_shown(trace)}"))
        told.add(cause)


def _shown(trace: str) -> str:
    """Its end, indented."""
    lines = [line[:200] for line in trace.strip().splitlines()[-40:]]
    return "    " + "\n    ".join(lines)


def _guided(names: list[str], seconds: float, directory: Path) -> int:
    print(f"{'target':<18}{'inputs':>9}{'inputs/s':>10}{'edges':>9}{'features':>10}{'RSS MB':>9}{'failures':>10}")
    failed = False
    for name in names:
        report: GuidedReport = run_guided(name, seconds, directory / name)
        failed |= bool(report.failures)
        print(
            f"{name:<18}{report.inputs:>9}{report.inputs / seconds:>10.0f}{report.edges:>9}{report.features:>10}"
            f"{report.rss_mb:>9}{len(report.failures):>10}",
            flush=True,
        )
        for trace in report.failures:
            print(_shown(trace))
    return 1 if failed else 0


if __name__ == "__main__":
    os.nice(5)
    sys.exit(main())
