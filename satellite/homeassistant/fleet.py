"""Fleet: all satellites of one broker, gathered from what they publish, as rows to show and to judge."""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from satellite.homeassistant import condition
from satellite.homeassistant.condition import MISSING, Demand
from satellite.homeassistant.discovery import node_of
from satellite.homeassistant.reports import Complaint
from satellite.homeassistant.sighting import Now, Sighting
from satellite.homeassistant.topics import Topics, is_id

SATELLITES_MAX = 20_000
"""More than a table is for: what goes beyond is counted, and not kept."""
WHAT = ("availability", "state", "problem", "cloud", "utterance", "usage", "health")
"""Topics in the order in which they are asked for.

`health` comes last: a satellite says all else before it, so what stands there when a live one comes is no older.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One satellite at one moment; None where nothing is known."""

    id: str
    complaint: Complaint | None
    name: str | None = None
    area: str | None = None
    is_online: bool | None = None
    state: str | None = None
    cloud: str | None = None
    version: str | None = None
    uptime_s: float | None = None
    connected_s: float | None = None
    health_age_s: float | None = None
    speech_age_s: float | None = None
    quiet_s: float | None = None
    utterances: int | None = None
    lost_audio_ms: int | None = None
    billed_today_s: float | None = None

    @property
    def condition(self) -> str:
        """What it does in one word, as far as that is known."""
        if self.is_online is None:
            return "missing" if self.complaint is MISSING else "unknown"
        return (self.state or "unknown") if self.is_online else "offline"

    def as_json(self) -> dict[str, object]:
        """For programs: seconds to a tenth."""
        plain = {key: round(value, 1) if isinstance(value, float) else value for key, value in asdict(self).items()}
        return {"id": plain.pop("id"), "problem": plain.pop("complaint"), **plain}


class Fleet:
    """Fed with what a broker delivers; `wanted` are patterns of ids, none: all.

    A pattern without a wildcard is the id of a satellite that has to be there.
    """

    def __init__(self, base: str, wanted: Sequence[str] = (), discovery_prefix: str | None = None) -> None:
        self._base = base
        self._prefix = discovery_prefix
        self._named = tuple(dict.fromkeys(one for one in wanted if not is_pattern(one)))
        self._is_wanted = re.compile("|".join(map(fnmatch.translate, wanted or ("*",)))).fullmatch
        self._sightings: dict[str, Sighting] = {}
        self._before: Mapping[str, Sighting] = {}
        self.left_out = 0
        """Messages of what has no id of a satellite, and of those beyond SATELLITES_MAX."""

    def __len__(self) -> int:
        """How many wanted ones have said anything."""
        return len(self._sightings)

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to, one after the other."""
        names = () if self._prefix is None else (f"{self._prefix}/device/+/config",)
        return (*(f"{self._base}/+/{name}" for name in WHAT), *names)

    def begin(self) -> None:
        """A connection begins: all that is retained comes again, and what does not come is no more."""
        self._before, self._sightings, self.left_out = self._sightings, {}, 0

    def hear(self, topic: str, payload: bytes, now: Now, *, is_live: bool) -> None:
        """One message; `is_live` unless it was retained before we subscribed."""
        if self._prefix is not None and topic.startswith(f"{self._prefix}/device/"):
            self._hear_announcement(topic, payload, now)
            return
        satellite_id, _, name = topic.removeprefix(f"{self._base}/").partition("/")
        if name not in WHAT or not self._is_wanted(satellite_id):
            return
        sighting = self._sightings.get(satellite_id) or self._discovered(satellite_id, payload, now)
        if sighting is None:
            return
        sighting.hear(name, payload, now, is_live=is_live)
        if sighting.is_blank:
            del self._sightings[satellite_id]

    def rows(self, now: Now) -> list[Row]:
        """All that are wanted, those with a problem first, then by id."""
        rows = [_row(satellite_id, sighting, now) for satellite_id, sighting in self._sightings.items()]
        rows += [Row(satellite_id, MISSING) for satellite_id in self._absent]
        return sorted(rows, key=lambda row: (row.complaint is None, row.id))

    def unready(self, now: Now, demand: Demand) -> dict[str, str]:
        """By id, why a wanted one is not known to work as demanded; empty when all of them are."""
        found = dict.fromkeys(self._absent, MISSING.message)
        for satellite_id, sighting in self._sightings.items():
            reason = condition.unready(sighting, now, demand)
            if reason is not None:
                found[satellite_id] = reason
        return dict(sorted(found.items()))

    @property
    def _absent(self) -> list[str]:
        return [satellite_id for satellite_id in self._named if satellite_id not in self._sightings]

    def _discovered(self, satellite_id: str, payload: bytes, now: Now) -> Sighting | None:
        """A place for one that was not heard of yet; None when it gets none."""
        if not payload:
            return None
        if not is_id(satellite_id) or len(self._sightings) >= SATELLITES_MAX:
            self.left_out += 1
            return None
        sighting = self._sightings[satellite_id] = Sighting(now)
        if satellite_id in self._before:
            sighting.spoke_at = self._before[satellite_id].spoke_at  # no broker remembers it
        return sighting

    def _hear_announcement(self, topic: str, payload: bytes, now: Now) -> None:
        node = topic.split("/")[-2]
        satellite_id = node.removeprefix(node_of(Topics(self._base, "")))
        if satellite_id != node and satellite_id in self._sightings:
            self._sightings[satellite_id].hear("announcement", payload, now, is_live=False)


def is_pattern(text: str) -> bool:
    """Whether it may stand for several ids."""
    return any(character in text for character in "*?[")


def _row(satellite_id: str, seen: Sighting, now: Now) -> Row:
    health = seen.health
    return Row(
        id=satellite_id,
        complaint=condition.complaint(seen, now),
        name=seen.name,
        area=seen.area,
        is_online=seen.is_online,
        state=seen.state,
        cloud=seen.cloud,
        version=None if health is None else health.version,
        uptime_s=condition.uptime_s(seen, now) if seen.is_online else None,
        connected_s=None if seen.connected_at is None else now.monotonic_s - seen.connected_at,
        health_age_s=condition.health_age_s(seen, now),
        speech_age_s=None if seen.spoke_at is None else now.monotonic_s - seen.spoke_at,
        quiet_s=condition.quiet_s(seen, now),
        utterances=None if health is None else health.utterances,
        lost_audio_ms=None if health is None else health.lost_audio_ms,
        billed_today_s=condition.billed_today_s(seen, now),
    )
