"""Table of a fleet: what fits a terminal of rows, most serious first."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from satellite.cli.terminal import Terminal, fit, harmless, width_of

if TYPE_CHECKING:
    from satellite.homeassistant.fleet import Row

Text: TypeAlias = "Callable[[Row], str]"
Key: TypeAlias = "Callable[[Row], tuple[object, ...]]"

GAP = "  "
TITLE = "SATELLITE"
NARROWEST_ID = 18
UNLIMITED = 1_000_000
NARROWEST_TEXT = 16
RED, DIM = "31", "2"
VERSIONS_SHOWN = 4
UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """What stands in it and how wide it is; numbers stand at its right edge."""

    title: str
    width: int
    text: Text
    is_number: bool = False

    def cell(self, text: str) -> str:
        """Cut and filled to the width."""
        shown = fit(harmless(text), self.width)
        blank = " " * (self.width - width_of(shown))
        return blank + shown if self.is_number else shown + blank


def duration(seconds: float | None) -> str:
    """In the largest unit that says enough: `42s`, `7m`, `3h`, `12d`."""
    if seconds is None:
        return UNKNOWN
    whole = int(seconds)
    for unit, size, most in (("s", 1, 100), ("m", 60, 100), ("h", 3600, 48)):
        if whole < size * most:
            return f"{whole // size}{unit}"
    return f"{min(whole // 86_400, 999)}d"


def said(row: "Row") -> str:
    """How long ago somebody spoke to it; `>` at least so long."""
    if row.speech_age_s is None and row.quiet_s is not None:
        return f">{duration(row.quiet_s)}"
    return duration(row.speech_age_s)


def amount(number: float | None) -> str:
    """A number of few letters."""
    if number is None:
        return UNKNOWN
    for unit, size in (("", 1.0), ("k", 1e3), ("M", 1e6)):
        if number < 1000 * size:
            value = number / size
            return f"{value:.1f}{unit}" if value < 10 and number % size else f"{value:.0f}{unit}"
    return ">1G"


def _seconds_lost(row: "Row") -> str:
    if not row.lost_audio_ms:
        return UNKNOWN if row.lost_audio_ms is None else "0"
    return f"{amount(row.lost_audio_ms / 1000)}s"


COLUMNS = (
    Column("STATE", 9, lambda row: row.condition),
    Column("PROBLEM", 12, lambda row: "" if row.complaint is None else row.complaint.code),
    Column("VERSION", 8, lambda row: row.version or UNKNOWN),
    Column("SAID", 5, said, is_number=True),
    Column("LOST", 5, _seconds_lost, is_number=True),
    Column("BILLED", 6, lambda row: amount(None if row.billed_today_s is None else row.billed_today_s / 60), True),
    Column("UP", 4, lambda row: duration(row.uptime_s), is_number=True),
    Column("CLOUD", 9, lambda row: row.cloud or UNKNOWN),
)
NAMES = (Column("AREA", 14, lambda row: row.area or ""), Column("NAME", 18, lambda row: row.name or ""))


class Layout:
    """Which columns there is room for: those at the end are left out first, and an id is cut only when it must be."""

    def __init__(self, rows: "Sequence[Row]", width: int) -> None:
        longest = max((len(row.id) for row in rows), default=0)
        id_columns = max(len(TITLE), longest)
        self._columns = list(COLUMNS)
        if any(row.name for row in rows):
            self._columns += NAMES
        while self._columns and self._taken() + min(id_columns, NARROWEST_ID) > width:
            self._columns.pop()
        self._id = Column(TITLE, max(1, min(id_columns, width - self._taken())), lambda row: row.id)
        self._text_columns = width - self._id.width - self._taken() - len(GAP)

    def heading(self) -> str:
        """The titles."""
        return GAP.join(column.cell(column.title) for column in (self._id, *self._columns)).rstrip()

    def line(self, row: "Row") -> str:
        """One satellite, with what is wrong in words where there is room."""
        line = GAP.join(column.cell(column.text(row)) for column in (self._id, *self._columns))
        if row.complaint is not None and self._text_columns >= NARROWEST_TEXT:
            line += GAP + fit(harmless(row.complaint.message), self._text_columns)
        return line.rstrip()

    def _taken(self) -> int:
        return sum(len(GAP) + column.width for column in self._columns)


@dataclass(frozen=True, slots=True)
class Table:
    """What is shown of a fleet: `rows` of it in this order, and a sum of `everything`."""

    rows: "Sequence[Row]"
    everything: "Sequence[Row]"
    notes: Sequence[str] = ()
    """Lines that a person should know."""

    def lines(self, terminal: Terminal, *, is_whole: bool = False) -> list[str]:
        """No more than a terminal can hold, with a line on what there is besides; else, or when asked to, all of it."""
        width = terminal.columns - 1 if terminal.is_lively else UNLIMITED
        height = terminal.rows if terminal.is_lively and not is_whole else UNLIMITED
        layout = Layout(self.rows, width)
        head = [*(fit(line, width) for line in (*self._sums(), *map(harmless, self.notes))), ""]
        head.append(terminal.styled(layout.heading(), DIM))
        room = max(0, height - len(head))
        shown = self.rows if len(self.rows) <= room else self.rows[: max(0, room - 1)]
        body = [terminal.styled(layout.line(row), "" if row.complaint is None else RED) for row in shown]
        rest = self.rows[len(shown) :]
        if rest:
            body.append(fit(_others(rest), width))
        return [*head, *body][:height]

    def _sums(self) -> Iterator[str]:
        conditions = Counter(row.condition for row in self.everything)
        told = ", ".join(f"{count} {name}" for name, count in conditions.most_common())
        yield f"{_satellites(len(self.everything))}{': ' if told else ''}{told}"
        problems = Counter(row.complaint.code for row in self.everything if row.complaint is not None)
        told = ", ".join(f"{count} {name}" for name, count in problems.most_common())
        yield f"problems: {told}" if problems else "no problems"
        versions = Counter(row.version for row in self.everything if row.version is not None)
        if len(versions) > 1:
            shown = versions.most_common(VERSIONS_SHOWN)
            others = sum(versions.values()) - sum(count for _, count in shown)
            told = ", ".join(f"{count} run {version}" for version, count in shown)
            yield f"{len(versions)} versions: {told}{f', {others} others' if others else ''}"


def _satellites(count: int) -> str:
    return f"{count} satellite{'' if count == 1 else 's'}"


def _others(rest: "Sequence[Row]") -> str:
    ill = sum(row.complaint is not None for row in rest)
    return f"… and {len(rest)} more, {ill} of them with a problem" if ill else f"… and {len(rest)} more, all well"


ORDERS: dict[str, Key] = {
    "problem": lambda row: (row.complaint is None,),
    "id": lambda row: (row.id,),
    "area": lambda row: (row.area is None, row.area),
    "state": lambda row: (row.condition,),
    "version": lambda row: (row.version or "",),
    "said": lambda row: (row.speech_age_s is None, row.speech_age_s, -(row.quiet_s or 0)),
    "lost": lambda row: (-(row.lost_audio_ms or 0),),
    "billed": lambda row: (-(row.billed_today_s or 0),),
    "up": lambda row: (row.uptime_s is None, row.uptime_s),
}
"""What a table can be sorted by; within it by id."""


def ordered(rows: "Sequence[Row]", by: str) -> "list[Row]":
    """Sorted by one of ORDERS."""
    return sorted(rows, key=lambda row: (*ORDERS[by](row), row.id))
