"""Every decoder and core against its corpus and some thousands of mutated inputs; `bench.fuzz` does the million."""

from pathlib import Path

import pytest

from tests.fuzz import media, sockets
from tests.fuzz.all import target_of, targets
from tests.fuzz.campaign import Report, run, run_apart
from tests.fuzz.target import CORPUS
from tests.fuzz.watch import watching

SEED = 20_261_121
MESSAGES_PER_SHARE = 250
MESSAGES_MIN = 60
CORPUS_BYTES_MAX = 200_000
APART = {target.name for target in (*sockets.TARGETS, *media.TARGETS) if not target.name.endswith((".header", ".type"))}
"""In a process of their own: some keep servers, and a decoder that crashed would take the tests with it."""


def corpus() -> list[Path]:
    return sorted(path for path in CORPUS.rglob("*") if path.is_file())


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    assert sum(path.stat().st_size for path in corpus()) < CORPUS_BYTES_MAX
    assert {path.parent.name for path in corpus()} <= targets().keys()
    assert all(path.parent.parent == CORPUS for path in corpus())


IN_PROCESS = [path for path in corpus() if path.parent.name not in APART]
"""What the others hold is given to them first, before any mutation."""


@pytest.mark.parametrize("path", IN_PROCESS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_once_not_survived_is(path: Path) -> None:
    with watching() as watch:
        _, failure = watch.failure_of(target_of(path.parent.name).run, path.read_bytes())
    assert failure is None, failure


@pytest.mark.slow
@pytest.mark.parametrize("name", targets())
def test_mutated_input_is_survived(name: str) -> None:
    messages = max(MESSAGES_MIN, round(target_of(name).share * MESSAGES_PER_SHARE))
    report = (run_apart if name in APART else run)(name, SEED, messages)
    assert not report.failures, f"seed {SEED}\n{told(report)}"
    assert report.messages >= messages


def told(report: Report) -> str:
    return "\n".join(f"input {index}: {data[:2_000]!r}\n{trace}" for index, data, trace in report.failures[:3])
