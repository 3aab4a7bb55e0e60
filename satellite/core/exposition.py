"""Exposition: figures as the text that Prometheus reads (text format 0.0.4)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "summary"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value, with the labels that tell it from the others of its family."""

    value: float
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; without samples it is left out."""

    name: str
    kind: Kind
    meaning: str
    samples: tuple[Sample, ...]


def exposition(families: Iterable[Family]) -> str:
    """The whole page."""
    return "".join(f"{line}\n" for family in families if family.samples for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.meaning)}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        labels = ",".join(f'{name}="{_quotable(value)}"' for name, value in sample.labels)
        yield f"{family.name}{{{labels}}} {sample.value}" if labels else f"{family.name} {sample.value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quotable(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
