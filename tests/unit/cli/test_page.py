"""A page on a real pseudo-terminal: what is shown at its end, and how little is written for it."""

import io

from satellite.cli.page import CLEAR, CLOSE, OPEN, Page
from satellite.cli.terminal import Terminal
from tests.fakes.tty import tty

XTERM = {"TERM": "xterm", "NO_COLOR": "1"}


def test_lines_are_shown_in_their_places() -> None:
    with tty() as screen, Page(Terminal(screen.stream, XTERM)) as page:
        page.draw(["one", "two", "three"])
        assert screen.page() == ["one", "two", "three"]
        page.draw(["one", "2"])
        assert screen.page() == ["one", "2", ""]
        page.draw(["one", "2", "", "4"])
        assert screen.page() == ["one", "2", "", "4"]


def test_only_what_changed_is_written() -> None:
    with tty() as screen, Page(Terminal(screen.stream, XTERM)) as page:
        page.draw(["one", "two"])
        before = len(screen.read())
        page.draw(["one", "two"])
        assert len(screen.read()) == before
        page.draw(["one", "2"])
        assert screen.read()[before:] == "\x1b[2;1H2\x1b[K"


def test_what_is_higher_than_the_terminal_is_left_out() -> None:
    with tty(rows=3) as screen, Page(Terminal(screen.stream, XTERM)) as page:
        page.draw(["1", "2", "3", "4"])
        assert screen.page() == ["1", "2", "3"]


def test_a_terminal_of_another_size_is_drawn_anew() -> None:
    with tty(rows=2) as screen, Page(Terminal(screen.stream, XTERM)) as page:
        page.draw(["1", "2", "3"])
        screen.resize(40, 5)
        page.draw(["1", "2", "3"])
        assert screen.page() == ["1", "2", "3"]
        assert screen.read().count(CLEAR) == 3  # at the beginning, with the first size, with the second


def test_the_terminal_is_given_back() -> None:
    with tty() as screen:
        with Page(Terminal(screen.stream, XTERM)) as page:
            page.draw(["1"])
        assert screen.read().startswith(OPEN)
        assert screen.read().endswith(CLOSE)
        assert screen.page() == []


def test_a_terminal_may_not_know_its_height() -> None:
    with tty(0, 0) as screen:
        assert Terminal(screen.stream, XTERM).rows == 24
    assert Terminal(io.StringIO(), XTERM).rows == 24
