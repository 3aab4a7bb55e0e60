"""Metrics: names, units and labels, held against the parser of Prometheus' own client library."""

from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from satellite.core.exposition import exposition
from satellite.homeassistant.bodies import Link, ProblemCode
from satellite.homeassistant.entities import STATES
from satellite.homeassistant.metrics import Day, Identity, Present, families
from satellite.homeassistant.payloads import HealthFigures

IDENTITY = Identity("kitchen", "Kitchen", "deepl")
PRESENT = Present(state="listening", cloud="connected", problems=("auth", "speaker"), is_muted=False, is_online=True)
FIGURES = HealthFigures(
    version="1.2.3",
    uptime_s=61.26,
    captured_s=60.04,
    streamed_s=12.5,
    billed_s=12.25,
    utterances=3,
    sessions=2,
    resumes=4,
    reconnects=5,
    lost_audio_ms=120.5,
    outbox=6,
    capture_age_ms=80.0,
    cpu_s=1.5,
    rss_bytes=40_000_000,
    uplink_p50_ms=100.0,
    uplink_p95_ms=250.0,
)
DAY = Day(streamed_s=100.0, billed_s=90.0, limit_s=1800.0)


def read(
    identity: Identity = IDENTITY, present: Present = PRESENT, figures: HealthFigures = FIGURES, day: Day = DAY
) -> dict[str, Metric]:
    page = exposition(families(identity, present, figures, day))
    return {family.name: family for family in text_string_to_metric_families(page)}


def values(metric: Metric, label: str) -> dict[str, float]:
    return {sample.labels[label]: sample.value for sample in metric.samples}


def test_each_figure_has_its_name_and_its_unit() -> None:
    single = {sample.name: sample.value for metric in read().values() for sample in metric.samples if not sample.labels}
    assert single == {
        "voice_satellite_muted": 0,
        "voice_satellite_online": 1,
        "voice_satellite_captured_seconds_total": 60.04,
        "voice_satellite_streamed_seconds_total": 12.5,
        "voice_satellite_billed_seconds_total": 12.25,
        "voice_satellite_lost_audio_seconds_total": 0.1205,
        "voice_satellite_utterances_total": 3,
        "voice_satellite_sessions_total": 2,
        "voice_satellite_resumes_total": 4,
        "voice_satellite_reconnects_total": 5,
        "voice_satellite_uptime_seconds": 61.26,
        "voice_satellite_capture_age_seconds": 0.08,
        "voice_satellite_outbox_messages": 6,
        "voice_satellite_streamed_today_seconds": 100.0,
        "voice_satellite_billed_today_seconds": 90.0,
        "voice_satellite_daily_limit_seconds": 1800.0,
        "process_cpu_seconds_total": 1.5,
        "process_resident_memory_bytes": 40_000_000,
    }


@pytest.mark.parametrize("field", [field.name for field in fields(HealthFigures)])
def test_no_figure_of_health_is_forgotten(field: str) -> None:
    value: Any = getattr(FIGURES, field)
    change: dict[str, Any] = {field: f"{value}x" if isinstance(value, str) else value + 1}
    assert read(figures=replace(FIGURES, **change)) != read()


def test_what_only_grows_is_a_counter_and_says_so_in_its_name() -> None:
    for name, metric in read().items():
        assert metric.documentation.endswith("."), name
        assert (metric.type == "counter") == all(sample.name.endswith("_total") for sample in metric.samples), name


def test_who_it_is_stands_in_labels() -> None:
    (sample,) = read()["voice_satellite_info"].samples
    assert sample.labels == {"version": "1.2.3", "backend": "deepl", "satellite": "kitchen", "area": "Kitchen"}
    assert sample.value == 1
    (sample,) = read(replace(IDENTITY, area=None))["voice_satellite_info"].samples
    assert sample.labels["area"] == "", "Prometheus takes an empty label for none"


def test_of_states_and_links_one_holds() -> None:
    states = values(read()["voice_satellite_state"], "state")
    assert states == {name: float(name == "listening") for name in STATES}
    links = values(read()["voice_satellite_cloud"], "link")
    assert links == {name: float(name == "connected") for name in get_args(Link)}


def test_every_problem_is_told_and_not_only_the_most_serious() -> None:
    problems = values(read()["voice_satellite_problem"], "code")
    assert problems == {code: float(code in ("auth", "speaker")) for code in get_args(ProblemCode)}


def test_muted_and_offline_are_told() -> None:
    metrics = read(present=replace(PRESENT, is_muted=True, is_online=False))
    assert metrics["voice_satellite_muted"].samples[0].value == 1
    assert metrics["voice_satellite_online"].samples[0].value == 0


def test_latency_is_told_by_quantile() -> None:
    latency = read()["voice_satellite_uplink_latency_seconds"]
    assert latency.type == "summary"
    assert values(latency, "quantile") == {"0.5": 0.1, "0.95": 0.25}


def test_what_is_not_known_is_left_out() -> None:
    figures = replace(FIGURES, capture_age_ms=None, uplink_p50_ms=None, uplink_p95_ms=None)
    missing = set(read()) - set(read(figures=figures, day=replace(DAY, limit_s=None)))
    assert missing == {
        "voice_satellite_capture_age_seconds",
        "voice_satellite_uplink_latency_seconds",
        "voice_satellite_daily_limit_seconds",
    }
