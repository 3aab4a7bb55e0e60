"""The course of a diagnosis: chains of checks side by side, each check within its deadline."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from satellite.app.diagnosis.report import Outcome, Result, failed
from satellite.ports import Clock

Attempt = Callable[[], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to try."""

    id: str
    title: str
    deadline_s: float
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Chain:
    """Checks that come one after the other, and what to tidy up behind them."""

    checks: tuple[Check, ...]
    end: Callable[[], Awaitable[None]] | None = None


class Course:
    """Carries chains out, and tells each result when it is there."""

    def __init__(self, clock: Clock, on_result: Callable[[Result], None], presentable: Callable[[str], str]) -> None:
        self._clock = clock
        self._on_result = on_result
        self._presentable = presentable

    async def run(self, chains: Sequence[Chain]) -> dict[str, Result]:
        """All results by their ids."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._chain(chain), name="satellite.doctor.chain") for chain in chains]
        return {result.id: result for task in tasks for result in task.result()}

    async def _chain(self, chain: Chain) -> list[Result]:
        results = []
        try:
            for check in chain.checks:
                result = await self._result(check)
                self._on_result(result)
                results.append(result)
        finally:
            if chain.end is not None:
                await chain.end()
        return results

    async def _result(self, check: Check) -> Result:
        began_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(check.deadline_s):
                outcome = await check.attempt()
        except TimeoutError:
            detail = f"not done within {check.deadline_s:.0f} s: something hangs"
            outcome = failed(detail, "try again; the log of the satellite and `dmesg` may tell what hangs")
        mend = None if outcome.mend is None else self._presentable(outcome.mend)
        outcome = replace(outcome, detail=self._presentable(outcome.detail), mend=mend)
        return Result(check.id, check.title, outcome, round((self._clock.monotonic() - began_at) * 1000))
