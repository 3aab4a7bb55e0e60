"""The running satellite by what it says of itself: its retained messages, judged by the daemon's own rules."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from satellite.adapters.neighbours import Neighbour
from satellite.app.diagnosis.report import Outcome, Verdict, failed, joined, passed, skipped, warned
from satellite.homeassistant.commands import printable
from satellite.homeassistant.topics import OFFLINE, ONLINE, Topics
from satellite.runtime.listener import CAPTURE_PATIENCE_S

OUTBOX_MANY = 10
"""More than what is on its way at any moment."""
NEEDS_A_PERSON = ("microphone", "auth", "quota", "rejected", "speaker")
SAID_CHARACTERS_MAX = 300
SEE_LOG = "`journalctl -u voice-satellite -n 50` says why"
RESTART = "restart it: `systemctl restart voice-satellite`"


@dataclass(frozen=True, slots=True)
class Said:
    """Its retained messages; None and empty for what is not there."""

    availability: bytes | None = None
    state: str | None = None
    problem: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, topics: Topics, retained: Mapping[str, bytes]) -> "Said":
        """From payloads by topic; what cannot be read counts as not there."""
        state = retained.get(topics.state)
        return cls(
            availability=retained.get(topics.availability),
            state=None if state is None else _shown(state.decode(errors="replace")),
            problem=_object(retained.get(topics.problem)),
            health=_object(retained.get(topics.health)),
        )


def judge(said: Said, running: Neighbour | None, version: str, *, may_read: bool) -> Outcome:
    """Whether it is there and does its work; nothing said means little where we may not read."""
    if said.availability == ONLINE:
        return joined([_presence(said), *_complaints(said, version)])
    if said.availability is None and not may_read:
        return skipped("this login may not read at the broker what the satellite says of itself")
    if running is not None:
        seen = "offline" if said.availability == OFFLINE else "not seen at the broker"
        return failed(f"it runs here (pid {running.pid}) and is {seen}", SEE_LOG)
    if said.availability == OFFLINE:
        return warned("offline: it does not run, or cannot reach the broker", f"start it; {SEE_LOG}")
    return skipped("this broker has heard nothing of it yet")


def _presence(said: Said) -> Outcome:
    age_ms, uptime_s = _number(said.health, "capture_age_ms"), _number(said.health, "uptime_s")
    told = [f"online, {said.state or 'without a state'}"]
    if uptime_s is not None:
        told.append(f"up {uptime_s:.0f} s at its last report")
    if age_ms is not None:
        told.append(f"newest sound {age_ms:.0f} ms old")
    return passed(", ".join(told))


def _complaints(said: Said, version: str) -> list[Outcome]:
    outcomes = [*_problem(said), *_deafness(said), *_silence(said)]
    waiting = _number(said.health, "outbox")
    if waiting is not None and waiting > OUTBOX_MANY:
        mend = "its log names a topic that the broker does not take, if there is one: see the broker's access list"
        outcomes.append(warned(f"{waiting:.0f} messages wait though the broker answers", mend))
    runs = said.health.get("version")
    if isinstance(runs, str) and runs != version:
        outcomes.append(warned(f"version {_shown(runs)} runs, {version} is installed", RESTART))
    return outcomes


def _problem(said: Said) -> list[Outcome]:
    """What it complains about itself, with its own hint."""
    if said.problem.get("active") is not True:
        unexplained = failed("parked: it waits for a person", SEE_LOG)
        return [unexplained] if said.state == "parked" else []
    code = _shown(str(said.problem.get("code")))
    hint = said.problem.get("hint")
    mend = _shown(hint) if isinstance(hint, str) and hint else f"see {code} in docs/troubleshooting.md"
    is_grave = code in NEEDS_A_PERSON or said.state == "parked"
    detail = f"problem {code}: {_shown(str(said.problem.get('message')))}"
    return [Outcome(Verdict.FAIL if is_grave else Verdict.WARN, detail, mend)]


def _deafness(said: Said) -> list[Outcome]:
    """A microphone that gives nothing although it is neither muted nor complained about."""
    is_explained = said.state == "muted" or said.problem.get("code") == "microphone"
    age_ms, uptime_s = _number(said.health, "capture_age_ms"), _number(said.health, "uptime_s")
    if is_explained or uptime_s is None:
        return []
    silent_s = uptime_s if age_ms is None else age_ms / 1000
    if silent_s <= CAPTURE_PATIENCE_S:
        return []
    return [failed(f"deaf: nothing came from the microphone for {silent_s:.0f} s", f"{RESTART}; {SEE_LOG}")]


def _silence(said: Said) -> list[Outcome]:
    """Topics on which an online satellite always says something."""
    missing = [name for name, is_there in (("state", said.state), ("health", said.health)) if not is_there]
    if not missing:
        return []
    return [warned(f"online, but nothing on {' and '.join(missing)}", "see the broker's access list and its log")]


def _object(payload: bytes | None) -> Mapping[str, Any]:
    try:
        value = json.loads(payload or b"{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _number(values: Mapping[str, Any], name: str) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _shown(text: str) -> str:
    """What somebody else wrote, fit for a line."""
    return printable(text, SAID_CHARACTERS_MAX)
