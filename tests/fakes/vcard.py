"""A sound card for tests: ALSA's `type file` over FIFOs, whose other ends this program paces at 20 ms.

As a program: `python -m tests.fakes.vcard DIR [--mic-rate 16000 ...]` creates DIR/asound.conf (to be named by
ALSA_CONFIG_PATH), prints one JSON line {"event": "ready"} and then obeys JSON lines on stdin; `VirtualCard` is the same
with the program as a child and methods for the lines. It is a process of its own, because libasound's `drop` writes to
the FIFO with the interpreter lock held: a thread of the same process could never read it.
"""

import argparse
import array
import contextlib
import fcntl
import json
import os
import select
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
import wave
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

AUDIO = {"driver": "alsa", "input": {"device": "satmic"}, "output": {"device": "satspk", "volume": 100}}
"""The section `audio` of a satellite on this card, loud enough to compare what is played with what was sent."""
TICK_S = 0.02
HEARD = "<ddQ"
"""One entry of played.times: monotonic and wall time at which the bytes from an offset of played.raw on were heard."""
F_SETPIPE_SZ = 1031
SPEAKER_PIPE_BYTES = 4096
MIC_PIPE_BYTES = 1 << 20
MIC_TICKS = 1
"""The card writes 20 ms at once: `type file` calls a short read of its FIFO a whole one and leaves garbage in the rest,
so a program that reads more at once than that hears garbage."""
MIC_BACKLOG_PERIODS = 25
"""What the card keeps for a reader that is late: half a second, as a real card's ring buffer; then the oldest goes."""

CONF = """
pcm.vmic {{ type file slave.pcm {{ type null }} file "/dev/null" infile "{dir}/mic" format raw
  hint {{ show on description "Virtual microphone" }} }}
pcm.vspk {{ type file slave.pcm {{ type null }} file "{dir}/spk" format raw
  hint {{ show on description "Virtual loudspeaker" }} }}
pcm.satmic {{ type plug slave {{ pcm "vmic" rate {mic_rate} channels {mic_channels} format S16_LE }}
  hint {{ show on description "Kitchen array" }} }}
pcm.satspk {{ type plug slave {{ pcm "vspk" rate {spk_rate} channels {spk_channels} format S16_LE }}
  hint {{ show on description "Kitchen speaker" }} }}
pcm.stereo {{ type multi slaves.a {{ pcm "vspk" channels 2 }}
  bindings {{ 0 {{ slave a channel 0 }} 1 {{ slave a channel 1 }} }} }}
pcm.!default {{ type asym capture.pcm "{mic_pcm}" playback.pcm "{spk_pcm}"
  hint {{ show on description "Default" }} }}
"""


@dataclass(frozen=True, slots=True)
class CardFormat:
    """What both sides of the card run at; `plugged` converts like plughw, else the PCM takes what it is asked for."""

    mic_rate: int = 16_000
    mic_channels: int = 1
    spk_rate: int = 16_000
    spk_channels: int = 1
    plugged: bool = False


class Card:
    """The card's side of the FIFOs: one tick every 20 ms feeds the microphone and drains the loudspeaker."""

    def __init__(self, directory: Path, card: CardFormat) -> None:
        self._directory = directory
        self._card = card
        self._is_stalled = self._is_unplugged = False
        self._to_say: deque[tuple[str, bytes]] = deque()
        self._saying: tuple[str, bytes, int] | None = None
        self._ticks = 0
        self._mic_bytes = int(card.mic_rate * TICK_S) * card.mic_channels * 2 * MIC_TICKS
        self._spk_bytes = int(card.spk_rate * TICK_S) * card.spk_channels * 2
        self._mic, self._spk = (self._make_fifo(name) for name in ("mic", "spk"))
        fcntl.fcntl(self._spk, F_SETPIPE_SZ, SPEAKER_PIPE_BYTES)
        fcntl.fcntl(self._mic, F_SETPIPE_SZ, MIC_PIPE_BYTES)
        self._played = (directory / "played.raw").open("wb", buffering=0)
        self._times = (directory / "played.times").open("wb", buffering=0)
        self._played_bytes = 0
        self._is_playing = False
        self._write_conf()

    def _make_fifo(self, name: str) -> int:
        path = self._directory / name
        os.mkfifo(path)
        path.chmod(0o666)
        # both directions: nobody's open() ever waits, and a reader that goes away is no broken pipe
        return os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def _write_conf(self) -> None:
        values = asdict(self._card) | {"dir": self._directory}
        values |= (
            {"mic_pcm": "satmic", "spk_pcm": "satspk"} if self._card.plugged else {"mic_pcm": "vmic", "spk_pcm": "vspk"}
        )
        (self._directory / "asound.conf").write_text(CONF.format(**values))

    def tick(self) -> None:
        """Twenty milliseconds pass on the card."""
        if self._is_stalled:
            return
        self._drain()
        self._ticks += 1
        if self._ticks % MIC_TICKS == 0 and not self._is_unplugged:
            self._feed()

    def _feed(self) -> None:
        pcm = self._next_mic()
        waiting = struct.unpack("i", fcntl.ioctl(self._mic, termios.FIONREAD, b"\0" * 4))[0]
        with contextlib.suppress(BlockingIOError):
            if waiting >= MIC_BACKLOG_PERIODS * self._mic_bytes:
                os.read(self._mic, self._mic_bytes)
        os.write(self._mic, pcm)

    def _next_mic(self) -> bytes:
        if self._saying is None and self._to_say:
            name, pcm = self._to_say.popleft()
            self._saying = (name, pcm, 0)
            report("saying", name=name, ago_s=MIC_TICKS * TICK_S)
        if self._saying is None:
            return bytes(self._mic_bytes)
        name, pcm, at = self._saying
        after = at + self._mic_bytes
        self._saying = (name, pcm, after)
        if after >= len(pcm):
            self._saying = None
            report("said", name=name)
        return pcm[at:after].ljust(self._mic_bytes, b"\0")

    def _drain(self) -> None:
        try:
            pcm = os.read(self._spk, self._spk_bytes)
        except BlockingIOError:
            pcm = b""
        if pcm and not self._is_playing:
            report("playing", offset_bytes=self._played_bytes)
        if not pcm and self._is_playing:
            report("quiet", offset_bytes=self._played_bytes)
        self._is_playing = bool(pcm)
        if pcm:
            self._times.write(struct.pack(HEARD, time.monotonic(), time.time(), self._played_bytes))
        self._played.write(pcm)
        self._played_bytes += len(pcm)

    def obey(self, order: dict[str, Any]) -> None:
        """One line from the test."""
        match order["do"]:
            case "say":
                self._to_say.append((order["name"], Path(order["raw"]).read_bytes()))
            case "stall":
                self._is_stalled = True
            case "resume":
                self._is_stalled = False
            case "unplug":
                # only this end held it open: readers see the end of the FIFO; the loudspeaker just stops, since
                # libasound aborts the program when a write to its file fails
                os.close(self._mic)
                self._is_stalled = self._is_unplugged = True
            case "replug":
                self._mic = os.open(self._directory / "mic", os.O_RDWR | os.O_NONBLOCK)
                self._is_stalled = self._is_unplugged = False
            case "where":
                name, _, at = self._saying or ("", b"", 0)
                report("where", name=name, at_bytes=at)
            case other:
                raise ValueError(other)
        report("done", order=order["do"])


def report(event: str, ago_s: float = 0.0, **values: object) -> None:
    """One line to the test, with both clocks: "saying" is when the first sample reached the microphone."""
    line = {"event": event, "monotonic": time.monotonic() - ago_s, "wall": time.time() - ago_s} | values
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the card until SIGTERM comes, or until its orders end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    for name in ("mic-rate", "mic-channels", "spk-rate", "spk-channels"):
        parser.add_argument(f"--{name}", type=int, default=16_000 if name.endswith("rate") else 1)
    parser.add_argument("--plugged", action="store_true", help="default converts, as plughw does")
    arguments = vars(parser.parse_args())
    directory = arguments.pop("directory")
    directory.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    card = Card(directory, CardFormat(**arguments))
    report("ready")
    run(card)


def run(card: Card) -> None:
    """Tick by deadlines; orders are read in between."""
    # without a pipe (from a shell, from a service) nobody gives orders and nobody's end is to be noticed
    orders = [sys.stdin] if stat.S_ISFIFO(os.fstat(0).st_mode) else []
    due, unread = time.monotonic(), b""
    while True:
        card.tick()
        due += TICK_S
        while (wait_s := due - time.monotonic()) > 0:
            if not select.select(orders, [], [], wait_s)[0]:
                continue
            data = os.read(sys.stdin.fileno(), 65536)
            if not data:
                return
            *lines, unread = (unread + data).split(b"\n")
            for line in lines:
                card.obey(json.loads(line))


class VirtualCard:
    """The card as a child process; use with `ALSA_CONFIG_PATH=str(card.conf)`."""

    def __init__(self, directory: Path, card: CardFormat | None = None) -> None:
        self.directory = directory
        self.conf = directory / "asound.conf"
        self.format = card or CardFormat()
        self.events: list[dict[str, Any]] = []
        self._unread = b""
        self._said = 0

    def __enter__(self) -> Self:
        options = [
            f"--{name.replace('_', '-')}={value}" for name, value in asdict(self.format).items() if name != "plugged"
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.vcard", str(self.directory), *options]
            + ["--plugged"] * self.format.plugged,
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.wait_for("ready")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        self._process.communicate(timeout=10)

    def say(self, pcm: bytes, name: str = "") -> str:
        """Queue PCM in the card's microphone format; returns the name its "saying" event will carry."""
        self._said += 1
        name = name or f"pcm{self._said}"
        raw = self.directory / f"say{self._said}.raw"
        raw.write_bytes(pcm)
        self._order("say", name=name, raw=str(raw))
        return name

    def say_wav(self, path: Path) -> str:
        """Queue a 16-bit mono WAV of the card's rate, copied to all channels."""
        with wave.open(str(path)) as wav:
            if (wav.getframerate(), wav.getsampwidth(), wav.getnchannels()) != (self.format.mic_rate, 2, 1):
                raise ValueError(f"{path} does not fit the card")
            mono = array.array("h", wav.readframes(wav.getnframes()))
        pcm = array.array("h", bytes(2 * len(mono) * self.format.mic_channels))
        for channel in range(self.format.mic_channels):
            pcm[channel :: self.format.mic_channels] = mono
        return self.say(pcm.tobytes(), path.name)

    def stall(self) -> None:
        """Both sides stop moving; nothing is closed."""
        self._order("stall")

    def resume(self) -> None:
        """Both sides move again."""
        self._order("resume")

    def say_raw(self, raw: Path, name: str) -> None:
        """Queue a file of PCM in the card's microphone format, which stays where it is."""
        self._order("say", name=name, raw=str(raw))

    def where(self) -> dict[str, Any]:
        """What the microphone hears now: `name` ("" is silence) and `at_bytes` in it, with both clocks."""
        self._order("where")
        return self.wait_for("where")

    def unplug(self) -> None:
        """The microphone is gone until `replug`, the loudspeaker stalls (`resume` frees it)."""
        self._order("unplug")

    def replug(self) -> None:
        """The microphone is back under its name, and both sides move."""
        self._order("replug")

    @property
    def played(self) -> bytes:
        """Everything that came out of the loudspeaker, gaps of silence left out."""
        return (self.directory / "played.raw").read_bytes()

    def heard_at(self, offset_bytes: int) -> float:
        """Monotonic time at which a byte of `played` was heard, give or take a tick."""
        at = 0.0
        for monotonic, _, offset in struct.iter_unpack(HEARD, (self.directory / "played.times").read_bytes()):
            if offset > offset_bytes:
                break
            at = monotonic
        return at

    def wait_for(self, event: str, timeout_s: float = 10.0, **values: object) -> dict[str, Any]:
        """The next event of that kind (with these values) that nobody waited for yet; both clocks are in it."""
        deadline = time.monotonic() + timeout_s
        while True:
            for at, seen in enumerate(self.events):
                if seen["event"] == event and values.items() <= seen.items():
                    return self.events.pop(at)
            self._read_events(deadline - time.monotonic(), event)

    def _read_events(self, timeout_s: float, event: str) -> None:
        output = self._process.stdout
        assert output is not None
        if not select.select([output], [], [], max(0.0, timeout_s))[0]:
            raise TimeoutError(f"the virtual card did not report {event!r}; it reported {self.events}")
        data = os.read(output.fileno(), 65536)
        if not data:
            raise RuntimeError(f"the virtual card ended with {self._process.wait()}")
        *lines, self._unread = (self._unread + data).split(b"\n")
        self.events += [json.loads(line) for line in lines]

    def _order(self, do: str, **values: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do} | values).encode() + b"\n")
        self._process.stdin.flush()
        self.wait_for("done", order=do)


if __name__ == "__main__":
    main()
