"""Sections of the configuration made from plain data, as the loader makes them."""

from typing import TypeVar

from satellite.config.sentences import sentence
from satellite.core.section import Section, read

S = TypeVar("S", bound=Section)


class RefusedError(Exception):
    """The data is wrong; its text is what people are told."""


def made(section: type[S], data: object) -> S:
    """The section; raises RefusedError with a sentence for each fault."""
    value, faults = read(section, data)
    if value is None or faults:
        raise RefusedError("; ".join(sentence(fault, masked=False)[0] for fault in faults))
    return value
