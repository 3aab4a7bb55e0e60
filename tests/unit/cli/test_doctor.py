import io
import unicodedata

import pytest

from satellite.app.diagnosis.report import Outcome, Report, Result, failed, passed, skipped, warned
from satellite.cli.doctor import table
from satellite.cli.terminal import Terminal


def report(*outcomes: Outcome) -> Report:
    titles = ["running satellite", "clock", "broker", "service"]
    return Report(
        "1.0",
        "kitchen",
        tuple(Result(f"c{at}", titles[at], outcome, 1) for at, outcome in enumerate(outcomes)),
    )


LONG = report(
    failed("deaf: " + "nothing came from the microphone " * 6, "restart it, " * 12),
    passed("fine"),
    warned(f"/a/{'long' * 40}/path", "look"),
    skipped("not under systemd"),
)


def test_a_table_fits_eighty_columns_and_is_plain_where_nobody_watches() -> None:
    lines = list(table(LONG, Terminal(io.StringIO(), {"TERM": "xterm"})))
    assert max(map(len, lines)) <= 79
    assert all(unicodedata.category(letter) != "Cc" for line in lines for letter in line)
    assert lines[0].startswith("fail  running satellite  deaf: nothing")
    assert [line.split()[0] for line in lines if line and not line.startswith(" ")] == [
        "fail",
        "pass",
        "warn",
        "skip",
        "1",
    ]
    assert sum("→" in line for line in lines) == 2
    assert lines[-2:] == ["", "1 pass, 1 warn, 1 fail, 1 skip"]


def test_what_others_wrote_moves_no_cursor() -> None:
    (line, *_) = table(report(passed("online, \x1b[2J\u202eidle")), Terminal(io.StringIO(), {}))
    assert "\x1b" not in line
    assert "\u202e" not in line


@pytest.mark.parametrize("nothing", ["", "   "])
def test_a_check_without_words_still_has_its_line(nothing: str) -> None:
    assert next(table(report(passed(nothing)), Terminal(io.StringIO(), {}))).split()[0] == "pass"
