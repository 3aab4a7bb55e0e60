"""Twenty kills of the sound server and twenty stalls of the card, under daemons that capture all the time.

    python -m bench.devices [--cycles 20] [--driver alsa,portaudio] [--seed 1] [--kinds kill,freeze,stall,end]

    kill     the sound server is killed and started anew (its microphone by ALSA's plug-in)
    freeze   the sound server is stopped and goes on: it says nothing and closes nothing
    stall    the card's source stops and goes on
    end      the card's source ends and is there again

For each driver and each pair (kill, freeze: one daemon; stall, end: another) it prints when the loss was told on MQTT,
when audio flowed again after the device was back, and what the daemon holds then. Exit code 1 when a loss is not told
within a second (and the machine's slack), audio does not flow 5 s after the return, a problem is not cleared, or a
descriptor, a thread or a process more is held than before.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.losses import BACK_WITHIN_S, NOTICED_WITHIN_S, Outcome, Satellite, device_config, satellite
from tests.fakes.soundserver import SoundServer, is_installed
from tests.fakes.vcard import VirtualCard

AWAY_S = (0.5, 6.0)
OPEN_AFTER_S = 3.0
SLACK_S = 1.0
"""For what a busy machine takes to bring the message here."""
SERVER_KINDS = ("kill", "freeze")
CARD_KINDS = ("stall", "end")
NO_SERVER = "pulseaudio is not installed (apt-get install pulseaudio pulseaudio-utils): the sound server is not tried"


@dataclass(frozen=True)
class Trial:
    """One satellite with the faults it is to bear, in turn."""

    sat: Satellite
    driver: str
    faults: dict[str, tuple[Callable[[], None], Callable[[], None]]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=20, help="of each kind")
    parser.add_argument("--driver", default="alsa,portaudio")
    parser.add_argument("--kinds", default="kill,stall")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="devices-") as name:
        complaints = asyncio.run(_run(args, Path(name)))
    print(f"\n{len(complaints)} promises broken" if complaints else "\nall promises kept")
    for complaint in complaints:
        print(f"  {complaint}")
    return 1 if complaints else 0


async def _run(args: argparse.Namespace, directory: Path) -> list[str]:
    kinds = args.kinds.split(",")
    if not is_installed():
        print(NO_SERVER)
        kinds = [kind for kind in kinds if kind not in SERVER_KINDS]
    print(f"seed {args.seed}, {args.cycles} cycles of each of: {', '.join(kinds)}")
    print("                        told after  back after   descriptors, threads, processes")
    complaints: list[str] = []
    with Broker(directory / "broker") as broker:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_side(args, directory / f"{driver}-{side[0]}", broker, driver, side))
                for driver in args.driver.split(",")
                for side in (SERVER_KINDS, CARD_KINDS)
                if set(side) & set(kinds)
            ]
        for task in tasks:
            complaints += task.result()
    return complaints


async def _side(
    args: argparse.Namespace, directory: Path, broker: Broker, driver: str, side: tuple[str, ...]
) -> list[str]:
    """All cycles of one satellite."""
    directory.mkdir()
    wanted = [kind for kind in side if kind in args.kinds.split(",")]
    rng = random.Random(f"{args.seed} {driver} {side}")
    outcomes: list[Outcome] = []
    complaints: list[str] = []
    async with subscriber(broker.port) as seen, _satellite(directory, seen, broker, driver, side) as trial:
        await trial.sat.hears()
        await asyncio.sleep(OPEN_AFTER_S)
        before = await trial.sat.settled()
        for number in range(1, args.cycles + 1):
            for kind in wanted:
                label = f"{driver:9} {kind:6} {number:3}"
                outcome = await trial.sat.loses(*trial.faults[kind], rng.uniform(*AWAY_S), before)
                outcomes.append(outcome)
                now = outcome.after
                print(
                    f"{label}     {outcome.told_s:6.2f} s    {outcome.back_s:6.2f} s     "
                    f"{now.descriptors}, {now.threads}, {now.processes}   {outcome.message[:70]}",
                    flush=True,
                )
                complaints += [f"{label}: {text}" for text in _broken(outcome)]
                if now != before:
                    complaints.append(f"{label}: held {before} before and {now} after")
        after = await trial.sat.settled(before)
        trial.sat.daemon.signal(signal.SIGTERM)
        if await asyncio.to_thread(trial.sat.daemon.wait):
            complaints.append(f"{driver}: exit code {trial.sat.daemon.exit_code}")
    told, back = max(each.told_s for each in outcomes), max(each.back_s for each in outcomes)
    print(f"{driver:9} {'/'.join(wanted)}: told after {told:.2f} s, back after {back:.2f} s at most")
    print(f"{driver:9} {'/'.join(wanted)}: {before} before, {after} after")
    return complaints


def _broken(outcome: Outcome) -> list[str]:
    """Promises that one loss broke."""
    broken = []
    if outcome.told_s > NOTICED_WITHIN_S + SLACK_S:
        broken.append(f"told only after {outcome.told_s:.2f} s")
    if outcome.back_s > BACK_WITHIN_S:
        broken.append(f"back only {outcome.back_s:.2f} s after the device")
    return broken


@asynccontextmanager
async def _satellite(
    directory: Path, seen: Subscriber, broker: Broker, driver: str, side: tuple[str, ...]
) -> AsyncIterator[Trial]:
    """A satellite on a sound server or on a card, hearing."""
    name = f"{driver}-{side[0]}"
    if side == SERVER_KINDS:
        with SoundServer(directory / "pulse") as server:
            config = device_config(name, broker.port, driver, "servermic", "null")
            async with satellite(directory, seen, config, ALSA_CONFIG_PATH=str(server.conf)) as sat:
                yield Trial(sat, driver, {"kill": (server.kill, server.start), "freeze": (server.stall, server.resume)})
    else:
        with VirtualCard(directory / "card") as card:
            config = device_config(name, broker.port, driver, "vmic", "null")
            async with satellite(directory, seen, config, ALSA_CONFIG_PATH=str(card.conf)) as sat:
                yield Trial(sat, driver, {"stall": (card.stall, card.resume), "end": (card.unplug, card.replug)})


if __name__ == "__main__":
    sys.exit(main())
