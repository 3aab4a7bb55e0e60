"""Page: the whole of a terminal, kept up to date in place; what was on it before comes back at the end."""

from types import TracebackType
from typing import Self

from satellite.cli.terminal import Terminal

OPEN = "\x1b[?1049h\x1b[?25l\x1b[2J"
"""The other screen, without a cursor, empty."""
CLOSE = "\x1b[?25h\x1b[?1049l"
CLEAR = "\x1b[2J"


class Page:
    """Use as a context; only lines that changed are written."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._shown: list[str] = []
        self._size = (0, 0)

    def __enter__(self) -> Self:
        self._terminal.put(OPEN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._terminal.put(CLOSE)

    def draw(self, lines: list[str]) -> None:
        """Show these lines, each no wider than the terminal; what goes beyond its height is left out."""
        size = (self._terminal.columns, self._terminal.rows)
        wanted = lines[: size[1]]
        text = ""
        if size != self._size:
            text, self._shown, self._size = CLEAR, [], size
        shown = self._shown + [""] * (len(wanted) - len(self._shown))
        wanted += [""] * (len(shown) - len(wanted))
        for number, (before, line) in enumerate(zip(shown, wanted, strict=True), 1):
            if line != before:
                text += f"\x1b[{number};1H{line}\x1b[K"
        self._shown = wanted
        if text:
            self._terminal.put(text)
