"""The broker goes away: what was concluded meanwhile arrives all the same, whatever becomes of the daemon."""

import asyncio
import json
import re
import time
from pathlib import Path

import pytest

from tests.fakes.broker import Broker, subscriber
from tests.fakes.daemon import DATA, Daemon, command, emulator, words, write_config
from tests.fakes.faults.ledger import judge
from tests.fakes.faults.rig import Rig, RigOptions, rig

pytestmark = pytest.mark.slow

BASE = "voice-satellite/sat1"
SEED = 3
FILES_LEFT = {"settings.json", "usage.json"}


async def heard(satellite: Rig, more: int) -> None:
    """Wait until the service has concluded so many more segments."""
    enough = len(satellite.tap.sent) + more
    async with asyncio.timeout(60):
        while len(satellite.tap.sent) < enough:
            await asyncio.sleep(0.1)


async def drained(satellite: Rig) -> None:
    """Wait until the satellite has nothing left for the broker, and the subscriber has all of it."""
    async with asyncio.timeout(60):
        while True:
            count = len(satellite.watcher.got)
            await asyncio.sleep(2)
            if count == len(satellite.watcher.got) and not (satellite.state / "spool.db").exists():
                return


@pytest.mark.timeout(240)
async def test_text_of_an_outage_arrives_whole_although_the_daemon_is_killed_twice(tmp_path: Path) -> None:
    async with rig(tmp_path, RigOptions(loop_minutes=4.0, seed=SEED)) as satellite:
        await heard(satellite, 2)
        satellite.broker.kill()
        for _ in range(2):
            await heard(satellite, 6)
            await satellite.kill_daemon()
            satellite.start_daemon()
        await heard(satellite, 6)
        outage = len(satellite.tap.sent)
        assert (satellite.state / "spool.db").exists()
        await asyncio.to_thread(satellite.broker.start)
        await drained(satellite)
        assert await satellite.stop_daemon() == 0
        await drained(satellite)
        verdict = judge(satellite.tap.sent, satellite.watcher.got, satellite.killed_at_s)
    assert verdict.is_kept, verdict
    assert len(verdict.lost_with_process) <= 2
    utterances = [message.body["id"] for message in satellite.watcher.got if message.topic == "utterance"]
    assert len(set(utterances)) >= outage / 2 - 6  # one may be open at each kill
    assert satellite.deaths == []


def written_bytes(daemon: Daemon) -> int:
    """All that the process has written by write calls: to files, and to its log."""
    return int(re.findall(r"wchar: (\d+)", Path(f"/proc/{daemon.process.pid}/io").read_text())[0])


async def test_nothing_is_written_while_the_broker_answers_and_at_the_end_what_it_did_not_take(
    broker: Broker, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    audio = {"duplex": "simultaneous", "output": {"device": "null"}}
    with emulator(tmp_path / "service") as service:
        config = write_config(tmp_path, service.base_url, broker.port, audio=audio, logging={"level": "error"})
        with command(tmp_path, "run", "-c", str(config)) as daemon:
            async with subscriber(broker.port) as seen:
                await seen.until_text(f"{BASE}/state", "listening", 30)
                before = written_bytes(daemon)
                await seen.until(lambda s: len(s.on(f"{BASE}/utterance")) == 3, 30)
                during = written_bytes(daemon)
                assert not state.exists() or {path.name for path in state.iterdir()} <= FILES_LEFT
                first = seen.texts(f"{BASE}/transcript")
            broker.kill()
            assert await asyncio.to_thread(daemon.wait, 60) == 0
        assert during == before
        assert (state / "spool.db").exists()
        assert daemon.log == ""
        broker.start()
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config)) as daemon:
                await seen.until(lambda s: len(s.on(f"{BASE}/utterance")) == 2, 30)
                deadline = time.monotonic() + 20
                while (state / "spool.db").exists():
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.1)
            second = seen.texts(f"{BASE}/transcript")
    labels = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
    said = words(" ".join(json.loads(text)["text"] for text in [*first, *second]))
    assert said == words(" ".join(sentence["text"] for sentence in labels))
