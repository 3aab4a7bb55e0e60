"""Fails unless each file of a pure room reaches 100 % branch coverage from its own test file alone."""

import io
import sys
from pathlib import Path

import coverage

PURE_ROOMS = ("core", "backends", "homeassistant")
ROOT = Path(__file__).resolve().parent.parent


def own_test(source: Path) -> Path:
    """Where the tests of a source file live."""
    inside = source.relative_to(ROOT / "satellite")
    return ROOT / "tests" / "unit" / inside.parent / f"test_{inside.name}"


def covered_percent(data: coverage.Coverage, source: Path) -> tuple[float, str]:
    """Branch coverage of one file from its own test, with the report that says what is missing."""
    text = io.StringIO()
    test = own_test(source).relative_to(ROOT).as_posix()
    try:
        percent = data.report(include=[str(source)], contexts=[f"{test}.*"], file=text, skip_covered=False)
    except coverage.exceptions.NoDataError:
        percent = 0.0
    return percent, text.getvalue()


def main() -> int:
    """Checks all pure files; the exit code."""
    data = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    data.load()
    failed = 0
    sources = [path for room in PURE_ROOMS for path in sorted((ROOT / "satellite" / room).rglob("*.py"))]
    for source in sources:
        if not source.read_text().strip() or source.name == "__init__.py":
            continue
        percent, report = covered_percent(data, source)
        if percent < 100:
            failed += 1
            print(f"{source.relative_to(ROOT)}: {percent:.1f} % from {own_test(source).relative_to(ROOT)}")
            print("\n".join(line for line in report.splitlines() if source.name in line))
    print(f"{len(sources)} files, {failed} below 100 %")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
