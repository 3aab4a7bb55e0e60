"""Alert rules and dashboard look at figures that there are, and are sound to Prometheus' own tool."""

import itertools
import json
import re
from pathlib import Path
from typing import get_args

import yaml
from prometheus_client.parser import text_string_to_metric_families

from satellite.core.exposition import exposition
from satellite.homeassistant.bodies import Link, ProblemCode
from satellite.homeassistant.metrics import families
from satellite.homeassistant.payloads import health
from satellite.homeassistant.topics import Topics
from tests.fakes.promtool import RULES, dashboard, metrics_in, promtool, queries, rules
from tests.tree import ROOT
from tests.unit.homeassistant.test_metrics import DAY, FIGURES, IDENTITY, PRESENT

PAGE = exposition(families(IDENTITY, PRESENT, FIGURES, DAY))
METRICS = list(text_string_to_metric_families(PAGE))
SERVED = {sample.name for metric in METRICS for sample in metric.samples} | {"up"}
HEALTH = json.loads(health(Topics("voice-satellite", "kitchen"), FIGURES).payload)
LABELS = {"code": set(get_args(ProblemCode)), "link": set(get_args(Link)), "quantile": {"0.95"}}


def asked() -> list[str]:
    """All queries, of rules and of panels."""
    return [rule["expr"] for rule in rules()] + [query for _, query in queries()]


def test_only_figures_that_are_served_are_asked_for() -> None:
    names = set().union(*(metrics_in(query) for query in asked()))
    assert len(names) > 15
    assert names <= SERVED


def test_only_codes_and_states_that_there_are_are_asked_for() -> None:
    matched = [match for query in asked() for match in re.findall(r'(\w+)=~?"([^"]*)"', query)]
    assert {label for label, _ in matched} == {*LABELS, "job", "site", "satellite"}
    wrong = [match for match in matched if match[0] in LABELS and not set(match[1].split("|")) <= LABELS[match[0]]]
    assert wrong == []


def test_every_problem_rings_somewhere() -> None:
    """But lost audio and the daily limit, which have figures of their own."""
    codes = set(re.findall(r"\w+", " ".join(re.findall(r'code=~"([^"]*)"', " ".join(map(str, rules()))))))
    assert codes == set(get_args(ProblemCode)) - {"audio_lost", "daily_limit"}


def test_every_alert_says_what_to_do_and_has_its_own_test() -> None:
    tests = yaml.safe_load((RULES.parent / "voice-satellite.tests.yml").read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    for rule in rules():
        assert rule["for"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert len(rule["annotations"]["mend"]) > 50
        outcomes = {bool(case["exp_alerts"]) for case in cases if case["alertname"] == rule["alert"]}
        assert outcomes == {True, False}, rule["alert"]


def test_promtool_finds_the_page_sound() -> None:
    assert promtool("check", "metrics", given=PAGE) == ""


def test_promtool_finds_the_rules_sound_and_sees_them_ring() -> None:
    assert "SUCCESS" in promtool("check", "config", str(RULES.parent / "prometheus.yml"))
    assert "SUCCESS" in promtool("test", "rules", str(RULES.parent / "voice-satellite.tests.yml"))


def test_promtool_understands_every_panel(tmp_path: Path) -> None:
    recorded = [{"record": f"panel:{number}", "expr": query} for number, (_, query) in enumerate(queries())]
    made = tmp_path / "panels.yml"
    made.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    assert f"{len(recorded)} rules found" in promtool("check", "rules", str(made))


def test_panels_do_not_cover_each_other_and_have_ids_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (panel["title"], cell)
        for panel in panels
        for cell in itertools.product(
            range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"]),
            range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"]),
        )
    ]
    assert len({cell for _, cell in taken}) == len(taken)
    assert max(x for _, (x, _) in taken) < 24, "Grafana has 24 columns"


def test_every_panel_asks_the_chosen_source() -> None:
    """No uid of somebody's own Prometheus: an import asks for one."""
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in dashboard()["panels"]:
        assert panel["datasource"] == chosen
        assert [target["datasource"] for target in panel["targets"]] == [chosen] * len(panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert [variable["name"] for variable in dashboard()["templating"]["list"]] == ["datasource", "site", "satellite"]


def test_the_scrape_example_asks_at_the_port_that_is_served() -> None:
    example = yaml.safe_load((ROOT / "config" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = example["scrape_configs"]
    assert job["job_name"] == "voice-satellite", "rules name the job"
    targets = [target for entry in job["static_configs"] for target in entry["targets"]]
    assert {target.rpartition(":")[2] for target in targets} == {"9780"}


def test_the_page_for_operators_names_all_figures_and_all_alerts() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| (gauge|counter|summary) \|", page, re.MULTILINE))
    assert told == dict(re.findall(r"^# TYPE (\w+) (\w+)$", PAGE, re.MULTILINE))
    waits = dict(re.findall(r"^\| (VoiceSatellite\w+) \|.*\| (\d+) (?:min|h) \|$", page, re.MULTILINE))
    assert waits == {rule["alert"]: rule["for"].rstrip("mh") for rule in rules()}


def test_what_an_exporter_makes_of_health_is_called_as_it_is_here() -> None:
    path = ROOT / "config" / "prometheus" / "mqtt-exporter.yaml"
    types = {sample.name: metric.type for metric in METRICS for sample in metric.samples}
    for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["metrics"]:
        assert entry["mqtt_name"] in HEALTH
        assert types[entry["prom_name"]] == entry["type"]
        assert ("mqtt_value_scale" in entry) == entry["mqtt_name"].endswith("_ms")
