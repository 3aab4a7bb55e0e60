"""Metrics: the figures of `health` and `usage`, the state, the link and the problems, as Prometheus calls such things.

Base units, seconds and bytes; what only grows ends in `_total`. What there is nothing to say about is left out.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import get_args

from satellite.core.exposition import Family, Sample
from satellite.homeassistant.bodies import Link, ProblemCode, State
from satellite.homeassistant.entities import STATES
from satellite.homeassistant.payloads import HealthFigures

PREFIX = "voice_satellite_"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which satellite it is."""

    satellite_id: str
    area: str | None
    backend: str


@dataclass(frozen=True, slots=True)
class Present:
    """What holds at this moment."""

    state: State
    cloud: Link
    problems: Collection[ProblemCode]
    is_muted: bool
    """Whatever else the state tells."""
    is_online: bool
    """The broker has the satellite as `online`."""


@dataclass(frozen=True, slots=True)
class Day:
    """What the local calendar day has cost so far."""

    streamed_s: float
    billed_s: float
    limit_s: float | None


def families(identity: Identity, present: Present, figures: HealthFigures, day: Day) -> Iterator[Family]:
    """Everything that an operator watches."""
    labels = {"version": figures.version, "backend": identity.backend}
    labels |= {"satellite": identity.satellite_id, "area": identity.area or ""}
    info = Sample(1, tuple(labels.items()))
    yield Family(f"{PREFIX}info", "gauge", "Which satellite this is, and what it runs.", (info,))
    yield from _present(present)
    yield from _work(figures)
    yield from _ages(figures)
    yield from _day(day)
    yield _counter("process_cpu_seconds_total", "Processor time used, by its sound devices too.", figures.cpu_s)
    yield _gauge("process_resident_memory_bytes", "Resident memory, of its sound devices too.", figures.rss_bytes)


def _present(present: Present) -> Iterator[Family]:
    states = _one_of("state", STATES, {present.state})
    yield Family(f"{PREFIX}state", "gauge", "What the satellite does now: 1 for one of them.", states)
    links = _one_of("link", get_args(Link), {present.cloud})
    meaning = "How the link to the voice service stands; idle is nothing to say: 1 for one of them."
    yield Family(f"{PREFIX}cloud", "gauge", meaning, links)
    problems = _one_of("code", get_args(ProblemCode), present.problems)
    yield Family(f"{PREFIX}problem", "gauge", "What is wrong: 1 for each that needs a person.", problems)
    yield _gauge(f"{PREFIX}muted", "Whether the microphone is closed by command.", int(present.is_muted))
    meaning = "Whether the MQTT broker has the satellite as online."
    yield _gauge(f"{PREFIX}online", meaning, int(present.is_online))


def _work(figures: HealthFigures) -> Iterator[Family]:
    """What has been done since the start."""
    counted = (
        ("captured_seconds", "Sound from the microphone.", figures.captured_s),
        ("streamed_seconds", "Audio handed to the voice service.", figures.streamed_s),
        ("billed_seconds", "Audio that the voice service charges for.", figures.billed_s),
        ("lost_audio_seconds", "Audio that will never be transcribed.", figures.lost_audio_ms / 1000),
        ("utterances", "Utterances begun.", figures.utterances),
        ("sessions", "Conversations with the voice service begun.", figures.sessions),
        ("resumes", "Connections that took a conversation up again.", figures.resumes),
        ("reconnects", "Connections made after one was lost.", figures.reconnects),
    )
    for name, meaning, value in counted:
        yield _counter(f"{PREFIX}{name}_total", meaning, value)


def _ages(figures: HealthFigures) -> Iterator[Family]:
    yield _gauge(f"{PREFIX}uptime_seconds", "Time since the start.", figures.uptime_s)
    meaning = "Age of the newest sound: a few seconds mean that it is deaf, or muted."
    yield _gauge(f"{PREFIX}capture_age_seconds", meaning, _seconds(figures.capture_age_ms))
    yield _gauge(f"{PREFIX}outbox_messages", "Messages that wait for the broker.", figures.outbox)
    waited = (("0.5", figures.uplink_p50_ms), ("0.95", figures.uplink_p95_ms))
    samples = tuple(Sample(ms / 1000, (("quantile", share),)) for share, ms in waited if ms is not None)
    meaning = "How much audio waited to be sent, lately."
    yield Family(f"{PREFIX}uplink_latency_seconds", "summary", meaning, samples)


def _day(day: Day) -> Iterator[Family]:
    meaning = "Audio handed to the voice service today, over restarts."
    yield _gauge(f"{PREFIX}streamed_today_seconds", meaning, day.streamed_s)
    meaning = "Audio that the voice service charges for today, over restarts."
    yield _gauge(f"{PREFIX}billed_today_seconds", meaning, day.billed_s)
    yield _gauge(f"{PREFIX}daily_limit_seconds", "What may be billed in a day.", day.limit_s)


# --- inside -----------------------------------------------------------------------------------------------------


def _counter(name: str, meaning: str, value: float) -> Family:
    return Family(name, "counter", meaning, (Sample(value),))


def _gauge(name: str, meaning: str, value: float | None) -> Family:
    return Family(name, "gauge", meaning, () if value is None else (Sample(value),))


def _one_of(label: str, names: Iterable[str], holding: Collection[str]) -> tuple[Sample, ...]:
    """A sample for each name: 1 for what holds, 0 for the others, so that each series goes on."""
    return tuple(Sample(int(name in holding), ((label, name),)) for name in names)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
