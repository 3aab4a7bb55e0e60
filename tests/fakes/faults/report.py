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
    names = ("times", "recovery", "longest", "deaf ms", "ring ms", "flight ms", "worst", "told ms", "misdated")
    head = f"{'fault (seconds)':<30}" + "".join(f"{name:>10}" for name in names)
    table = [head]
    for kind, struck in sorted(kinds.items()):
        times = sorted(_recovery_s(fault) for fault in struck)
        deaf, ring = (_lost(struck, name) for name in ("deaf_ms", "ring_ms"))
        worst = max(fault["lost"]["in_flight_ms"] for fault in struck)
        misdated = sum(len(fault["misdated"]) for fault in struck)
        told = sum(fault["told_lost_ms"] for fault in struck)
        table.append(
            f"{kind:<30}{len(struck):>10}{times[len(times) // 2]:>10.1f}{times[-1]:>10.1f}"
            f"{deaf:>10}{ring:>10}{_lost(struck, 'in_flight_ms'):>10}{worst:>10}{told:>10}{misdated:>10}"
        )
    return table


def _lost(faults: Sequence[dict[str, Any]], name: str) -> int:
    return sum(int(fault["lost"][name]) for fault in faults)


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
        f"speech played             {total('played_s'):.0f} s, pauses included",
        f"speech lost               {_lost(faults, 'deaf_ms')} ms while nobody could capture or with the process, "
        f"{_lost(faults, 'ring_ms')} ms over the ring's rim, {_lost(faults, 'in_flight_ms')} ms on the way "
        f"(most of one fault {max((fault['lost']['in_flight_ms'] for fault in faults), default=0)} ms)",
        f"told as lost              {total('told_lost_ms'):.0f} ms, pauses within utterances included",
        f"segments concluded        {total('sent'):.0f}, said twice by the service {total('said_again'):.0f}",
        f"segments published        {total('published'):.0f}",
        f"segments lost             {total('lost'):.0f}, with a killed process {total('lost_with_process'):.0f}",
        f"delivered again           {total('repeated'):.0f} (same id, same bytes)",
        f"ids with two texts        {total('two_texts'):.0f}",
        f"invented or doubled       {total('invented'):.0f}",
        f"out of order              {total('reordered'):.0f}",
        f"found too close together  {total('bunched'):.0f} chunks, behind the relay: see bench.ten_minutes",
    ]


def _complaints(outcomes: Sequence[dict[str, Any]]) -> list[str]:
    complaints = [complaint for outcome in outcomes for complaint in outcome["complaints"]]
    return [f"PROMISES BROKEN: {len(complaints)}", *complaints] if complaints else ["every promise kept"]
