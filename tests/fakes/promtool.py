"""What watches a fleet, as the repository has it: alert rules, a dashboard; and Prometheus' own tool to judge them."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tree import ROOT

RULES = ROOT / "config" / "prometheus" / "voice-satellite.rules.yml"
DASHBOARD = ROOT / "config" / "grafana" / "voice-satellite.json"
VARIABLES = {"$site": ".*", "$satellite": ".*", "$__range": "6h"}
"""What Grafana puts in their place, as chosen at first."""
NEEDS = (
    "needs promtool, which scripts/test fetches; or put Debian's package prometheus on the PATH, or name it in PROMTOOL"
)


def rules() -> list[dict[str, Any]]:
    """Each alert."""
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Each panel's title and what it asks for, with variables as chosen at first."""
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            asked = target["expr"]
            for name, value in VARIABLES.items():
                asked = asked.replace(name, value)
            yield panel["title"], asked


def metrics_in(query: str) -> set[str]:
    """The names of metrics that a query looks at."""
    return set(re.findall(r"\b(?:voice_satellite|process)_\w+|\bup\b", query))


def promtool_path() -> str | None:
    """The program: named, on the PATH, or fetched by scripts/test; None when there is none."""
    fetched = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voice-satellite" / "promtool"
    return (
        os.environ.get("PROMTOOL")
        or shutil.which("promtool")
        or (str(fetched) if os.access(fetched, os.X_OK) else None)
    )


def promtool(*arguments: str, given: str = "") -> str:
    """What it says when it is content; fails with what it says when it is not. Without it the test is skipped."""
    program = promtool_path()
    if program is None:
        pytest.skip(NEEDS)
    ran = subprocess.run([program, *arguments], input=given, capture_output=True, text=True, check=False)
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, said
    return said
