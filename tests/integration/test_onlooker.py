"""The live table of `fleet` on a terminal: it follows, writes little, and gives the terminal back."""

import asyncio
import signal

import pytest

from tests.fakes.broker import Broker
from tests.fakes.onlooking import BASE, at, live, page_with, say, voices
from tests.fakes.tty import tty

CLOSE = "\x1b[?25h\x1b[?1049l"


async def test_the_live_table_follows(broker: Broker) -> None:
    async with voices(broker.port) as link:
        for number in range(30):
            await say(link, f"s{number:02}")
        with tty(80, 12) as screen, live(screen, *at(broker)) as process:
            page = await page_with(screen, "30 satellites: 30 idle")
            assert page[-1] == "… and 23 more, all well"
            assert page[3].split()[:3] == ["SATELLITE", "STATE", "PROBLEM"]
            assert page[4].split()[:3] == ["s00", "idle", "0.1.0"]
            await link.send(f"{BASE}/s29/availability", "offline", retain=True)
            page = await page_with(screen, "problems: 1 offline")
            assert page[4].split()[:3] == ["s29", "offline", "offline"]
            await link.send(f"{BASE}/s03/state", "listening", retain=True)
            await page_with(screen, "1 listening")
            screen.resize(40, 30)
            page = await page_with(screen, "… and 5 more, all well")
            assert max(map(len, page)) < 40
            screen.press("\x03")
            assert await asyncio.to_thread(screen.wait_for_end, process) == 130
            assert screen.read().endswith(CLOSE)
            assert "Traceback" not in screen.read()


async def test_it_outlives_the_broker(broker: Broker) -> None:
    async with voices(broker.port) as link:
        await say(link, "kitchen")
    with tty() as screen, live(screen, *at(broker)):
        await page_with(screen, "1 satellite: 1 idle")
        await asyncio.to_thread(broker.restart)
        page = await page_with(screen, "trying again")
        assert page[0] == "1 satellite: 1 idle"  # as it was
        await page_with(screen, "0 satellites")  # a broker without persistence has forgotten them


async def test_what_is_half_told_is_not_judged(broker: Broker) -> None:
    with tty() as screen, live(screen, *at(broker)):
        async with voices(broker.port) as link:
            await page_with(screen, "looking at")
            await say(link, "kitchen")
            await page_with(screen, "1 satellite: 1 idle")
        assert "silent" not in screen.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_the_terminal_is_given_back_at_any_end(broker: Broker, number: signal.Signals) -> None:
    with tty() as screen, live(screen, *at(broker)) as process:
        await page_with(screen, "0 satellites")
        process.send_signal(number)
        assert await asyncio.to_thread(screen.wait_for_end, process) == 128 + number
        assert screen.read().endswith(CLOSE)


async def test_it_needs_a_broker_to_begin_with() -> None:
    with tty() as screen, live(screen, "--host", "127.0.0.1", "--port", "9") as process:
        assert await asyncio.to_thread(screen.wait_for_end, process) == 1
        left = screen.read().rpartition(CLOSE)[2]
        assert left.startswith("voice-satellite: the MQTT broker at 127.0.0.1:9 cannot be reached")


async def test_ctrl_c_ends_a_wait(broker: Broker) -> None:
    with tty() as screen, live(screen, *at(broker), "--only", "kitchen", "--wait", "60") as process:
        await asyncio.to_thread(screen.wait_for, "waiting for kitchen")
        screen.press("\x03")
        assert await asyncio.to_thread(screen.wait_for_end, process) == 130
        assert "Traceback" not in screen.read()
