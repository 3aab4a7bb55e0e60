"""The report of one or more campaigns, as lines of text."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any


def lines(outcomes: Sequence[dict[str, Any]]) -> list[str]:
    """Faults by kind with what they cost, then text, then what was promised and not kept."""
    faults = [fault for outcome in outcomes for fault in outcome["faults"]]
    return [*_by_kind(faults), "", *_totals(outcomes, faults), "", *_complaints(outcomes)]


def _by_kind(faults: Sequence[dict[str, Any]]) -> list[str]:
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for fault in faults:
        kinds[fault["kind"]].append(fault)
    head = (
        f"{'fault':<30}{'times':>6}{'recovery s: median':>20}{'longest':>9}{'lost ms: sum':>14}{'worst':>7}{'told':>8}"
    )
    table = [head]
    for kind, struck in sorted(kinds.items()):
        times = sorted(_recovery_s(fault) for fault in struck)
        lost = [fault["speech_lost_ms"] for fault in struck]
        told = sum(fault["told_lost_ms"] for fault in struck)
        table.append(
            f"{kind:<30}{len(struck):>6}{times[len(times) // 2]:>20.1f}{times[-1]:>9.1f}"
            f"{sum(lost):>14}{max(lost):>7}{told:>8}"
        )
    return table


def _recovery_s(fault: dict[str, Any]) -> float:
    return float("inf") if fault["recovered_s"] is None else fault["recovered_s"] - fault["lifted_s"]


def _totals(outcomes: Sequence[dict[str, Any]], faults: Sequence[dict[str, Any]]) -> list[str]:
    def total(name: str) -> float:
        return sum(float(outcome[name]) for outcome in outcomes)

    longest = max(faults, key=_recovery_s, default=None)
    where = "" if longest is None else f" (fault {longest['index']}, {longest['kind']})"
    minutes = max(outcome["played_s"] for outcome in outcomes) / 60
    recovery = 0.0 if longest is None else _recovery_s(longest)
    return [
        f"faults                    {len(faults)} in {minutes:.1f} minutes, "
        f"seeds {', '.join(str(outcome['seed']) for outcome in outcomes)}",
        f"longest recovery          {recovery:.1f} s{where}",
        f"speech lost               {sum(fault['speech_lost_ms'] for fault in faults)} ms measured, "
        f"{total('told_lost_ms'):.0f} ms told by the satellite",
        f"segments concluded        {total('sent'):.0f}, said twice by the service {total('said_again'):.0f}",
        f"segments published        {total('published'):.0f}",
        f"segments lost             {total('lost'):.0f}, with a killed process {total('lost_with_process'):.0f}",
        f"delivered again           {total('repeated'):.0f} (same id, same bytes)",
        f"ids with two texts        {total('two_texts'):.0f}",
        f"invented or doubled       {total('invented'):.0f}",
        f"out of order              {total('reordered'):.0f}",
    ]


def _complaints(outcomes: Sequence[dict[str, Any]]) -> list[str]:
    complaints = [complaint for outcome in outcomes for complaint in outcome["complaints"]]
    return [f"PROMISES BROKEN: {len(complaints)}", *complaints] if complaints else ["every promise kept"]
