"""The whole satellite under random faults: nothing lost, nothing told twice, and it always comes back.

A short seeded slice of `python -m bench.faults`, which strikes hundreds.
"""

import random
from pathlib import Path

import pytest

from tests.fakes.faults.campaign import Campaign, Planned
from tests.fakes.faults.rig import RigOptions, rig

KINDS = ("reset", "half_open", "error", "broker_killed", "card_stalled", "daemon_killed_without_broker")


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_it_comes_back_from_every_fault_with_all_that_was_concluded(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    rng = random.Random(seed)
    faults = [Planned(index, kind, rng.uniform(0, 2)) for index, kind in enumerate(rng.sample(KINDS, len(KINDS)))]
    async with rig(tmp_path / "rig", RigOptions(loop_minutes=2, seed=seed)) as satellite:
        campaign = Campaign(satellite, seed)
        await campaign.begin()
        await campaign.run(faults, float("inf"))
        outcome = await campaign.finish()
    assert outcome.complaints == []
    assert [struck.kind for struck in outcome.faults if struck.recovered_s is not None] == [f.kind for f in faults]
    assert outcome.verdict.sent > len(KINDS), "nothing was tested"
    assert outcome.exit_code == 0
