import io
import random
from dataclasses import replace

import pytest

from satellite.cli.fleet_table import ORDERS, Table, amount, duration, ordered, said
from satellite.cli.terminal import Terminal, width_of
from satellite.homeassistant.fleet import Row
from satellite.homeassistant.reports import Complaint
from tests.fakes.tty import tty

PLAIN = {"TERM": "xterm", "NO_COLOR": "1"}
ROW = Row(
    id="kitchen",
    complaint=None,
    is_online=True,
    state="idle",
    cloud="connected",
    version="0.1.0",
    uptime_s=7_260.0,
    quiet_s=12.0,
    utterances=0,
    lost_audio_ms=0,
    billed_today_s=630.0,
)
ILL = replace(
    ROW,
    id="study",
    is_online=False,
    complaint=Complaint("offline", "it does not run"),
    version="0.0.9",
    uptime_s=None,
    speech_age_s=4_000.0,
    lost_audio_ms=12_400,
)


def lines(*rows: Row, columns: int = 80, height: int = 24, is_whole: bool = False) -> list[str]:
    with tty(columns, height) as screen:
        return Table(rows, rows).lines(Terminal(screen.stream, PLAIN), is_whole=is_whole)


def test_a_table_of_eighty_columns() -> None:
    assert lines(ILL, ROW) == [
        "2 satellites: 1 offline, 1 idle",
        "problems: 1 offline",
        "2 versions: 1 run 0.0.9, 1 run 0.1.0",
        "",
        "SATELLITE  STATE      PROBLEM       VERSION    SAID   LOST  BILLED    UP",
        "study      offline    offline       0.0.9       66m    12s      10     -",
        "kitchen    idle                     0.1.0      >12s      0      10    2h",
    ]


def test_a_wide_one_tells_more() -> None:
    wide = lines(replace(ILL, name="Study", area="Ground floor"), ROW, columns=140)
    assert wide[4].endswith("UP  CLOUD      AREA            NAME")
    assert wide[5].endswith("connected  Ground floor    Study               it does not run")


def test_a_narrow_one_tells_what_matters() -> None:
    assert lines(ILL, ROW, columns=40)[4:] == [
        "SATELLITE  STATE      PROBLEM",
        "study      offline    offline",
        "kitchen    idle",
    ]
    assert lines(ROW, columns=12)[3:] == ["SATELLITE", "kitchen"]
    assert lines(replace(ROW, id="x" * 60), columns=12)[-1] == "xxxxxxxxxx…"


def test_all_that_is_promised_fits_eighty_columns() -> None:
    shown = lines(replace(ROW, id="building-3-floor-2-a1"))
    assert shown[3].split() == ["SATELLITE", "STATE", "PROBLEM", "VERSION", "SAID", "LOST", "BILLED"]
    assert shown[4].startswith("building-3-floor-2-a1  idle")


@pytest.mark.parametrize("columns", [1, 2, 5, 17, 33, 51, 64, 80, 81, 200])
@pytest.mark.parametrize("height", [1, 2, 4, 5, 6, 30])
def test_nothing_is_wider_or_higher_than_the_terminal(columns: int, height: int) -> None:
    chance = random.Random(columns * height)
    rows = [
        replace(chance.choice((ROW, ILL)), id="x" * chance.randint(1, 63), name=chance.choice((None, "東京 " * 9)))
        for _ in range(20)
    ]
    shown = lines(*rows, columns=columns, height=height)
    assert max(map(width_of, shown)) <= columns
    assert len(shown) <= height


def test_what_is_not_shown_is_told() -> None:
    well = [replace(ROW, id=f"s{number:02}") for number in range(30)]
    assert lines(ILL, *well, height=10)[-1] == "… and 27 more, all well"
    assert lines(*well, ILL, height=10)[-1] == "… and 27 more, 1 of them with a problem"
    assert len(lines(ILL, *well, height=10)) == 10
    assert len(lines(*well[:7], height=10)) == 10
    assert len(lines(ILL, *well, height=10, is_whole=True)) == 36


def test_a_file_gets_all_of_it() -> None:
    long = replace(ILL, id="x" * 63)
    shown = Table([long] * 100, [long] * 100).lines(Terminal(io.StringIO(), PLAIN))
    assert len(shown) == 104
    assert shown[-1].startswith("x" * 63)
    assert shown[-1].endswith("it does not run")


def test_a_problem_stands_out() -> None:
    with tty() as screen:
        shown = Table([ILL, ROW], [ILL, ROW]).lines(Terminal(screen.stream, {"TERM": "xterm"}))
    assert shown[5].startswith("\x1b[31mstudy")
    assert shown[6].startswith("kitchen")


def test_texts_of_others_do_no_harm() -> None:
    hostile = replace(ILL, name="\x1b[2J\u202e", area="\n", complaint=Complaint("offline", "\x1b]0;x\x07" * 9))
    shown = lines(hostile, columns=200)
    assert not any("\x1b" in line or "\n" in line or "\u202e" in line for line in shown)


def test_notes_stand_above() -> None:
    with tty(30) as screen:
        shown = Table([ROW], [ROW], ["the broker is gone\x1b[2J, trying again"]).lines(Terminal(screen.stream, PLAIN))
    assert shown[:3] == ["1 satellite: 1 idle", "no problems", "the broker is gone\ufffd[2J, tryi…"]


def test_many_versions_are_summed_up() -> None:
    rows = [replace(ROW, id=f"s{number}", version=f"0.{min(number, 6)}.0") for number in range(9)]
    assert lines(*rows, columns=120)[2] == ("7 versions: 3 run 0.6.0, 1 run 0.0.0, 1 run 0.1.0, 1 run 0.2.0, 3 others")


def test_nobody_is_there() -> None:
    assert lines()[:3] == ["0 satellites", "no problems", ""]
    assert len(lines()) == 4


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "-"),
        (0.0, "0s"),
        (99.9, "99s"),
        (100.0, "1m"),
        (5_999.0, "99m"),
        (6_000.0, "1h"),
        (172_799.0, "47h"),
        (172_800.0, "2d"),
        (1e12, "999d"),
    ],
)
def test_durations(seconds: float | None, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (None, "-"),
        (0.0, "0"),
        (0.25, "0.2"),
        (9.96, "10.0"),
        (12.4, "12"),
        (999.4, "999"),
        (1_000.0, "1k"),
        (1_500.0, "1.5k"),
        (12_345.0, "12k"),
        (2_000_000.0, "2M"),
        (1e12, ">1G"),
    ],
)
def test_amounts(number: float | None, expected: str) -> None:
    assert amount(number) == expected


def test_when_somebody_spoke() -> None:
    assert said(replace(ROW, speech_age_s=3.0)) == "3s"
    assert said(ROW) == ">12s"
    assert said(replace(ROW, quiet_s=None)) == "-"


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("problem", ["c", "a", "b"]),
        ("id", ["a", "b", "c"]),
        ("area", ["b", "a", "c"]),
        ("state", ["a", "b", "c"]),
        ("version", ["b", "a", "c"]),
        ("said", ["b", "c", "a"]),
        ("lost", ["c", "a", "b"]),
        ("billed", ["b", "a", "c"]),
        ("up", ["b", "a", "c"]),
    ],
)
def test_what_it_can_be_sorted_by(by: str, expected: list[str]) -> None:
    rows = [
        replace(ROW, id="a"),
        replace(ROW, id="b", area="Attic", version="0.0.1", speech_age_s=1.0, billed_today_s=700.0, uptime_s=1.0),
        replace(ILL, id="c", version="0.1.0", billed_today_s=None),
    ]
    assert [row.id for row in ordered(rows, by)] == expected
    assert by in ORDERS
