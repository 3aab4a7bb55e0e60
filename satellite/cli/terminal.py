"""What a stream can show: colours, a line that changes in place, how wide it is."""

import contextlib
import itertools
import os
import re
import sys
import textwrap
import unicodedata
from collections.abc import Mapping
from typing import TextIO

ERASE_LINE = "\r\x1b[K"
DEFAULT_COLUMNS = 80
DEFAULT_ROWS = 24
PROSE_COLUMNS = 79
MARGIN_COLUMNS = 3
"""Kept free behind a line that changes in place: a "^C" must not wrap, or a part of it would stay."""

_UNFIT_FOR_TERMINAL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, separators of lines, turns of the direction of writing, halves of surrogate pairs."""


class Terminal:
    """One output stream; on anything but a capable terminal it shows plain lines only."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self._stream = stream
        self.is_lively = stream.isatty() and environment.get("TERM", "dumb") != "dumb"
        """A line can be changed in place."""
        self._has_colour = self.is_lively and not environment.get("NO_COLOR")
        self._is_line_open = False

    @property
    def columns(self) -> int:
        """How wide it is at this moment; DEFAULT_COLUMNS when it does not know."""
        return self._size.columns or DEFAULT_COLUMNS

    @property
    def rows(self) -> int:
        """How high it is at this moment; DEFAULT_ROWS when it does not know."""
        return self._size.lines or DEFAULT_ROWS

    @property
    def _size(self) -> os.terminal_size:
        try:
            return os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return os.terminal_size((0, 0))

    def say(self, text: str = "") -> None:
        """One line, or several. Raises OSError when nobody can read it any more."""
        self.erase()
        print(text, file=self._stream, flush=True)

    def tell(self, text: str) -> None:
        """Paragraphs: prose is filled anew to the width there is, what is indented stays as it is."""
        width = min(PROSE_COLUMNS, self.columns - 1)
        paragraphs = (part if part.startswith(" ") else textwrap.fill(part, width) for part in text.split("\n\n"))
        self.say("\n\n".join(paragraphs))

    def show(self, text: str, style: str = "") -> None:
        """In place of the line shown last; nothing where that is impossible."""
        if self.is_lively:
            self._change(self.styled(fit(text, self.columns - MARGIN_COLUMNS), style))
            self._is_line_open = True

    def erase(self) -> None:
        """Take away the line that `show` showed."""
        if self._is_line_open:
            self._change("")
            self._is_line_open = False

    def put(self, text: str) -> None:
        """Exactly this, control sequences and all."""
        with contextlib.suppress(OSError):  # on a terminal that is gone nobody misses it
            print(text, end="", file=self._stream, flush=True)

    def _change(self, line: str) -> None:
        self.put(ERASE_LINE + line)

    def styled(self, text: str, style: str) -> str:
        """With an SGR style such as "1" (bold) where there are colours."""
        return f"\x1b[{style}m{text}\x1b[0m" if style and self._has_colour else text


class Streams:
    """Results on standard output, everything else on standard error; both may be the same terminal."""

    def __init__(self) -> None:
        self.out = Terminal(sys.stdout, os.environ)
        self.err = Terminal(sys.stderr, os.environ)

    def say(self, text: str) -> None:
        """A result."""
        self.err.erase()
        self.out.say(text)

    def warn(self, text: str) -> None:
        """What a person should know."""
        self.err.say(f"voice-satellite: {text}")


def harmless(text: str) -> str:
    """Text of others on one line: nothing in it moves the cursor, changes colours or turns the writing around."""
    return _UNFIT_FOR_TERMINAL.sub("\N{REPLACEMENT CHARACTER}", text)


def fit(text: str, columns: int) -> str:
    """As much of the beginning of a text as fits; what is cut off is told by an ellipsis."""
    return text if width_of(text) <= columns else f"{_within(text, columns - 1)}…"


def fit_end(text: str, columns: int) -> str:
    """As much of the end of a text as fits."""
    return text if width_of(text) <= columns else f"…{_within(text[::-1], columns - 1)[::-1]}"


def width_of(text: str) -> int:
    """Columns that a text takes up: wide letters of East Asia take two, combining marks none."""
    return sum(_columns_of(character) for character in text)


def _within(text: str, columns: int) -> str:
    widths = itertools.accumulate(map(_columns_of, text))
    return text[: sum(width <= columns for width in widths)]


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
