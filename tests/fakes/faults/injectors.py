"""The faults themselves: each strikes a running rig, lasts for a while, and is over when its coroutine returns."""

import asyncio
import contextlib
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from satellite.emulator.faults import Fault
from tests.fakes.faults.rig import PASSWORDS, Rig

Strike = Callable[[Rig, random.Random], Awaitable[None]]
SLOW_BYTES_PER_S = 20_000
"""Speech alone takes 32,000."""
LONG_OUTAGE_S = (36.0, 45.0)
"""Longer than the ring of 30 s holds."""

STORED_WITHIN_S = 4.0
"""After this, what waited for room on the disk has to be on it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault: how it strikes, and what it may cost."""

    strike: Strike
    weight: int = 2
    """How often it is drawn, against the others."""
    in_soak: bool = False
    needs_mounts: bool = False
    needs_clock: bool = False
    deafens: bool = False
    """Sound of its time is not captured, or lost with the process: neither the ring nor a socket ever had it."""
    misdates: int = 0
    """Utterances that may have wrong times for it: a FIFO gives out after a pause what it held before."""


def _at_once(deed: Callable[[Rig], Awaitable[None] | None]) -> Strike:
    """Done in a moment, and always in the same way."""

    async def strike(rig: Rig, rng: random.Random) -> None:
        del rng
        if (rest := deed(rig)) is not None:
            await rest

    return strike


# --- the way to the voice service -------------------------------------------------------------------------------


async def blackhole(rig: Rig, rng: random.Random) -> None:
    """Nothing passes at all, new connections neither; then what was open is dead."""
    for relay in (rig.socket, rig.rest):
        relay.blackhole()
    await asyncio.sleep(rng.uniform(2, 20))
    for relay in (rig.socket, rig.rest):
        relay.swallow()
        await relay.up()


async def stall(rig: Rig, rng: random.Random) -> None:
    """Nothing passes for a while, then all of it."""
    await rig.socket.stall(rng.uniform(0.5, 8))


async def slow_link(rig: Rig, rng: random.Random) -> None:
    """Less bandwidth than speech takes."""
    rig.socket.bytes_per_s = SLOW_BYTES_PER_S
    await asyncio.sleep(rng.uniform(3, 10))
    rig.socket.bytes_per_s = None


async def refused(rig: Rig, rng: random.Random) -> None:
    """No port is open."""
    await _cut_off(rig, rng.uniform(1, 10))


async def long_outage(rig: Rig, rng: random.Random) -> None:
    """Longer than the ring holds."""
    await _cut_off(rig, rng.uniform(*LONG_OUTAGE_S))


async def _cut_off(rig: Rig, for_s: float) -> None:
    for relay in (rig.rest, rig.socket):
        await relay.down()
    await asyncio.sleep(for_s)
    for relay in (rig.rest, rig.socket):
        await relay.up()


async def no_names(rig: Rig, rng: random.Random) -> None:
    """The resolver does not know the service."""
    rig.names(are_known=False)
    await rig.socket.interrupt()
    await asyncio.sleep(rng.uniform(1, 8))
    rig.names(are_known=True)


# --- the voice service itself -----------------------------------------------------------------------------------


def _answer(method: str, *statuses: int) -> Strike:
    """The next requests are answered with a status; a GET is provoked by a cut, a POST by the session's end."""

    async def strike(rig: Rig, rng: random.Random) -> None:
        status = rng.choice(statuses)
        retry_after_s = rng.randint(1, 4) if status == 429 else None
        count = 1 if status in (401, 403, 404, 456) else rng.randint(1, 2)
        body = rng.choice(("message", "error", "text", "none"))
        await _provoke(
            rig, method, Fault("http", method, count, 0, status=status, retry_after_s=retry_after_s, body=body)
        )

    return strike


async def _provoke(rig: Rig, method: str, fault: Fault) -> None:
    rig.service.inject(fault)
    if method == "POST":
        rig.service.inject(Fault("error", status=500))
    else:
        await rig.socket.interrupt()


def _armed(*faults: Fault, then_cut: bool = False) -> Strike:
    """One of the emulator's own faults, at once or as soon as the satellite comes back."""

    async def strike(rig: Rig, rng: random.Random) -> None:
        rig.service.inject(rng.choice(faults))
        if then_cut:
            await rig.socket.interrupt()

    return strike


# --- the broker --------------------------------------------------------------------------------------------------


async def broker_killed(rig: Rig, rng: random.Random) -> None:
    """kill -9, away for a while."""
    await _broker_away(rig, rig.broker.kill, rng.uniform(0, 8))


async def broker_restarted(rig: Rig, rng: random.Random) -> None:
    """An ordered restart."""
    await _broker_away(rig, rig.broker.stop, rng.uniform(0, 2))


async def _broker_away(rig: Rig, end: Callable[[], None], for_s: float) -> None:
    await asyncio.to_thread(end)
    await asyncio.sleep(for_s)
    await asyncio.to_thread(rig.broker.start)
    # what the watcher has not got yet only the broker has: it must not be killed again before
    async with asyncio.timeout(30):
        await rig.watcher.is_connected.wait()


async def broker_frozen(rig: Rig, rng: random.Random) -> None:
    """SIGSTOP: connections stay open, nothing answers."""
    rig.broker.freeze()
    await asyncio.sleep(rng.uniform(1, 12))
    rig.broker.thaw()


async def broker_refused(rig: Rig, rng: random.Random) -> None:
    """No port is open."""
    await rig.mqtt.down()
    await asyncio.sleep(rng.uniform(1, 8))
    await rig.mqtt.up()


async def broker_denies(rig: Rig, rng: random.Random) -> None:
    """The account has another password for a while."""
    await asyncio.to_thread(rig.password, "changed")
    await rig.mqtt.interrupt()
    await asyncio.sleep(rng.uniform(1, 4))
    await asyncio.to_thread(rig.password, PASSWORDS["sat1"])


async def disk_full(rig: Rig, rng: random.Random) -> None:
    """No room in the state directory while the broker is away."""
    filler = Path(rig.state) / "filler"
    await rig.mqtt.down()
    await asyncio.to_thread(_fill, filler)
    await asyncio.sleep(rng.uniform(2, 8))
    await rig.mqtt.up()
    await asyncio.sleep(0.5)
    filler.unlink()


async def daemon_killed_after_full_disk(rig: Rig, rng: random.Random) -> None:
    """No room while the broker is away; room again, and soon afterwards a power cut."""
    filler = Path(rig.state) / "filler"
    await rig.mqtt.down()
    await asyncio.to_thread(_fill, filler)
    await asyncio.sleep(rng.uniform(3, 8))
    filler.unlink()
    await asyncio.sleep(STORED_WITHIN_S)
    await daemon_killed(rig, rng)
    await rig.mqtt.up()


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


# --- devices and the process -------------------------------------------------------------------------------------


async def card_stalled(rig: Rig, rng: random.Random) -> None:
    """The card stands still and says nothing."""
    await rig.on_card(rig.card.stall)
    await rig.look_at_card()
    await asyncio.sleep(rng.uniform(1.5, 6))
    await rig.look_at_card()
    await rig.on_card(rig.card.resume)


async def microphone_gone(rig: Rig, rng: random.Random) -> None:
    """The microphone ends, and comes back under its name."""
    await rig.on_card(rig.card.unplug)
    await rig.look_at_card()
    await asyncio.sleep(rng.uniform(1, 5))
    await rig.look_at_card()
    await rig.on_card(rig.card.replug)


async def daemon_stopped(rig: Rig, rng: random.Random) -> None:
    """SIGSTOP and SIGCONT: a machine that was suspended."""
    assert rig.daemon is not None
    rig.daemon.signal(signal.SIGSTOP)
    await asyncio.sleep(rng.uniform(0.3, 8))
    rig.daemon.signal(signal.SIGCONT)


async def daemon_killed(rig: Rig, rng: random.Random) -> None:
    """SIGKILL; started again after a moment, as systemd does."""
    await rig.kill_daemon()
    await asyncio.sleep(rng.uniform(0, 2))
    rig.start_daemon()


async def daemon_killed_without_broker(rig: Rig, rng: random.Random) -> None:
    """A power cut in the middle of a broker outage."""
    await rig.mqtt.down()
    await asyncio.sleep(rng.uniform(3, 8))
    await daemon_killed(rig, rng)
    await asyncio.sleep(rng.uniform(1, 5))
    await rig.mqtt.up()


async def daemon_restarted(rig: Rig, rng: random.Random) -> None:
    """An ordered stop, perhaps with the broker away, and a start."""
    if is_without_broker := rng.random() < 0.5:
        await rig.mqtt.down()
        await asyncio.sleep(rng.uniform(0, 5))
    await rig.stop_daemon()
    rig.start_daemon()
    if is_without_broker:
        await asyncio.sleep(rng.uniform(0, 3))
        await rig.mqtt.up()


async def clock_jump(rig: Rig, rng: random.Random) -> None:
    """The wall clock is set: by NTP after a boot without a clock, by a person, or by an hour."""
    rig.clock(rig.ahead_s() + rng.choice((-86_400.0 * 400, -3600.0, -5.0, 5.0, 3600.0, 86_400.0 * 400)))


_ERRORS = tuple(Fault("error", status=status) for status in (400, 408, 429, 500, 503))
_GARBAGE = tuple(Fault("garbage", what=what) for what in ("not_json", "array", "unknown", "huge", "wrong_frame"))
_TOKENS = (Fault("token", "GET", what="lost"), Fault("token", "GET", what="stale"))

KINDS: dict[str, Kind] = {
    "reset": Kind(_at_once(lambda rig: rig.socket.interrupt()), 4, in_soak=True),
    # FIN, without a word of the protocol
    "clean_close": Kind(_at_once(lambda rig: rig.socket.hang_up()), 3, in_soak=True),
    # the connection is forgotten on the way: silence for ever; a new one would work
    "half_open": Kind(_at_once(lambda rig: rig.socket.swallow()), 3, in_soak=True),
    "blackhole": Kind(blackhole, 2),
    "stall": Kind(stall, 3, in_soak=True),
    "slow_link": Kind(slow_link, 2),
    "refused": Kind(refused, 3, in_soak=True),
    "long_outage": Kind(long_outage, 1),
    "no_names": Kind(no_names, 3, needs_mounts=True),
    "answer_get": Kind(_answer("GET", 429, 500, 502, 503, 404), 3),
    "answer_post": Kind(_answer("POST", 429, 500, 503), 3, in_soak=True),
    "refuse_once": Kind(_answer("POST", 401, 403, 456), 2),
    "handshake": Kind(
        _armed(*(Fault("handshake", status=status) for status in (500, 503, 429, 403)), then_cut=True), 2
    ),
    "slow_answer": Kind(_armed(Fault("slow", "GET", delay_s=4), Fault("slow", "ws", delay_s=4), then_cut=True), 2),
    "lose_answer": Kind(_armed(Fault("lose_answer", "GET"), then_cut=True), 2),
    "token": Kind(_armed(*_TOKENS, then_cut=True), 3),
    "accept_close": Kind(_armed(Fault("accept_close"), Fault("accept_close", count=2), then_cut=True), 2),
    "service_cut": Kind(
        _armed(Fault("cut", how="rst"), Fault("cut", how="close"), Fault("cut", how="close", code=1012)), 3
    ),
    "service_stall": Kind(_armed(Fault("stall", for_s=3), Fault("stall", for_s=3600)), 2),
    "error": Kind(_armed(*_ERRORS), 4, in_soak=True),
    "garbage": Kind(_armed(*_GARBAGE), 3),
    "duration_limit": Kind(_armed(Fault("duration_limit")), 1),
    "broker_killed": Kind(broker_killed, 3, in_soak=True),
    "broker_restarted": Kind(broker_restarted, 2, in_soak=True),
    "broker_frozen": Kind(broker_frozen, 3, in_soak=True),
    "broker_refused": Kind(broker_refused, 2),
    "broker_cut": Kind(_at_once(lambda rig: rig.mqtt.interrupt()), 3, in_soak=True),
    "broker_half_open": Kind(_at_once(lambda rig: rig.mqtt.swallow()), 2),
    "broker_denies": Kind(broker_denies, 1),
    "disk_full": Kind(disk_full, 2, needs_mounts=True),
    "card_stalled": Kind(card_stalled, 3, in_soak=True, deafens=True, misdates=1),
    "microphone_gone": Kind(microphone_gone, 2, deafens=True, misdates=1),
    "clock_jump": Kind(clock_jump, 2, needs_clock=True, misdates=1),
    "daemon_stopped": Kind(daemon_stopped, 3, deafens=True, misdates=1),
    "daemon_killed": Kind(daemon_killed, 3, deafens=True),
    "daemon_killed_without_broker": Kind(daemon_killed_without_broker, 3, deafens=True),
    "daemon_killed_after_full_disk": Kind(daemon_killed_after_full_disk, 2, needs_mounts=True, deafens=True),
    "daemon_restarted": Kind(daemon_restarted, 2, deafens=True),
}


def possible(*, has_mounts: bool, has_clock: bool) -> list[str]:
    """The kinds that can be struck here."""
    return [
        name
        for name, kind in KINDS.items()
        if (has_mounts or not kind.needs_mounts) and (has_clock or not kind.needs_clock)
    ]
