"""Search guided by coverage: atheris (libFuzzer) finds the inputs, our mutation helps, the targets judge.

Run as a program it is the search itself, as libFuzzer ends the process that it runs in:

    python -m bench.guided NAME SECONDS DIRECTORY
"""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_STATS = re.compile(r"#(\d+).*?cov: (\d+) ft: (\d+)(?:.*?rss: (\d+)Mb)?")
_MAX_LENGTH = 20_000


@dataclass
class GuidedReport:
    """What a search found."""

    inputs: int = 0
    edges: int = 0
    features: int = 0
    rss_mb: int = 0
    failures: list[str] = field(default_factory=list)


def is_available() -> bool:
    """Whether atheris is installed; there are no wheels of it for every Python."""
    return importlib.util.find_spec("atheris") is not None


def run_guided(name: str, seconds: float, failures: Path) -> GuidedReport:
    """Search for so long, in a process of its own; the input of a failure is written to the directory."""
    failures.mkdir(parents=True, exist_ok=True)
    arguments = [sys.executable, "-m", "bench.guided", name, f"{seconds:.0f}", str(failures)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    report = GuidedReport()
    for line in done.stderr.splitlines():
        if (found := _STATS.match(line)) is not None:
            numbers = [int(number or 0) for number in found.groups()]
            report.inputs, report.edges, report.features = numbers[:3]
            report.rss_mb = max(report.rss_mb, numbers[3])
    if done.returncode != 0:
        report.failures.append(done.stderr[-1_000:] + done.stdout[-4_000:])  # the trace is in the latter
    if not any(failures.iterdir()):
        failures.rmdir()
    return report


def main(name: str, seconds: str, failures: str) -> None:
    import atheris  # noqa: PLC0415 - not built for every Python

    with atheris.instrument_imports(include=["satellite"]):
        from tests.fuzz.all import target_of  # noqa: PLC0415 - imported under instrumentation
        from tests.fuzz.watch import watching  # noqa: PLC0415 - as above

        target = target_of(name)
    with watching() as watch, tempfile.TemporaryDirectory(prefix="fuzz-corpus-") as corpus:
        for number, seed in enumerate(target.seeds):
            Path(corpus, str(number)).write_bytes(seed)

        def judge(data: bytes) -> None:
            _, failure = watch.failure_of(target.run, data)
            if failure is not None:
                raise AssertionError(failure)

        def mutate(data: bytes, max_size: int, seed: int) -> bytes:
            mutated = target.mutated_from(data, seed) if seed % 2 else atheris.Mutate(data, max_size)
            return bytes(mutated)[:max_size]

        options = [f"-max_total_time={seconds}", f"-artifact_prefix={failures}/", f"-max_len={_MAX_LENGTH}", "-seed=1"]
        limits = ["-timeout=60", "-rss_limit_mb=2048", "-print_final_stats=0", "-verbosity=1"]
        atheris.Setup([sys.argv[0], *options, *limits, corpus], judge, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    os.nice(5)
    main(*sys.argv[1:4])
