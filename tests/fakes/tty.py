"""A pseudo-terminal of a given width: what is written to its stream can be read as a person would see it."""

import contextlib
import fcntl
import os
import re
import select
import struct
import termios
from collections.abc import Iterator
from typing import TextIO

STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Tty:
    """`stream` is a terminal for who writes to it."""

    def __init__(self, controller: int, stream: TextIO) -> None:
        self._controller = controller
        self.stream = stream
        self.written = ""

    def read(self) -> str:
        """Everything written so far, control sequences and all; line ends as Python writes them."""
        self.stream.flush()
        while select.select([self._controller], [], [], 0)[0]:
            self.written += os.read(self._controller, 65_536).decode()
        return self.written.replace("\r\n", "\n")

    def seen(self) -> list[str]:
        """The lines that stay on the screen, without styles."""
        return [STYLE.sub("", line).rpartition("\r\x1b[K")[2] for line in self.read().split("\n")]


@contextlib.contextmanager
def tty(columns: int = 80) -> Iterator[Tty]:
    """Open one; zero columns is a terminal that does not know its width."""
    controller, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, controller)
        yield Tty(controller, stack.enter_context(os.fdopen(terminal, "w", encoding="utf-8")))
