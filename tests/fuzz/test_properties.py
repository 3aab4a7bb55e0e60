"""The machines of the core and the session under hypothesis, which shrinks a walk to what breaks a promise."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.all import target_of, targets
from tests.fuzz.broker import make_payload

MACHINES = [target.name for target in targets().values() if target.has_steps]
UNHURRIED = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""How fast the machine is shows nothing about its promises."""

NUMBERS = st.none() | st.integers(-5, 5_000) | st.floats(0, 100)
TEXTS = st.text(st.characters() | st.characters(categories=["Cs", "Cc"]), max_size=20)


def walks(name: str) -> st.SearchStrategy[list[Any]]:
    """Set-ups as the seeds have them; steps of the seeds, and steps of their names with any arguments."""
    scripts = [json.loads(seed) for seed in target_of(name).make_seeds()]
    known = [step for script in scripts for step in script[1:]]
    names = sorted({step[0] for step in known})
    made = st.tuples(st.sampled_from(names), NUMBERS, NUMBERS, NUMBERS).map(list)
    steps = st.lists(st.sampled_from(known) | made, max_size=40)
    return st.tuples(st.sampled_from([script[0] for script in scripts]), steps).map(lambda walk: [walk[0], *walk[1]])


@pytest.mark.parametrize("name", MACHINES)
def test_no_walk_breaks_a_promise(name: str) -> None:
    @UNHURRIED
    @given(walks(name))
    def holds(walk: list[Any]) -> None:
        target_of(name).run(json.dumps(walk).encode())

    holds()


@UNHURRIED
@given(st.dictionaries(st.sampled_from(["text", "language", "reason", "id", "speaker"]), TEXTS))
def test_payloads_of_any_text_are_json(fields: dict[str, str]) -> None:
    make_payload(json.dumps(fields).encode())
