"""What a diagnosis found: one outcome for each check, and all of them as a report."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Verdict(enum.Enum):
    """What a check comes to."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


_GRAVITY = (Verdict.SKIP, Verdict.PASS, Verdict.WARN, Verdict.FAIL)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict, what was seen, and for what is not well the way to mend it."""

    verdict: Verdict
    detail: str
    mend: str | None = None


def passed(detail: str) -> Outcome:
    """It is well."""
    return Outcome(Verdict.PASS, detail)


def warned(detail: str, mend: str) -> Outcome:
    """It works, and should be looked at."""
    return Outcome(Verdict.WARN, detail, mend)


def failed(detail: str, mend: str) -> Outcome:
    """It does not work."""
    return Outcome(Verdict.FAIL, detail, mend)


def skipped(detail: str) -> Outcome:
    """It was not tried."""
    return Outcome(Verdict.SKIP, detail)


def joined(outcomes: Iterable[Outcome]) -> Outcome:
    """Several about one thing: the gravest verdict, with all that was seen and every mend, the gravest first."""
    ordered = sorted(outcomes, key=lambda outcome: _GRAVITY.index(outcome.verdict), reverse=True)
    mends = dict.fromkeys(outcome.mend for outcome in ordered if outcome.mend)
    return Outcome(
        ordered[0].verdict, "; ".join(dict.fromkeys(outcome.detail for outcome in ordered)), "; ".join(mends) or None
    )


@dataclass(frozen=True, slots=True)
class Result:
    """What one check came to; the id never changes its meaning."""

    id: str
    title: str
    outcome: Outcome
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Report:
    """All results, in the order of the checks; `satellite` is None without a configuration that can be used."""

    version: str
    satellite: str | None
    results: tuple[Result, ...]

    @property
    def verdict(self) -> Verdict:
        """The gravest of all."""
        return max((result.outcome.verdict for result in self.results), key=_GRAVITY.index, default=Verdict.SKIP)

    def as_json(self) -> dict[str, object]:
        """As fleets collect it."""
        checks = [
            {
                "id": result.id,
                "title": result.title,
                "verdict": result.outcome.verdict.value,
                "detail": result.outcome.detail,
                "mend": result.outcome.mend,
                "duration_ms": result.duration_ms,
            }
            for result in self.results
        ]
        return {
            "version": self.version,
            "satellite": self.satellite,
            "verdict": self.verdict.value,
            "checks": checks,
        }
