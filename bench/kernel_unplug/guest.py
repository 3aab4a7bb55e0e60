"""Runs in the guest: sets everything up, does the trials, says what it saw and which promise was broken."""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.kernel_unplug.cards import ASOUND_CONF, SHARED, Host, LoopbackCard, PromiseError, UsbCard, write_sentence
from bench.kernel_unplug.limits import Limits
from bench.kernel_unplug.trials import TRIALS, Cycle, Stage
from bench.kernel_unplug.witness import TOPICS, Holdings, Service, Witness, journal
from tests.fakes.broker import Broker, subscriber
from tests.fakes.daemon import emulator

FAILURES_MAX = 3
"""After so many broken cycles a trial is given up."""


class Notes:
    """The promises that did not hold."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.broken: list[str] = []

    @contextlib.contextmanager
    def taken(self, where: str) -> Iterator[None]:
        """A promise broken inside is noted, and what the daemon wrote meanwhile is shown."""
        began_at = time.time()
        try:
            yield
        except PromiseError as error:
            self.broken.append(f"{where}: {error}")
            self.host.say(f"BROKEN {self.broken[-1]}\n{journal(began_at)}")


def main() -> int:
    host = Host()
    try:
        code = asyncio.run(_bench(host, host.ask("order")))
    except BaseException:
        host.say(f"{traceback.format_exc()}\n{journal(0)}")
        host.end(1)
        raise
    host.end(code)
    return 0


async def _bench(host: Host, order: dict[str, Any]) -> int:
    notes = Notes(host)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        subprocess.run(["modprobe", "-a", "snd-aloop", "snd-usb-audio"], check=True)
        subprocess.run([sys.executable, "-m", "compileall", "-q", "/srv/satellite"], check=True)
        Path("/etc/asound.conf").write_text(ASOUND_CONF)
        host.say(f"Linux {os.uname().release}, driver {order['driver']}, seed {order['seed']}")
        with Broker(directory / "broker") as broker, emulator(directory / "service", "--speech", "tones") as service:
            async with subscriber(broker.port, f"{TOPICS}#") as seen:
                for trial in order["trials"]:
                    sentence = write_sentence(directory / "sentence.wav")
                    rng = random.Random(order["seed"])
                    stage = Stage(Service(), Witness(seen), LoopbackCard(), UsbCard(host), sentence, rng)
                    if trial == "limits":
                        await _limits(stage, service.base_url, broker.port, notes)
                        continue
                    with notes.taken(trial):
                        await stage.service.start(service.base_url, broker.port, await _audio(stage, trial, order))
                        await _trial(stage, trial, order["cycles"], notes)
                    with notes.taken(f"{trial}, at the end"):
                        await stage.service.stop()
    host.say("\n".join(["\nbroken:", *notes.broken] if notes.broken else ["\nevery promise held"]))
    return 1 if notes.broken else 0


async def _limits(stage: Stage, base_url: str, broker_port: int, notes: Notes) -> None:
    """What the unit allows, seen by the kernel."""
    card = {"device": SHARED}
    with notes.taken("limits"):
        await stage.service.start(base_url, broker_port, {"driver": "alsa", "input": card, "output": card})
        async for line in Limits(stage).lines():
            notes.host.say(line)


async def _audio(stage: Stage, trial: str, order: dict[str, Any]) -> dict[str, Any]:
    """The configuration's section for this trial, its cards plugged in."""
    await TRIALS[trial](stage).repair()
    driver = order["driver"]
    loopback, usb = stage.loopback.names[driver], stage.usb.names[driver]
    output = {"microphone": "null", "loudspeaker": usb, "speakerphone": loopback}[trial]
    return {"driver": driver, "input": {"device": loopback}, "output": {"device": output}}


async def _trial(stage: Stage, name: str, cycles: int, notes: Notes) -> None:
    """All cycles of a trial, after one to warm up."""
    trial = TRIALS[name](stage)
    notes.host.say(f"\n{name}\n{HEADING}")
    await trial.cycle(0)
    baseline = await stage.service.at_rest()
    notes.host.say(_row("warm", None, baseline))
    broken_before = len(notes.broken)
    for number in range(1, cycles + 1):
        with notes.taken(f"{name}, cycle {number}"):
            cycle = await trial.cycle(number)
            holdings = await stage.service.settled(baseline)
            notes.host.say(_row(str(number), cycle, holdings))
            if not holdings.fits_in(baseline):
                raise PromiseError(_excess(holdings, baseline))
        if len(notes.broken) - broken_before >= FAILURES_MAX:
            raise PromiseError(f"given up after cycle {number}")
        await trial.repair()
    notes.host.say(f"sentences that had to be said again: {trial.said_again}")


def _excess(held: Holdings, before: Holdings) -> str:
    more = dict(Counter(held.descriptors) - Counter(before.descriptors))
    return (
        f"held: {held.processes} processes (before: {before.processes}), {held.threads} threads ({before.threads}),"
        f" {len(held.descriptors)} descriptors ({len(before.descriptors)}), new: {more}"
    )


def _row(number: str, cycle: Cycle | None, holdings: Holdings) -> str:
    figures = " " * 50
    if cycle is not None:
        sounded = "" if cycle.sounded_s is None else f"{cycle.sounded_s:.1f}"
        cpu = f"{cycle.cpu_share * 100:7.0f}{cycle.calm_share * 100:8.0f}"
        figures = f"{cycle.told_s:8.1f}{cycle.away_s:8.1f}{cpu}{cycle.back_s:8.1f}{sounded:>11}"
    held = f"{holdings.processes:11}{holdings.threads:9}{len(holdings.descriptors):13}{holdings.deleted:9}"
    return f"{number:>5}{figures}{held}"


HEADING = "cycle  told s  away s  CPU %  calm %  back s  sounded s  processes  threads  descriptors  deleted"


if __name__ == "__main__":
    sys.exit(main())
