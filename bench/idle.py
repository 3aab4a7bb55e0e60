"""What an hour of silence costs: one sentence, an hour in which nobody speaks, and another sentence.

    python -m bench.idle [--backend NAME] [--hours 1]

The satellite's way to the service and the strict emulated service run in one process, over real sockets, on a clock
that jumps over the time in which nothing happens. Exit code 1 when a rule of the service was broken, when more was
billed or dialled than two sentences take, or when one of them was not heard.
"""

import argparse
import asyncio
import functools
import sys

from satellite.core.events import Stream
from satellite.emulator.registry import names
from tests.fakes.talk import PATIENCE_S, Talk, conversation, spans, speak
from tests.fakes.virtual_time import VirtualClock, VirtualLoop

BILLED_MAX_S = 30.0
"""Two sentences with all that a service needs to hear around them, and what keeps a session until it is idle."""
DIALLED_MAX = 2
SOCKETS_WITHIN_S = 0.002
"""Real time that what was sent may take from one socket to the other before the clock jumps."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=names(), action="append", help="default: all")
    parser.add_argument("--hours", type=float, default=1.0)
    args = parser.parse_args()
    print(f"{'backend':10} {'billed s':>9} {'streamed s':>11} {'connections':>12} {'violations':>11}  words")
    is_fine = True
    for name in args.backend or names():
        with asyncio.Runner(loop_factory=functools.partial(VirtualLoop, SOCKETS_WITHIN_S)) as runner:
            result = runner.run(_idle(name, args.hours * 3600))
        is_fine &= _tell(name, result)
    return 0 if is_fine else 1


async def _idle(name: str, silence_s: float) -> Talk:
    first, second = spans(2)
    async with conversation(name, (), VirtualClock()) as (result, uplink, tasks):
        await speak(uplink, result, [first])
        await asyncio.sleep(silence_s)
        await speak(uplink, result, [second])
        uplink.finish()
        await asyncio.wait(tasks, timeout=PATIENCE_S)
    return result


def _tell(name: str, result: Talk) -> bool:
    assert result.emulator is not None
    billed_s = result.emulator.billed_ms / 1000
    streamed_s = sum(session.counters.sent_samples for session in result.sessions) / 16_000
    rules = result.broken_rules()
    is_heard = result.words(Stream.SOURCE) == result.expected_words()
    print(
        f"{name:10} {billed_s:9.1f} {streamed_s:11.1f} {result.connections():12} {len(rules):11}"
        f"  {'all heard' if is_heard else 'MISSING'}"
    )
    for rule in rules:
        print(f"           {rule}")
    return is_heard and not rules and billed_s <= BILLED_MAX_S and result.connections() <= DIALLED_MAX


if __name__ == "__main__":
    sys.exit(main())
