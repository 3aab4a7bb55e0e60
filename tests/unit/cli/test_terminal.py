import io
import os
import sys

import pytest

from satellite.cli.terminal import Streams, Terminal, fit, fit_end, harmless, width_of
from tests.fakes.tty import tty

XTERM = {"TERM": "xterm-256color"}
ERASE = "\r\x1b[K"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (XTERM, f"{ERASE}\x1b[2mone\x1b[0m{ERASE}\x1b[2mtwo\x1b[0m{ERASE}three\n"),
        ({**XTERM, "NO_COLOR": "1"}, f"{ERASE}one{ERASE}two{ERASE}three\n"),
        ({**XTERM, "NO_COLOR": ""}, f"{ERASE}\x1b[2mone\x1b[0m{ERASE}\x1b[2mtwo\x1b[0m{ERASE}three\n"),
        ({"TERM": "dumb"}, "three\n"),
        ({}, "three\n"),
    ],
)
def test_a_line_changes_in_place_where_that_is_possible(environment: dict[str, str], expected: str) -> None:
    with tty() as screen:
        terminal = Terminal(screen.stream, environment)
        terminal.show("one", "2")
        terminal.show("two", "2")
        terminal.say("three")
        terminal.erase()
        assert screen.read() == expected


def test_a_file_gets_plain_lines() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream, XTERM)
    terminal.show("passing", "1")
    terminal.say("one\ntwo")
    terminal.say(terminal.styled("three", "1"))
    assert stream.getvalue() == "one\ntwo\nthree\n"
    assert terminal.columns == 80


def test_a_line_that_changes_never_wraps() -> None:
    with tty(20) as screen:
        terminal = Terminal(screen.stream, {**XTERM, "NO_COLOR": "1"})
        assert terminal.columns == 20
        terminal.show("x" * 100)
        assert screen.read() == ERASE + "x" * 16 + "…"


def test_a_terminal_may_not_know_its_width() -> None:
    with tty(0) as screen:
        assert Terminal(screen.stream, XTERM).columns == 80


def test_prose_is_filled_and_what_is_indented_is_not() -> None:
    text = "one two three four five\nsix\n\n    a line of " + "code" * 10
    with tty(16) as screen:
        Terminal(screen.stream, XTERM).tell(text)
        assert screen.read() == "one two three\nfour five six\n\n    a line of " + "code" * 10 + "\n"
    stream = io.StringIO()
    Terminal(stream, XTERM).tell("word " * 20)
    assert [len(line) for line in stream.getvalue().splitlines()] == [79, 19]


def test_a_terminal_that_is_gone_is_told_by_results_only() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    stream = os.fdopen(write_end, "w")
    terminal = Terminal(stream, XTERM)
    terminal.is_lively = True
    terminal.show("one")
    terminal.erase()
    with pytest.raises(BrokenPipeError):
        terminal.say("two")
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_results_and_remarks_go_their_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with tty() as screen:
        out = io.StringIO()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", screen.stream)
        streams = Streams()
        streams.err.show("working")
        streams.say("result")
        streams.warn("remark")
        assert out.getvalue() == "result\n"
        assert screen.read() == f"{ERASE}working{ERASE}voice-satellite: remark\n"


@pytest.mark.parametrize(
    ("text", "columns", "beginning", "end"),
    [
        ("abc", 3, "abc", "abc"),
        ("abcd", 3, "ab…", "…cd"),
        ("abcd", 1, "…", "…"),
        ("日本語", 6, "日本語", "日本語"),
        ("日本語", 5, "日本…", "…本語"),
        ("日本語", 4, "日…", "…語"),
        ("e\u0301a\u0300", 2, "e\u0301a\u0300", "e\u0301a\u0300"),
        ("", 5, "", ""),
    ],
)
def test_texts_are_cut_by_what_they_take_up(text: str, columns: int, beginning: str, end: str) -> None:
    assert fit(text, columns) == beginning
    assert fit_end(text, columns) == end
    assert width_of(beginning) <= columns


def test_a_combining_mark_stays_with_its_letter() -> None:
    assert fit("ae\u0301bc", 3) == "ae\u0301…"


def test_text_of_others_is_made_harmless() -> None:
    assert harmless("a\x1b[2J\r\n\x9b\u2028\u202eb\ud800") == "a\ufffd[2J" + "\ufffd" * 5 + "b\ufffd"
    unharmed = "Ça va\u00a0? 日本\u3000語 \u0645\u06cc\u200c 👩\u200d🚀"
    assert harmless(unharmed) == unharmed
