"""Pictures of pages of a running Home Assistant, in headless Chromium.

python -m bench.homeassistant.screenshots --url http://127.0.0.1:8123 --token TOKEN --out DIR PATH...
python -m bench.homeassistant.screenshots --url ... --token-file FILE --out DIR --wait-for Kitchen /lovelace/0

Each PATH, such as /config/devices/device/ID, becomes a PNG in DIR. Needs Chromium (Debian: chromium).
"""

import argparse
import asyncio
import base64
import json
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

START_WAIT_S = 60.0
PAGE_WAIT_S = 90.0
STEADY_S = 1.5
"""A page is there when neither its text nor its number of elements has changed for so long."""
POLL_S = 0.25
OPTIONS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",
    "--remote-debugging-port=0",
)
TEXT = """
(() => {
  const texts = [];
  let elements = 0;
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE) { texts.push(node.textContent.trim()); return; }
    if (['STYLE', 'SCRIPT'].includes(node.nodeName)) return;
    elements += 1;
    if (node.shadowRoot) walk(node.shadowRoot);
    node.childNodes.forEach(walk);
  };
  if (document.body) walk(document.body);
  return [elements, ...texts.filter((text) => text)].join('\\n');
})()
"""
"""What stands on the page, through the shadow roots that all of it lives in."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the pages are shown."""

    width: int = 1280
    height: int = 1000
    scale: float = 1.0
    language: str = "en"
    is_dark: bool = False


class Tab:
    """One page of a browser, asked over the DevTools protocol."""

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self._socket = socket
        self._session = session
        self._id = 100

    async def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """The result of a command of the DevTools protocol; events between are of no interest."""
        self._id += 1
        asked = {"id": self._id, "sessionId": self._session, "method": method, "params": parameters}
        return await answered(self._socket, asked)

    async def open(self, url: str, wait_for: str = "") -> str:
        """Go to a page; its text, once it holds `wait_for` and has come to rest."""
        await self.command("Page.navigate", url=url)
        deadline, seen, since = time.monotonic() + PAGE_WAIT_S, "", time.monotonic()
        while True:
            shown = await self.evaluate(TEXT)
            if shown != seen:
                seen, since = shown, time.monotonic()
            text = seen.partition("\n")[2]
            if text and wait_for in text and time.monotonic() - since > STEADY_S:
                return text
            assert time.monotonic() < deadline, f"{url} does not come to show {wait_for!r}, but: {text[-2000:]}"
            await asyncio.sleep(POLL_S)

    async def evaluate(self, script: str) -> str:
        """The string that a script in the page comes to; empty between two pages."""
        result = await self.command("Runtime.evaluate", expression=script, returnByValue=True)
        return str(result["result"].get("value", ""))

    async def picture(self, file: Path) -> None:
        """What is seen of the page now, as PNG."""
        shot = await self.command("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def home_pages(url: str, token: str, look: Look | None = None) -> AsyncIterator[Tab]:
    """A tab in which this token's user is logged in to the Home Assistant at `url`."""
    look = look or Look()
    login = {
        "hassUrl": url,
        "clientId": f"{url}/",
        "access_token": token,
        "refresh_token": "",
        "token_type": "Bearer",
        "expires_in": 10**6,
        "expires": 10**13,  # ms: in the year 2286
    }
    stored = {
        "hassTokens": login,
        "selectedLanguage": look.language,
        "selectedTheme": {"dark": look.is_dark},
        "dockedSidebar": "auto",
    }
    items = "".join(
        f"localStorage.setItem({json.dumps(name)}, {json.dumps(json.dumps(value))});" for name, value in stored.items()
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with chromium(Path(profile)) as address, connect(address, max_size=None, proxy=None) as socket:
            made = await answered(socket, {"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank"}})
            target = {"targetId": made["targetId"], "flatten": True}
            attached = await answered(socket, {"id": 2, "method": "Target.attachToTarget", "params": target})
            tab = Tab(socket, attached["sessionId"])
            await tab.command("Page.enable")
            await tab.command(
                "Emulation.setDeviceMetricsOverride",
                width=look.width,
                height=look.height,
                deviceScaleFactor=look.scale,
                mobile=False,
            )
            await tab.command("Page.addScriptToEvaluateOnNewDocument", source=items)
            yield tab


@asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[str]:
    """A browser of our own; where its DevTools answer."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise FileNotFoundError("needs Chromium: apt-get install chromium")
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with (profile / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            *OPTIONS,
            *root,
            f"--user-data-dir={profile}",
            "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        port, path = await told(profile / "DevToolsActivePort", profile / "log")
        yield f"ws://127.0.0.1:{port}{path}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def told(file: Path, log: Path) -> list[str]:
    """The two lines of a file, once they are there."""
    deadline = time.monotonic() + START_WAIT_S
    while not file.is_file() or len(lines := file.read_text().split()) < 2:
        assert time.monotonic() < deadline, f"Chromium did not start:\n{log.read_text(errors='replace')[-2000:]}"
        await asyncio.sleep(0.05)
    return lines


async def answered(socket: ClientConnection, asked: dict[str, Any]) -> dict[str, Any]:
    """What comes back for one command."""
    await socket.send(json.dumps(asked))
    while (answer := json.loads(await socket.recv())).get("id") != asked["id"]:
        pass
    if "error" in answer:
        raise RuntimeError(f"{asked['method']}: {answer['error']['message']}")
    result: dict[str, Any] = answer["result"]
    return result


def file_name(path: str) -> str:
    """`/config/devices/device/1` → `config-devices-device-1.png`."""
    return re.sub(r"\W+", "-", path).strip("-") + ".png"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--url", default="http://127.0.0.1:8123")
    token = parser.add_mutually_exclusive_group(required=True)
    token.add_argument("--token", help="a long-lived access token")
    token.add_argument("--token-file", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--wait-for", default="", help="a text that each page must show")
    parser.add_argument("--width", type=int, default=Look().width)
    parser.add_argument("--height", type=int, default=Look().height)
    parser.add_argument("--language", default="en")
    parser.add_argument("--dark", action="store_true")
    return parser.parse_args()


async def main() -> None:
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    token = options.token or options.token_file.read_text().strip()
    look = Look(options.width, options.height, language=options.language, is_dark=options.dark)
    async with home_pages(options.url.rstrip("/"), token, look) as tab:
        for path in options.paths:
            await tab.open(options.url.rstrip("/") + path, options.wait_for)
            file = options.out / file_name(path)
            await tab.picture(file)
            print(file)


if __name__ == "__main__":
    asyncio.run(main())
