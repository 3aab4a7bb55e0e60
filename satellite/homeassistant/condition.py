"""Condition: what is wrong with a satellite, by what was heard of it, and whether it is known to work."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from satellite.homeassistant.reports import Complaint, Health
from satellite.homeassistant.sighting import Now, Sighting

HEALTH_OVERDUE_S = 75.0
"""Two and a half times the pace of `health`: one that is late is not missed, one that comes no more is."""
DEAF_S = 15.0
"""Closing and opening a device may take so long."""
MISSING = Complaint("missing", "no satellite of this id has said anything at this broker")


@dataclass(frozen=True, slots=True)
class Demand:
    """What satellites must show besides being well."""

    version: str | None = None
    started_after: float | None = None
    """On our monotonic clock: the program of before a restart does not count."""


# --- ages -------------------------------------------------------------------------------------------------------


def health_age_s(seen: Sighting, now: Now) -> float | None:
    """None while there is only one of before we looked."""
    return None if seen.health_at is None else now.monotonic_s - seen.health_at


def uptime_s(seen: Sighting, now: Now) -> float | None:
    """How long its program runs, at least."""
    return None if seen.health is None else seen.health.uptime_s + (health_age_s(seen, now) or 0.0)


def quiet_s(seen: Sighting, now: Now) -> float | None:
    """For how long nobody has spoken to it at least, where it is not known when somebody did."""
    if seen.spoke_at is not None:
        return None
    watched_s = now.monotonic_s - seen.seen_at
    has_never_heard = seen.health is not None and seen.health.utterances == 0
    return max(watched_s, uptime_s(seen, now) or 0.0) if has_never_heard else watched_s


def billed_today_s(seen: Sighting, now: Now) -> float | None:
    """Of its own calendar day; None when what it said last was of a day that is over, wherever it stands."""
    if seen.usage is None:
        return None
    moment = datetime.fromtimestamp(now.wall_s, UTC)
    first, last = (str((moment + timedelta(hours=hours)).date()) for hours in (-12, 14))
    return seen.usage.billed_s if first <= seen.usage.day <= last else None


# --- judgement --------------------------------------------------------------------------------------------------


def complaint(seen: Sighting, now: Now) -> Complaint | None:
    """The most serious thing that is wrong with it, None when nothing is."""
    if "availability" in seen.unreadable:
        return _garbled(seen)
    if seen.is_online is None:
        return Complaint("unknown", "nothing is retained on availability", "see the broker's access list")
    if not seen.is_online:
        return Complaint("offline", "it does not run, or cannot reach the broker")
    if seen.unreadable:
        return _garbled(seen)
    return seen.problem or _silence(seen, now) or _deafness(seen) or _unexplained(seen)


def unready(seen: Sighting, now: Now, demand: Demand) -> str | None:
    """Why it is not known to work at this moment as demanded, None when it is."""
    wrong = complaint(seen, now)
    if wrong is not None:
        return f"{wrong.code}: {wrong.message}"
    if seen.health is None or seen.health_at is None:
        return "has not told of its health since we look"
    if demand.started_after is not None and seen.health_at - seen.health.uptime_s < demand.started_after:
        return "still runs the program of before"
    if demand.version is not None and seen.health.version != demand.version:
        return f"runs {seen.health.version}, not {demand.version}"
    return _unfinished(seen.state, seen.health)


def _unfinished(state: str | None, health: Health) -> str | None:
    """What a start still has before it."""
    if state == "starting":
        return "is starting"
    return "has not heard its microphone yet" if health.capture_age_ms is None and state != "muted" else None


def _garbled(seen: Sighting) -> Complaint:
    topics = ", ".join(sorted(seen.unreadable))
    return Complaint("unreadable", f"what stands on {topics} cannot be read", "see who publishes there")


def _silence(seen: Sighting, now: Now) -> Complaint | None:
    """Online, and not telling what one that works always tells."""
    missing = [name for name, value in (("state", seen.state), ("health", seen.health)) if value is None]
    if missing:
        detail = f"online, but nothing stands on {' and '.join(missing)}"
        return Complaint("silent", detail, "see the broker's access list and its log")
    moments = (seen.seen_at, seen.connected_at, seen.health_at)
    silent_s = now.monotonic_s - max(moment for moment in moments if moment is not None)
    if silent_s <= HEALTH_OVERDUE_S:
        return None
    return Complaint("stale", f"online, but has not told of its health for {silent_s:.0f} s", "see its log")


def _deafness(seen: Sighting) -> Complaint | None:
    """Nothing comes from a microphone that is neither muted nor complained about."""
    if seen.health is None or seen.state == "muted" or seen.is_health_of_muted:
        return None
    age_ms = seen.health.capture_age_ms
    silent_s = seen.health.uptime_s if age_ms is None else age_ms / 1000
    if silent_s <= DEAF_S:
        return None
    return Complaint("deaf", f"nothing came from the microphone for {silent_s:.0f} s", "restart it; see its log")


def _unexplained(seen: Sighting) -> Complaint | None:
    return Complaint("parked", "it waits for a person", "see its log") if seen.state == "parked" else None
