"""The picture of docs/fleet.md: the live table of `fleet` at a real broker, as a terminal shows it.

python -m bench.fleet_picture --out docs/images/fleet.svg
"""

import argparse
import asyncio
import random
import re
import tempfile
import time
from html import escape
from pathlib import Path

from bench.doubles import Double
from satellite.homeassistant import payloads
from satellite.homeassistant.bodies import ProblemCode
from satellite.homeassistant.payloads import ProblemNote
from tests.fakes.broker import Broker, subscriber
from tests.fakes.tty import STYLE, Tty, tty

COLUMNS, ROWS = 118, 16
LETTER_PX, LINE_PX, MARGIN_PX = 7.8, 18, 14
COLOURS = {"31": "#f28b82", "2": "#8a93a0"}
PLACES = [f"{place}-{number}" for place in ("atrium", "clinic", "lobby", "ward") for number in range(1, 13)]
PROBLEMS: tuple[tuple[str, ProblemCode, str], ...] = (
    ("clinic-7", "microphone", "the microphone plughw:CARD=Device,DEV=0 is gone"),
    ("ward-3", "unreachable", "the voice service does not answer"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="picture-") as name:
        lines = asyncio.run(_page(Path(name)))
    args.out.write_text(svg(lines), encoding="utf-8")
    return 0


async def _page(directory: Path) -> list[str]:
    with Broker(directory / "broker") as broker, tty(COLUMNS, ROWS) as screen:
        await _introduced(broker)
        process = screen.start("fleet", "--host", "127.0.0.1", "--port", str(broker.port))
        try:
            await _until(screen, f"{len(PLACES)} satellites")
            await _spoken(broker)
            await _until(screen, "2 listening")
            return screen.page(is_styled=True)
        finally:
            process.kill()
            process.wait()


async def _introduced(broker: Broker) -> None:
    """A fleet as one finds it on a Monday."""
    async with subscriber(broker.port, "nothing") as link:
        for place in PLACES:
            double = Double(place, place)
            for message in double.beginning():
                await link.send(message.topic, message.payload, retain=message.retain)
        for place, code, text in PROBLEMS:
            topics = Double(place, place).topics
            note = ProblemNote(code, text, None, time.time())
            await link.send(topics.problem, payloads.problem(topics, note).payload, retain=True)
        await link.send("voice-satellite/lobby-2/availability", "offline", retain=True)


async def _spoken(broker: Broker) -> None:
    """Some have been spoken to, and two are at this moment."""
    chance = random.Random(3)
    async with subscriber(broker.port, "nothing") as link:
        for place in chance.sample(PLACES, 9):
            for message in Double(place, place).utterance():
                await link.send(message.topic, message.payload)
            await asyncio.sleep(chance.uniform(0.2, 2.0))
        for place in ("atrium-2", "atrium-5"):
            await link.send(f"voice-satellite/{place}/state", "listening", retain=True)


async def _until(screen: Tty, text: str) -> None:
    while not any(text in line for line in screen.page()):
        await asyncio.sleep(0.05)


def svg(lines: list[str]) -> str:
    """Lines of a terminal as a picture in which each letter can be read and copied."""
    width, height = COLUMNS * LETTER_PX + 2 * MARGIN_PX, len(lines) * LINE_PX + 2 * MARGIN_PX
    texts = []
    for number, line in enumerate(lines):
        style = re.match(r"\x1b\[(\d+)m", line)
        colour = COLOURS.get(style.group(1), "#d7dae0") if style else "#d7dae0"
        baseline = MARGIN_PX + number * LINE_PX + 13
        text = escape(STYLE.sub("", line))
        texts.append(f'<text x="{MARGIN_PX}" y="{baseline}" fill="{colour}" xml:space="preserve">{text}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" font-size="13"\n'
        '  font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">\n'
        '<rect width="100%" height="100%" rx="8" fill="#1e2127"/>\n' + "\n".join(texts) + "\n</svg>\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
