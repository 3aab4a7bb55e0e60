"""Onlooker: `voice-satellite fleet` at work: watches a broker and shows what there is to see."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from satellite import __version__
from satellite.adapters.clock import SystemClock
from satellite.app import parts
from satellite.app.watching import Place, Watch
from satellite.cli import EXIT_FAULT, EXIT_OK
from satellite.cli.ending import EndingSignals
from satellite.cli.fleet_table import Table, ordered
from satellite.cli.page import Page
from satellite.cli.terminal import Streams, harmless
from satellite.config.model import Mqtt
from satellite.homeassistant.condition import Demand
from satellite.homeassistant.fleet import Fleet, Row


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for."""

    only: tuple[str, ...] = ()
    problems: bool = False
    sort: str = "problem"
    names: bool = False
    once: bool = False
    json: bool = False
    wait_s: float | None = None
    expect_version: str | None = None
    started_within_s: float | None = None


class Onlooker:
    """One run of the command."""

    def __init__(self, mqtt: Mqtt, wishes: Wishes) -> None:
        self._wishes = wishes
        self._base_topic = mqtt.base_topic
        self._streams = Streams()
        self._clock = SystemClock()
        self._place = Place(parts.broker_settings(mqtt), self._clock)
        self._fleet = Fleet(mqtt.base_topic, wishes.only, mqtt.discovery_prefix if wishes.names else None)
        self._watch = Watch(self._place, self._fleet)
        self._rows: list[Row] = []

    async def run(self) -> int:
        """The exit code; 128 more than its number when a signal ended it. Raises BrokerError."""
        with EndingSignals() as signals:
            try:
                return await self._perform()
            except asyncio.CancelledError:
                if signals.received is None:
                    raise
        self._streams.err.erase()
        return 128 + signals.received

    async def _perform(self) -> int:
        wishes = self._wishes
        if wishes.wait_s is not None:
            return await self._wait(wishes.wait_s)
        if wishes.json or wishes.once or not self._streams.out.is_lively:
            return await self._once()
        with Page(self._streams.out) as page:
            await self._watch.live(lambda: page.draw(self._table().lines(self._streams.out)))
        return EXIT_FAULT  # `live` ends by an error only

    async def _once(self) -> int:
        self._streams.err.show(f"looking at {self._place.settings.where}")
        await self._watch.once()
        rows = self._fleet.rows(self._place.now())
        self._say(rows)
        return self._verdict(rows)

    async def _wait(self, seconds: float) -> int:
        """Until all are well and nobody can doubt it."""
        wishes, began_at = self._wishes, self._clock.monotonic()
        started_after = None if wishes.started_within_s is None else began_at - wishes.started_within_s
        demand = Demand(wishes.expect_version, started_after)

        def unready() -> dict[str, str]:
            return self._fleet.unready(self._place.now(), demand)

        self._streams.err.show(f"waiting for {', '.join(wishes.only) or 'all'} at {self._place.settings.where}")
        await self._watch.until(lambda: len(self._fleet) > 0 and not unready(), seconds)
        rows, reasons = self._fleet.rows(self._place.now()), unready()
        if wishes.json:
            waited_s = round(self._clock.monotonic() - began_at, 1)
            self._streams.say(self._as_json(rows, {"waited_s": waited_s, "unready": reasons}))
        else:
            for row in rows:
                told = reasons.get(row.id, f"well, runs {row.version}")
                self._streams.say(f"{row.id}: {harmless(told)}")
        return EXIT_FAULT if reasons else self._verdict(rows)

    def _verdict(self, rows: Sequence[Row]) -> int:
        if not rows:
            place = f"{self._place.settings.where} below {self._base_topic}/"
            self._streams.warn(f"no satellite at {place}: is that the base topic, and may this login read there?")
        return EXIT_OK if rows and all(row.complaint is None for row in rows) else EXIT_FAULT

    def _say(self, rows: Sequence[Row]) -> None:
        if self._wishes.json:
            self._streams.say(self._as_json(rows, {}))
        elif rows:
            for line in self._table().lines(self._streams.out, is_whole=True):
                self._streams.say(line)

    # --- what is shown -------------------------------------------------------------------------------------------

    def _table(self) -> Table:
        """What is half told is not judged: until all of it has come, what was shown before stays."""
        if self._watch.is_whole:
            self._rows = self._fleet.rows(self._place.now())
        return Table(self._chosen(self._rows), self._rows, self._notes())

    def _chosen(self, rows: Sequence[Row]) -> list[Row]:
        """Those asked for, in the order asked for."""
        return ordered(
            [row for row in rows if row.complaint is not None or not self._wishes.problems], self._wishes.sort
        )

    def _notes(self) -> list[str]:
        notes = []
        if self._watch.trouble is None and not self._watch.is_whole:
            notes.append(f"looking at {self._place.settings.where}")
        if self._watch.trouble is not None:
            notes.append(f"{self._watch.trouble}; trying again")
        if self._watch.hidden:
            notes.append(f"the broker refuses {', '.join(self._watch.hidden)}: see its ACL")
        if self._fleet.left_out:
            notes.append(f"{self._fleet.left_out} messages of what can be no satellite were left out")
        return notes

    def _as_json(self, rows: Sequence[Row], more: dict[str, object]) -> str:
        problems = Counter(row.complaint.code for row in rows if row.complaint is not None)
        report = {
            "version": __version__,
            "broker": self._place.settings.where,
            "base_topic": self._base_topic,
            "sums": {
                "satellites": len(rows),
                "problems": dict(problems),
                "conditions": dict(Counter(row.condition for row in rows)),
                "versions": dict(Counter(row.version for row in rows if row.version is not None)),
            },
            "hidden": self._watch.hidden,
            "left_out": self._fleet.left_out,
            **more,
            "satellites": [row.as_json() for row in self._chosen(rows)],
        }
        return json.dumps(report, ensure_ascii=False, separators=(",", ":"))
