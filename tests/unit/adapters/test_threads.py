"""Nothing that is stuck keeps the process alive."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from satellite.adapters.threads import LastResort, WorkerPool, leave_stuck_threads
from tests.fakes.daemon import ROOT

ENDS_WITHIN_S = 30.0
FOR_EVER_S = 1000

PREAMBLE = f"""
import asyncio, logging, sys, threading, time
from satellite.adapters.threads import LastResort, WorkerPool, leave_stuck_threads

async def run():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(WorkerPool())
    loop.run_in_executor(None, time.sleep, {FOR_EVER_S})
    await asyncio.sleep(0.1)
"""


def ended(program: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, for it ends by force."""
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )


@pytest.mark.parametrize("code", [0, 1])
def test_a_call_that_never_returns_is_left_behind(code: int) -> None:
    over = ended(f"asyncio.run(run()); print('over'); leave_stuck_threads({code}); print('not reached')")
    assert (over.returncode, over.stdout, over.stderr) == (
        code,
        "over\n",
        "1 calls do not return: ending without them\n",
    )


def test_whatever_is_stuck_ends_by_force_with_the_stacks_of_all_threads() -> None:
    over = ended(f"LastResort(3).arm(0.1)\ndef stuck():\n    time.sleep({FOR_EVER_S})\nstuck()")
    assert over.returncode == 3
    assert "ending by force" in over.stderr
    assert "in stuck" in over.stderr


def test_what_ends_by_itself_is_left_alone() -> None:
    resort = LastResort(3)
    resort.disarm()
    resort.arm(0.05)
    resort.arm(3600.0)
    time.sleep(0.2)
    assert "satellite.last-resort" in {thread.name for thread in threading.enumerate()}
    resort.disarm()
    resort.disarm()


async def test_the_pool_works() -> None:
    pool = WorkerPool()
    assert await asyncio.get_running_loop().run_in_executor(pool, sum, [1, 2]) == 3
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(print)
    leave_stuck_threads(3)  # there are none, or this would be the end
