"""Fails unless each file of a pure room reaches 100 % branch coverage from its own test file, run alone.

python scripts/pure_coverage.py [PART_OF_A_PATH]...
"""

import ast
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PURE_ROOMS = ("core", "backends", "homeassistant")
ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "satellite"


def own_test(source: Path) -> Path:
    """Where the tests of a source file live."""
    inside = source.relative_to(SOURCE)
    return ROOT / "tests" / "unit" / inside.parent / f"test_{inside.name}"


def has_code(source: Path) -> bool:
    """False for a file with nothing but a docstring."""
    body = ast.parse(source.read_text(encoding="utf-8")).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)


def shortfall(source: Path) -> str | None:
    """What is wrong with one file, None when its own test covers it whole."""
    test = own_test(source)
    if not test.is_file():
        return f"has no test file of its own ({test.relative_to(ROOT)})"
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        module = ".".join(source.relative_to(ROOT).with_suffix("").parts)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--cov={module}", "--cov-branch"]
        ran = subprocess.run(
            [*command, f"--cov-report=json:{report}", str(test)],
            cwd=ROOT,
            env={**os.environ, "COVERAGE_FILE": f"{directory}/data"},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            return f"its own test fails alone:\n{ran.stdout[-2000:]}"
        files = json.loads(report.read_text())["files"] if report.exists() else {}
    return missing(files.get(source.relative_to(ROOT).as_posix()))


def missing(entry: dict[str, object] | None) -> str | None:
    """Lines and branches that were not run, None when all were."""
    if entry is None:
        return "is never imported by its own test"
    lines, branches = entry["missing_lines"], entry["missing_branches"]
    return f"not covered: lines {lines}, branches {branches}" if lines or branches else None


def main(wanted: list[str]) -> int:
    """Checks all pure files, or those whose path holds one of the given texts; the exit code."""
    sources = [path for room in PURE_ROOMS for path in sorted((SOURCE / room).rglob("*.py")) if has_code(path)]
    if wanted:
        sources = [path for path in sources if any(part in path.as_posix() for part in wanted)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(sources, pool.map(shortfall, sources), strict=True))
    failed = {source: text for source, text in found.items() if text is not None}
    for source, text in failed.items():
        print(f"{source.relative_to(ROOT)}: {text}")
    print(f"{len(sources)} files, {len(failed)} below 100 %")
    return 1 if failed or not sources else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
