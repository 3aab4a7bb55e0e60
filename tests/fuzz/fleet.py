"""Target: whatever stands at a broker, seen by those who look on."""

import io
import json
from collections.abc import Sequence

from satellite.cli.fleet_table import Table
from satellite.cli.terminal import Terminal
from satellite.homeassistant.condition import Demand
from satellite.homeassistant.fleet import WHAT, Fleet
from tests.fakes.sightings import at, health
from tests.fuzz.target import Outcome, Shape, Target, hold

BASE = "voice-satellite"
NODE = "homeassistant/device/voice_satellite_kitchen/config"
WELL = {"availability": b"online", "state": b"idle", "problem": b'{"active":false}', "health": health()}

_MESSAGES = (
    *("kitchen/availability\nonline", "kitchen/state\nlistening", "hall-1/cloud\nlost", "all/state\nidle"),
    'kitchen/problem\n{"active":true,"code":"quota","message":"all used up","hint":null}',
    'kitchen/usage\n{"day":"2026-11-22","billed_s":12.5}',
    'kitchen/utterance\n{"end":"2026-11-22T10:00:00.000Z"}',
    f"kitchen/health\n{health(uptime_s=99.0).decode()}",
    f'/{NODE}\n{{"device":{{"name":"Kitchen","suggested_area":"Home"}}}}',
)


def _seeds() -> Sequence[bytes]:
    return [message.encode() for message in _MESSAGES]


def look_on(data: bytes) -> Outcome:
    """The first line is a topic below the base, or after a slash a whole one; then the payload, to one that is well."""
    line, _, payload = data.partition(b"\n")
    name = line.decode("utf-8", "replace").replace("\0", "")
    fleet = Fleet(BASE, (), "homeassistant")
    for topic, told in WELL.items():
        fleet.hear(f"{BASE}/kitchen/{topic}", told, at(0), is_live=True)
    for is_live in (False, True):
        fleet.hear(name[1:] if name.startswith("/") else f"{BASE}/{name}", payload, at(1), is_live=is_live)
    rows = fleet.rows(at(2))
    hold(len(rows) <= 2, "one message makes one satellite at most")
    lines = Table(rows, rows).lines(Terminal(io.StringIO(), {}))
    hold(all(line.isprintable() for line in lines), "what is shown can be shown")
    hold(len(lines) <= 7, "a satellite is one line")
    json.loads(json.dumps([row.as_json() for row in rows], allow_nan=False).encode())
    fleet.unready(at(2), Demand("0.1.0", 0.0))
    codes = [row.complaint.code for row in rows if row.complaint is not None]
    return Outcome(codes[0] if codes else "well")


TARGETS = (Target("mqtt.fleet", Shape.TEXT, look_on, _seeds, 8, (*WHAT, "online", "kitchen", "active", "all")),)
