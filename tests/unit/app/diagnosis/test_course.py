import asyncio

import pytest

from satellite.adapters.clock import SystemClock
from satellite.app.diagnosis.course import Chain, Check, Course
from satellite.app.diagnosis.report import Outcome, Result, Verdict, failed, passed


def course(told: list[Result]) -> Course:
    return Course(SystemClock(), told.append, lambda text: text.replace("hunter2", "****"))


async def well() -> Outcome:
    return passed("well with hunter2")


async def hanging() -> Outcome:
    await asyncio.sleep(60)
    return passed("never")


async def test_what_hangs_fails_at_its_deadline_and_the_rest_goes_on() -> None:
    told: list[Result] = []
    ended = []

    async def end() -> None:
        ended.append(len(told))

    chains = [
        Chain((Check("a", "A", 0.05, hanging), Check("b", "B", 5, well)), end),
        Chain((Check("c", "C", 5, well),)),
    ]
    results = await course(told).run(chains)
    assert {name: result.outcome.verdict for name, result in results.items()} == {
        "a": Verdict.FAIL,
        "b": Verdict.PASS,
        "c": Verdict.PASS,
    }
    assert "not done within 0 s" in results["a"].outcome.detail
    assert results["a"].duration_ms >= 50
    assert sorted(result.id for result in told) == ["a", "b", "c"]
    assert len(ended) == 1


async def test_no_secret_leaves_the_course() -> None:
    async def telltale() -> Outcome:
        return failed("hunter2 refused", "change hunter2")

    results = await course([]).run([Chain((Check("a", "A", 5, well), Check("b", "B", 5, telltale)))])
    assert results["a"].outcome.detail == "well with ****"
    assert results["b"].outcome == failed("**** refused", "change ****")


async def test_a_chain_tidies_up_when_it_is_interrupted() -> None:
    ended = asyncio.Event()

    async def end() -> None:
        ended.set()

    running = asyncio.ensure_future(course([]).run([Chain((Check("a", "A", 60, hanging),), end)]))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()
