"""Cards that can be pulled out of the guest's kernel, and what is said into the microphone."""

import asyncio
import contextlib
import io
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

from tests.fakes.rawdeepl import demo_pcm

PORT = Path("/dev/virtio-ports/bench")
DRIVER = Path("/sys/bus/platform/drivers/snd_aloop")
LOOPBACK = "snd_aloop.0"
CARDS = Path("/proc/asound/cards")
UNPLUG_WITHIN_S = 20.0
PLUG_WITHIN_S = 20.0
SENTENCE_MS = (500, 3_600)
LEAD_IN_S = 1.0
"""Starting the player keeps an emulated machine busy."""
SENTENCE = "Good morning, the kitchen light is on."


ASOUND_CONF = """\
pcm.bench_loopback { type plug slave.pcm "hw:CARD=Loopback,DEV=0" }
pcm.bench_usb { type plug slave.pcm "hw:CARD=Audio,DEV=0" }
pcm.bench_shared {
  type asym
  capture.pcm { type plug slave.pcm "dsnoop:CARD=Loopback,DEV=0" }
  playback.pcm { type plug slave.pcm "dmix:CARD=Loopback,DEV=0" }
}
"""
"""PortAudio itself converts no rates, and calls a card by its number. The last is for several programs at once."""
SHARED = "bench_shared"


class PromiseError(Exception):
    """A promise did not hold; says which."""


class Host:
    """The other end of the wire: prints, and does what only the host can."""

    def __init__(self) -> None:
        self._port = PORT.open("r+b", buffering=0)
        self._out = io.BufferedWriter(self._port)

    def say(self, text: str) -> None:
        """A line for the person who runs the bench."""
        self._send({"print": text})

    def end(self, code: int) -> None:
        """The bench is over with this exit code."""
        self._send({"exit": code})

    def ask(self, what: str) -> dict[str, Any]:
        """Have the host do something; its answer."""
        self._send({"ask": what})
        answer: dict[str, Any] = json.loads(self._port.readline())
        return answer

    def _send(self, message: dict[str, Any]) -> None:
        self._out.write(json.dumps(message).encode() + b"\n")
        self._out.flush()


class LoopbackCard:
    """snd-aloop: what is played on its second device is captured on its first, and the other way round.

    Unbinding it waits in the kernel until nobody has it open any more: a descriptor that leaks is one that hangs.
    """

    names: ClassVar = {"alsa": "plughw:CARD=Loopback,DEV=0", "portaudio": "bench_loopback"}
    _far_end = "plughw:CARD=Loopback,DEV=1"

    @property
    def is_there(self) -> bool:
        return (DRIVER / LOOPBACK).exists()

    async def unplug(self) -> None:
        """Returns once every descriptor of it is closed. Raises PromiseError."""
        await _run(f"echo {LOOPBACK} > {DRIVER}/unbind", UNPLUG_WITHIN_S, "the card is still held open by somebody")

    async def plug(self) -> None:
        await _run(f"echo {LOOPBACK} > {DRIVER}/bind", PLUG_WITHIN_S, "the card does not come back")

    @contextlib.asynccontextmanager
    async def said(self, sentence: Path) -> AsyncIterator[asyncio.subprocess.Process]:
        """The sentence is spoken into the microphone, at most until the end of the context."""
        player = await asyncio.create_subprocess_exec("aplay", "-q", "-D", self._far_end, str(sentence))
        try:
            yield player
        finally:
            with contextlib.suppress(ProcessLookupError):
                player.kill()
            await player.wait()


class UsbCard:
    """QEMU's USB loudspeaker; what it plays is recorded outside."""

    names: ClassVar = {"alsa": "plughw:CARD=Audio,DEV=0", "portaudio": "bench_usb"}

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def is_there(self) -> bool:
        return "[Audio " in CARDS.read_text()

    async def unplug(self) -> None:
        await asyncio.to_thread(self._host.ask, "unplug")

    async def plug(self) -> None:
        """Returns when the kernel knows it."""
        await asyncio.to_thread(self._host.ask, "plug")
        try:
            async with asyncio.timeout(PLUG_WITHIN_S):
                while not self.is_there:
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise PromiseError("the USB card does not come back") from error

    async def sounded_s(self) -> float:
        """Seconds of sound that came out of it since it was plugged in."""
        return float((await asyncio.to_thread(self._host.ask, "sounded"))["sounded_s"])


def write_sentence(path: Path) -> Path:
    """The first sentence of the demo recording as a file to play."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(int(LEAD_IN_S * 16_000) * 2) + demo_pcm(*SENTENCE_MS))
    return path


async def _run(script: str, within_s: float, complaint: str) -> None:
    """A shell command; one that hangs in the kernel is left there."""
    process = await asyncio.create_subprocess_exec("sh", "-c", script)
    try:
        async with asyncio.timeout(within_s):
            code = await process.wait()
    except TimeoutError as error:
        raise PromiseError(f"{complaint} ({script} hangs)") from error
    if code:
        raise PromiseError(f"{script}: exit code {code}")
