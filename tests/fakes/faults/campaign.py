"""A campaign: seeded faults against one rig, one after the other, and what each of them cost."""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from satellite.emulator.report import Violation
from tests.fakes.daemon import unix_s
from tests.fakes.faults.injectors import KINDS
from tests.fakes.faults.ledger import Verdict, judge
from tests.fakes.faults.losses import Cause, Losses, Sorter
from tests.fakes.faults.rig import Rig
from tests.fakes.faults.speech import RATE_HZ
from tests.fakes.faults.watcher import Got

RECOVERY_LIMIT_S = 240.0
"""Longer than this is a deadlock: no back-off is longer than a minute, and a request may fail twice."""
IN_FLIGHT_S = 1.0
"""What may have been handed to a socket that was dead already."""
BEFORE_S = 2.0
"""Speech of this time before a fault may be what it cost: it was on its way."""
SAME_GAP_S = 0.2
CAUGHT_UP_S = 10.0
MISDATED_S = 1.5
DRAIN_S = 45.0
PACE_RULES = ("gap_too_short", "too_fast")
"""Counted, and judged by `bench.ten_minutes`: chunks that were sent in time arrive in bunches behind a relay."""
ERROR_SEEN_S = 5.0
UNSEEN_S = 60.0
"""A connection that is dead on the way may look open to the service for so long."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to come: `wait_s` after the one before was recovered from."""

    index: int
    kind: str
    wait_s: float


@dataclass(slots=True)
class Struck:
    """A fault that was."""

    index: int
    kind: str
    began_s: float
    lifted_s: float = 0.0
    recovered_s: float | None = None
    lost: Losses = field(default_factory=Losses)
    """Labelled speech that no connection ever got."""
    gaps: list[tuple[float, int]] = field(default_factory=list)
    """Of what was lost on the way: when it was spoken, and ms."""
    told_lost_ms: int = 0
    """What the satellite said was lost, of utterances that began up to the next fault."""
    misdated: dict[str, float] = field(default_factory=dict)
    """Utterances with words whose times are not when they were spoken, and by how many seconds they are late."""
    complaint: str = ""

    def gap(self, spoken_s: float, milliseconds: int) -> None:
        """Speech was lost on the way; what follows closely is the same gap."""
        if self.gaps and spoken_s - self.gaps[-1][0] - self.gaps[-1][1] / 1000 < SAME_GAP_S:
            self.gaps[-1] = (self.gaps[-1][0], round((spoken_s - self.gaps[-1][0]) * 1000) + milliseconds)
        else:
            self.gaps.append((round(spoken_s, 2), milliseconds))


@dataclass(slots=True)
class Outcome:
    """All that a campaign showed; seconds count from its start."""

    seed: int
    faults: list[Struck]
    verdict: Verdict
    speech_played_s: float = 0.0
    deaths: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    bunched: int = 0
    """How often the service found chunks too close together."""
    complaints: list[str] = field(default_factory=list)
    exit_code: int | None = None


def plan(seed: int, kinds: Sequence[str], gaps_s: tuple[float, float]) -> "list[Planned]":
    """A thousand faults in a random order, each kind as often as its weight says; more than a run will take."""
    rng = random.Random(seed)
    pool = [kind for kind in kinds for _ in range(KINDS[kind].weight)]
    order: list[str] = []
    while len(order) < 1000:
        order += rng.sample(pool, len(pool))
    return [Planned(index, kind, rng.uniform(*gaps_s)) for index, kind in enumerate(order[:1000])]


class Campaign:
    """Runs a plan against a rig."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self._rig = rig
        self._seed = seed
        self._began_s = time.monotonic()
        self._first_sample = 0
        self._present: Struck | None = None
        self._heard = asyncio.Event()
        self._caught_up = asyncio.Event()
        self.struck: list[Struck] = []
        rig.on_text = self._text

    async def begin(self) -> None:
        """Wait for the first text; the campaign counts from here."""
        self._heard.clear()
        async with asyncio.timeout(60):
            await self._heard.wait()
        self._began_s = time.monotonic()
        self._first_sample = self._rig.playing.newest

    async def run(self, faults: Sequence[Planned], until_s: float, count: int = 10**6) -> None:
        """Strike until the time (monotonic) has come or enough were struck; a fault begun is recovered from."""
        for planned in faults[:count]:
            if time.monotonic() + planned.wait_s > until_s:
                return
            await asyncio.sleep(planned.wait_s)
            await self._strike(planned)

    async def _strike(self, planned: Planned) -> None:
        self._present = struck = Struck(planned.index, planned.kind, time.monotonic())
        self.struck.append(struck)
        self._heard.clear()
        rng = random.Random(f"{self._seed}/{planned.index}")
        try:
            async with asyncio.timeout(RECOVERY_LIMIT_S):
                await KINDS[planned.kind].strike(self._rig, rng)
        except (TimeoutError, OSError, AssertionError) as error:
            struck.complaint = f"could not be struck: {error!r}"
        struck.lifted_s = time.monotonic()
        try:
            async with asyncio.timeout(RECOVERY_LIMIT_S):
                while struck.recovered_s is None:
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            struck.complaint = f"heard nothing for {RECOVERY_LIMIT_S:.0f} s afterwards"
        self._present = None

    def _text(self, spoken_s: float, got: Got) -> None:
        """Text was published that was spoken at a moment."""
        struck = self._present
        if struck is not None and struck.lifted_s and spoken_s >= struck.lifted_s:
            struck.recovered_s = got.at_s
        self._heard.set()
        if got.at_s - spoken_s < CAUGHT_UP_S:
            self._caught_up.set()
        guilty = self._guilty(spoken_s)
        late_s = self._late_s(got.body["start"], spoken_s)
        if guilty is not None and abs(late_s) > MISDATED_S:
            guilty.misdated[got.body["utterance_id"]] = round(late_s, 2)

    def _late_s(self, told: str, spoken_s: float) -> float:
        """How much later than the moment a time is that was told; the wall clock may have been set just now."""
        wall_s = unix_s(told) - (time.time() - time.monotonic())
        aheads_s = (self._rig.ahead_s(spoken_s), self._rig.ahead_s(spoken_s - 2.0), self._rig.ahead_s())
        return min((wall_s - ahead_s - spoken_s for ahead_s in aheads_s), key=abs)

    async def settle(self) -> None:
        """Wait until what is published was just spoken: nothing waits any more."""
        self._caught_up.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RECOVERY_LIMIT_S):
                await self._caught_up.wait()

    async def finish(self) -> Outcome:
        """Stop the satellite in order and judge."""
        rig = self._rig
        await self.settle()
        await rig.look_at_card()
        last_sample = rig.playing.newest - 5 * RATE_HZ
        exit_code = await rig.stop_daemon()
        await self._drain()
        verdict = judge(rig.tap.sent, rig.watcher.got, rig.killed_at_s, rig.tap.unfinished)
        outcome = Outcome(self._seed, self.struck, verdict, exit_code=exit_code, deaths=list(rig.deaths))
        outcome.speech_played_s = (last_sample - self._first_sample) / RATE_HZ
        outcome.violations = [
            self._blame(f"rule broken, {item.rule}, {item.detail}", item.at_s)
            for item in rig.service.violations
            if not self._is_excused(item)
        ]
        outcome.bunched = sum(item.rule in PACE_RULES for item in rig.service.violations)
        self._attribute(last_sample)
        self._complain(outcome)
        for struck in self.struck:
            struck.began_s -= self._began_s
            struck.lifted_s -= self._began_s
            if struck.recovered_s is not None:
                struck.recovered_s -= self._began_s
        return outcome

    async def _drain(self) -> None:
        """Wait until nothing more comes out of the broker."""
        deadline = time.monotonic() + DRAIN_S
        count = -1
        while count != len(self._rig.watcher.got) and time.monotonic() < deadline:
            count = len(self._rig.watcher.got)
            await asyncio.sleep(2)

    def _is_excused(self, violation: Violation) -> bool:
        """What the service sees behind a bad line is not always what the satellite did."""
        struck = self._guilty(violation.at_s)
        since_s = float("inf") if struck is None else violation.at_s - struck.lifted_s
        if violation.rule in ("inactivity", "no_heartbeat", "get_while_connected", "audio_stopped_in_turn"):
            return since_s < UNSEEN_S
        if violation.rule in PACE_RULES:
            return True
        if violation.rule == "reconnect_after_error":
            return not any(0 <= violation.at_s - at_s < ERROR_SEEN_S for at_s in self._rig.tap.errors_s)
        # at the end of a FIFO, ALSA's plug-in gives out once more what it read last
        return violation.rule == "audio_resent" and struck is not None and KINDS[struck.kind].deafens

    def _attribute(self, last_sample: int) -> None:
        """Give each fault what was lost in its time."""
        rig = self._rig
        sorter = Sorter(rig.script, rig.playing, rig.reached, rig.ended_s)
        for start, end in rig.reached.missing(self._first_sample, last_sample):
            loss = sorter.loss(start)
            struck = self._guilty(loss.at_s)
            if struck is not None:
                cause = Cause.DEAF if KINDS[struck.kind].deafens else loss.cause
                struck.lost.add(cause, (end - start) * 1000 // RATE_HZ)
                if cause is Cause.IN_FLIGHT:
                    struck.gap(rig.playing.heard_at(start) - self._began_s, (end - start) * 1000 // RATE_HZ)
        for message in rig.watcher.got:
            if message.topic == "utterance" and message.body["lost_ms"]:
                struck = self._guilty(self._spoken_s(message))
                if struck is not None:
                    struck.told_lost_ms += int(message.body["lost_ms"])

    def _spoken_s(self, message: Got) -> float:
        """When an utterance began by the satellite's own account, monotonic; when it was told, if that cannot be."""
        began_s = (
            unix_s(message.body["start"])
            - self._rig.ahead_s(message.at_s - BEFORE_S)
            - (time.time() - time.monotonic())
        )
        return began_s if abs(began_s - message.at_s) < RECOVERY_LIMIT_S * 2 else message.at_s

    def _guilty(self, moment_s: float) -> Struck | None:
        """The last fault that had begun by then, or soon after."""
        guilty = None
        for struck in self.struck:
            if struck.began_s - BEFORE_S > moment_s:
                break
            guilty = struck
        return guilty

    def _complain(self, outcome: Outcome) -> None:
        """Name the faults that broke a promise."""
        for struck in self.struck:
            if struck.lost.in_flight_ms > IN_FLIGHT_S * 1000:
                struck.complaint = struck.complaint or f"{struck.lost.in_flight_ms} ms of speech lost on the way"
            if len(struck.misdated) > KINDS[struck.kind].misdates:
                struck.complaint = struck.complaint or f"times are late by {list(struck.misdated.values())} s"
            if struck.complaint:
                outcome.complaints.append(f"seed {self._seed} fault {struck.index} {struck.kind}: {struck.complaint}")
        for segment in outcome.verdict.lost:
            outcome.complaints.append(self._blame(f"segment lost on {segment.topic} ({segment.text!r})", segment.at_s))
        for message in outcome.verdict.invented:
            outcome.complaints.append(self._blame(f"invented on {message.topic}: {message.payload!r}", message.at_s))
        for message in outcome.verdict.reordered:
            outcome.complaints.append(self._blame(f"out of order on {message.topic}", message.at_s))
        outcome.complaints += [f"seed {self._seed}: {key} with two texts" for key in outcome.verdict.two_texts]
        outcome.complaints += [f"seed {self._seed}: {death}" for death in outcome.deaths]
        outcome.complaints += outcome.violations
        if outcome.exit_code:
            outcome.complaints.append(f"seed {self._seed}: exit code {outcome.exit_code} at the ordered stop")

    def _blame(self, what: str, at_s: float) -> str:
        struck = self._guilty(at_s)
        whose = "before any fault" if struck is None else f"fault {struck.index} {struck.kind}"
        return f"seed {self._seed} {whose}: {what} at {at_s - self._began_s:.1f} s"


def as_json(outcome: Outcome) -> dict[str, object]:
    """The figures of an outcome, without the messages themselves."""
    verdict = outcome.verdict
    return {
        "seed": outcome.seed,
        "exit_code": outcome.exit_code,
        "faults": [asdict(struck) for struck in outcome.faults],
        "sent": verdict.sent,
        "said_again": verdict.said_again,
        "published": verdict.published,
        "lost": len(verdict.lost),
        "lost_with_process": len(verdict.lost_with_process),
        "invented": len(verdict.invented),
        "reordered": len(verdict.reordered),
        "two_texts": len(verdict.two_texts),
        "repeated": verdict.repeated,
        "told_lost_ms": verdict.lost_ms,
        "played_s": outcome.speech_played_s,
        "deaths": outcome.deaths,
        "violations": outcome.violations,
        "bunched": outcome.bunched,
        "complaints": outcome.complaints,
    }
