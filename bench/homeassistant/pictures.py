"""The pictures of docs/home-assistant.md: the device page and the example dashboard of a real Home Assistant.

    python -m bench.homeassistant.pictures --out docs/images

Needs what the tests against Home Assistant need, and Chromium.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

import yaml

from bench.homeassistant.screenshots import Look, home_pages
from tests.fakes.broker import Broker, subscriber
from tests.fakes.daemon import emulator
from tests.fakes.homeassistant import HomeAssistant, home_assistant, subscribed
from tests.fakes.kitchen import BASE, NODE, Kitchen, until_here, utterance

EXAMPLES = Path(__file__).resolve().parents[2] / "config" / "home-assistant"
SAID = ("Good morning, the kitchen light is on.", "Guten Morgen, das Küchenlicht ist an.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        asyncio.run(_pictures(Path(name), args.out))
    return 0


async def _pictures(directory: Path, out: Path) -> None:
    with Broker(directory / "broker") as broker, emulator(directory / "service") as service:
        (directory / "kitchen").mkdir()
        kitchen = Kitchen(directory / "kitchen", service, broker.port)
        with kitchen.running(voice={"speech_language": "de"}):
            async with home_assistant(directory / "home", broker.port) as home:
                await until_here(home)
                await _heard(home, broker)
                await _taken(home, out)


async def _heard(home: HomeAssistant, broker: Broker) -> None:
    """One utterance, with a translation that people can read."""
    await subscribed(broker, f"{BASE}/utterance")
    text, translation = SAID
    message = utterance(text, translation)
    async with subscriber(broker.port) as link:
        await link.send(message.topic, message.payload)
    await home.until_state("sensor.kitchen_transcript", text)


async def _taken(home: HomeAssistant, out: Path) -> None:
    dashboard = yaml.safe_load((EXAMPLES / "dashboard.yaml").read_text())
    await home.save_dashboard(dashboard, "voice-captions")
    device = (await home.devices())[NODE]["id"]
    async with home_pages(home.url, home.token, Look(1280, 1100)) as tab:
        await tab.open(f"{home.url}/config/devices/device/{device}", "Transcript")
        await tab.picture(out / "device.png")
    async with home_pages(home.url, home.token, Look(1100, 620)) as tab:
        await tab.open(f"{home.url}/voice-captions/captions", SAID[1])
        await tab.picture(out / "captions.png")


if __name__ == "__main__":
    raise SystemExit(main())
