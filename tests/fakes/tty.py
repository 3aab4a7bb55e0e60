"""A pseudo-terminal of a given width: what is written to its stream can be read as a person would see it."""

import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from typing import TextIO

from tests.fakes.daemon import ROOT

STYLE = re.compile(r"\x1b\[[0-9;]*m")
PAGE = re.compile(r"(\x1b\[2J|\x1b\[\?1049l|\x1b\[(\d+);1H)((?:(?!\x1b\[(?:2J|\?1049l|\d+;1H)).)*)", re.DOTALL)
"""Clearing, leaving, and each line that is written at its place."""


class Tty:
    """`stream` is a terminal for who writes to it."""

    def __init__(self, controller: int, stream: TextIO) -> None:
        self._controller = controller
        self._poll = select.poll()  # `select` knows no descriptor beyond 1023
        self._poll.register(controller, select.POLLIN)
        self.stream = stream
        self.written = ""

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        """`voice-satellite ARGUMENTS…` with this as its controlling terminal: keys pressed here reach it."""
        # where the tests run in the background of a script, Ctrl-C is ignored, and that would be inherited
        return subprocess.Popen(
            ["env", "--default-signal=INT", "setsid", "--ctty", sys.executable, "-m", "satellite", *arguments],
            stdin=self.stream,
            stdout=self.stream,
            stderr=self.stream,
            env={**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT), **environment},
        )

    def press(self, keys: str) -> None:
        """As if typed: "\\x03" is Ctrl-C."""
        os.write(self._controller, keys.encode())

    def wait_for(self, text: str, timeout_s: float = 30.0) -> None:
        """Until it was written."""
        deadline = time.monotonic() + timeout_s
        while text not in self.read():
            assert time.monotonic() < deadline, self.written
            time.sleep(0.02)

    def wait_for_end(self, process: "subprocess.Popen[bytes]", timeout_s: float = 30.0) -> int:
        """Its exit code; what it writes is read meanwhile, so that it need not wait."""
        deadline = time.monotonic() + timeout_s
        while process.poll() is None:
            self.read()
            assert time.monotonic() < deadline, self.written
            time.sleep(0.02)
        return process.returncode

    def read(self) -> str:
        """Everything written so far, control sequences and all; line ends as Python writes them."""
        self.stream.flush()
        while self._poll.poll(0):
            self.written += os.read(self._controller, 65_536).decode()
        return self.written.replace("\r\n", "\n")

    def resize(self, columns: int, rows: int) -> None:
        """As if its window was drawn larger or smaller."""
        fcntl.ioctl(self._controller, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def page(self, *, is_styled: bool = False) -> list[str]:
        """What a page that is redrawn in place shows at the moment; empty when it was left."""
        written = self.read()
        lines: dict[int, str] = {}
        for control, row, text in PAGE.findall(written[written.rfind("\x1b[?1049h") :]):
            if row:
                line = text.removesuffix("\x1b[K")
                lines[int(row)] = line if is_styled else STYLE.sub("", line)
            elif control in ("\x1b[2J", "\x1b[?1049l"):
                lines.clear()
        return [lines.get(row, "") for row in range(1, max(lines, default=0) + 1)]

    def seen(self) -> list[str]:
        """The lines that stay on the screen, without styles."""
        return [STYLE.sub("", line).rpartition("\r\x1b[K")[2] for line in self.read().split("\n")]


@contextlib.contextmanager
def tty(columns: int = 80, rows: int = 24) -> Iterator[Tty]:
    """Open one; zero is a terminal that does not know its size."""
    controller, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, controller)
        yield Tty(controller, stack.enter_context(os.fdopen(terminal, "w", encoding="utf-8")))
