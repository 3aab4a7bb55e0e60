"""The virtual machine: QEMU without KVM, a USB bus to plug into, and a wire to the script that runs in the guest."""

import audioop
import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from bench.kernel_unplug.image import Image

MEMORY_MB = 1024
INSTRUCTION_CLOCK = "shift=0,sleep=on"
"""The guest's clock counts a nanosecond for each instruction, and goes on in real time while there is nothing to do: a
small board's speed whatever else this machine does, so that its seconds and shares of a processor mean something."""
SOCKET_WITHIN_S = 20.0
MONITOR_WITHIN_S = 30.0
USB_CARD = "card"
SOUND = "card.wav"
WAV_HEADER_BYTES = 44
WINDOW_BYTES = 48_000 * 4 // 50
"""A fiftieth of a second of what the card plays: 48 kHz, stereo, 16 bits."""
AUDIBLE_RMS = 100
HOT_PLUG = {"id": USB_CARD, "driver": "usb-audio", "bus": "xhci.0", "audiodev": "sound"}


class MachineError(Exception):
    """The machine is gone or does not answer."""


class Wire:
    """JSON objects, one a line, over a Unix socket of QEMU's."""

    def __init__(self, path: Path, deadline_s: float) -> None:
        self._socket = _connected(path, deadline_s)
        self._file: BinaryIO = self._socket.makefile("rb")

    def send(self, message: dict[str, Any]) -> None:
        """One line to the other end."""
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """The next line. Raises MachineError when none comes in time."""
        self._socket.settimeout(timeout_s)
        try:
            line = self._file.readline()
        except TimeoutError as error:
            raise MachineError(f"the guest said nothing for {timeout_s:.0f} s") from error
        if not line:
            raise MachineError("the machine is gone")
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Machine:
    """A running machine: `guest` is the wire to the script inside."""

    def __init__(self, directory: Path) -> None:
        self._sound = directory / SOUND
        self.guest = Wire(directory / "guest.sock", SOCKET_WITHIN_S)
        self._monitor = Wire(directory / "monitor.sock", SOCKET_WITHIN_S)
        self._events: set[str] = set()
        self._monitor.receive(MONITOR_WITHIN_S)
        self._ask("qmp_capabilities")

    def plug(self) -> None:
        """A USB sound card (a loudspeaker) is plugged in."""
        self._ask("device_add", HOT_PLUG)

    def unplug(self) -> None:
        """It is pulled out; returns when it is gone."""
        self._events.clear()
        self._ask("device_del", {"id": USB_CARD})
        while "DEVICE_DELETED" not in self._events:
            self._receive()

    def sounded_s(self) -> float:
        """Seconds in which the USB card was heard since it was plugged in; the recording is still being written."""
        pcm = self._sound.read_bytes()[WAV_HEADER_BYTES:] if self._sound.exists() else b""
        windows = (pcm[at : at + WINDOW_BYTES] for at in range(0, len(pcm) - WINDOW_BYTES + 1, WINDOW_BYTES))
        return sum(audioop.rms(window, 2) > AUDIBLE_RMS for window in windows) / 50

    def close(self) -> None:
        """Let go of the wires; the machine itself belongs to `running`."""
        self.guest.close()
        self._monitor.close()

    def _ask(self, command: str, arguments: dict[str, Any] | None = None) -> None:
        self._monitor.send({"execute": command, "arguments": arguments or {}})
        while "event" in (answer := self._receive()):
            pass
        if "error" in answer:
            raise MachineError(f"{command}: {answer['error']['desc']}")

    def _receive(self) -> dict[str, Any]:
        message = self._monitor.receive(MONITOR_WITHIN_S)
        self._events.add(message.get("event", ""))
        return message


@contextlib.contextmanager
def running(image: Image, program: Path, directory: Path) -> Iterator[Machine]:
    """A machine on a throw-away copy of the image with `program` (a tar) as second disk; ended in every case."""
    with (directory / "qemu.log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "nice", "-n", "10", *_qemu(image, program, directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "TMPDIR": str(directory)},
        )
    try:
        with contextlib.closing(Machine(directory)) as machine:
            yield machine
    except MachineError as error:
        raise MachineError(f"{error}\n{_last_words(directory)}") from error
    finally:
        process.kill()
        process.wait()


def _qemu(image: Image, program: Path, directory: Path) -> list[str]:
    append = "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet"
    return [
        *("qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-m", str(MEMORY_MB)),
        *("-icount", INSTRUCTION_CLOCK),
        *("-nodefaults", "-display", "none", "-no-reboot"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", append),
        *("-drive", f"file={image.disk},if=virtio,format=qcow2,snapshot=on,cache=unsafe"),
        *("-drive", f"file={program},if=virtio,format=raw,readonly=on"),
        *("-device", "virtio-rng-pci", "-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=guest,path={directory}/guest.sock,server=on,wait=off"),
        *("-device", "virtserialport,chardev=guest,name=bench"),
        *("-device", "qemu-xhci,id=xhci", "-audiodev", f"wav,id=sound,path={directory}/{SOUND}"),
        *("-serial", f"file:{directory}/console.log", "-qmp", f"unix:{directory}/monitor.sock,server=on,wait=off"),
    ]


def _connected(path: Path, deadline_s: float) -> socket.socket:
    deadline = time.monotonic() + deadline_s
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connection.close()
            if time.monotonic() > deadline:
                raise MachineError("QEMU does not start") from error
            time.sleep(0.1)
        else:
            return connection


def _last_words(directory: Path) -> str:
    """The ends of QEMU's and the guest console's output."""
    logs = [directory / "qemu.log", directory / "console.log"]
    return "\n".join(path.read_text(errors="replace")[-2000:] for path in logs if path.exists())
