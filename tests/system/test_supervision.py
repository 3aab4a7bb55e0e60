"""Bugs of ours end the process at once and cleanly: one trace, `offline`, an exit code that has it started anew."""

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import Daemon, program
from tests.fakes.faulty import SECRET
from tests.fakes.manager import Manager
from tests.fakes.vcard import VirtualCard

SERVICES = ("publisher", "uplink", "speaker", "listener", "sounds", "tidy", "pulse")
TRACE = "Traceback (most recent call last):"
SAYS_SO_WITHIN_S = 10.0
STOPS_WITHIN_S = 20.0
SLACK_S = 20.0
STARVED_AFTER_S = 4.0
BUSY_MACHINE_S = 5.0

CONFIG = """
satellite: {{id: {id}}}
audio: {{driver: alsa, input: {{device: "{microphone}"}}, output: {{device: "{loudspeaker}"}}}}
voice: {{backend: loopback}}
mqtt: {{port: {port}}}
"""


def write(directory: Path, port: int, satellite: str, microphone: str = "null", loudspeaker: str = "null") -> str:
    path = directory / f"{satellite}.yaml"
    path.write_text(CONFIG.format(id=satellite, port=port, microphone=microphone, loudspeaker=loudspeaker))
    return str(path)


def faulty(stack: contextlib.ExitStack | AsyncExitStack, fault: str, config: str, **environment: str) -> Daemon:
    """The daemon with a fault in it."""
    directory = Path(config).parent
    return stack.enter_context(program(directory, "tests.fakes.faulty", fault, "run", "-c", config, **environment))


async def until_over(daemon: Daemon, timeout_s: float = 30.0) -> int:
    return await asyncio.to_thread(daemon.wait, timeout_s)


def availability(satellite: str) -> str:
    return f"voice-satellite/{satellite}/availability"


def assert_one_clean_trace(log: str) -> None:
    assert log.count(TRACE) == 1, log
    assert log.count("a fault ended the run") == 1
    assert SECRET not in log
    assert "KeyError" in log


@pytest.fixture
async def seen(broker: Broker) -> AsyncIterator[Subscriber]:
    async with subscriber(broker.port) as watching:
        yield watching


@pytest.mark.slow
async def test_a_bug_in_any_service_ends_the_process(broker: Broker, seen: Subscriber, tmp_path: Path) -> None:
    """All of them at once, each in a satellite of its own."""
    daemons: dict[str, Daemon] = {}
    faults = (*SERVICES, "call-back")
    async with AsyncExitStack() as stack:
        for name in faults:
            daemons[name] = faulty(stack, name, write(tmp_path, broker.port, name))
        codes = {name: await until_over(daemon) for name, daemon in daemons.items()}
    assert codes == dict.fromkeys(faults, 1)
    for name, daemon in daemons.items():
        assert_one_clean_trace(daemon.log)
        assert seen.texts(availability(name)) == ["online", "offline"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["capture", "playback"])
async def test_a_bug_at_a_device_ends_the_process(broker: Broker, seen: Subscriber, tmp_path: Path, fault: str) -> None:
    with VirtualCard(tmp_path / "card") as card, contextlib.ExitStack() as stack:
        config = write(tmp_path, broker.port, "sat1", "satmic", "satspk")
        daemon = faulty(stack, fault, config, ALSA_CONFIG_PATH=str(card.conf))
        if fault == "playback":
            await seen.until_text(availability("sat1"), "online")
            card.say(b"\x00\x40\x00\xc0" * 8_000)
        assert await until_over(daemon) == 1
    assert_one_clean_trace(daemon.log)
    await seen.until_text(availability("sat1"), "offline")


# --- a satellite that hears nothing -----------------------------------------------------------------------------


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


@pytest.mark.slow
async def test_a_deaf_satellite_does_not_look_healthy(
    broker: Broker, seen: Subscriber, manager: Manager, tmp_path: Path
) -> None:
    """The card falls silent without an error, and the check for that is broken: the loop turns, nothing is heard."""
    with VirtualCard(tmp_path / "card") as card, contextlib.ExitStack() as stack:
        config = write(tmp_path, broker.port, "sat1", "satmic")
        daemon = faulty(
            stack,
            "deaf",
            config,
            ALSA_CONFIG_PATH=str(card.conf),
            NOTIFY_SOCKET=manager.address,
            WATCHDOG_USEC="1000000",
        )
        await asyncio.to_thread(manager.wait_for, "WATCHDOG=1")
        await seen.until_text(availability("sat1"), "online")
        card.stall()
        stalled_at = time.monotonic()
        await seen.until_text(availability("sat1"), "offline", SAYS_SO_WITHIN_S + SLACK_S)
        said_after_s = seen.on(availability("sat1"))[-1].time_s - stalled_at
        manager.waiting()
        assert await until_over(daemon) == 1
    assert said_after_s < SAYS_SO_WITHIN_S + BUSY_MACHINE_S
    assert manager.waiting() == [], "nothing feeds the watchdog any more"
    log = daemon.log
    assert "capture stands still" in log
    assert re.search("^satellite.listener: .*Listener.run", log, re.MULTILINE), "where the tasks are"
    assert "most recent call first" in log, "where the threads are"
    assert log.count(TRACE) == 1


@pytest.mark.slow
async def test_a_loop_that_hangs_starves_the_watchdog_and_leaves_a_trace(
    broker: Broker, seen: Subscriber, manager: Manager, tmp_path: Path
) -> None:
    config = write(tmp_path, broker.port, "sat1")
    with contextlib.ExitStack() as stack:
        daemon = faulty(stack, "hanging-detector", config, NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="1000000")
        await asyncio.to_thread(manager.wait_for, "WATCHDOG=1")
        await seen.until_text(availability("sat1"), "online")
        await asyncio.to_thread(manager.wait_for_silence, STARVED_AFTER_S)
        assert daemon.process.poll() is None
        daemon.signal(signal.SIGABRT)  # as systemd does
        assert await until_over(daemon) == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in daemon.log
    assert re.search("in hang_in_c\n.*\n.*hearing.py", daemon.log), "where it hangs"
    await seen.until_text(availability("sat1"), "offline")


# --- an end that is held up -------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_call_that_never_returns_does_not_hold_up_the_stop(
    broker: Broker, seen: Subscriber, tmp_path: Path
) -> None:
    config = write(tmp_path, broker.port, "sat1")
    with contextlib.ExitStack() as stack:
        daemon = faulty(stack, "stuck-worker", config)
        await seen.until_text(availability("sat1"), "online")
        daemon.signal(signal.SIGTERM)
        assert await until_over(daemon, STOPS_WITHIN_S) == 0
    assert "1 calls do not return: ending without them" in daemon.log
    assert seen.texts(availability("sat1")) == ["online", "offline"]
