"""A real Prometheus that watches real satellites: every panel of the dashboard has something to show.

    apt-get download prometheus && dpkg-deb -x prometheus_*.deb DIR
    python -m bench.prometheus --prometheus DIR/usr/bin/prometheus

One satellite that is well, one whose voice service cannot be reached and that loses audio, and one that is absent are
scraped each second, with the rules loaded. Exit code 1 when a panel stays empty, a rule cannot be evaluated, or a page
is refused. Prints what each query found, and what it costs to be watched.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from satellite.adapters.mosquitto import free_port
from tests.fakes.broker import Broker
from tests.fakes.daemon import command
from tests.fakes.promtool import RULES, queries

SCRAPED_WITHIN_S = 120.0
LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Server:
    """A Prometheus that answers."""

    url: str

    def ask(self, path: str, **query: str) -> Any:
        """What its HTTP interface answers; AssertionError when it is not content."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            told = json.load(answer)
        assert told["status"] == "success", told
        return told["data"]

    def found(self, query: str) -> list[Any]:
        """The series that a query has at this moment."""
        result: list[Any] = self.ask("query", query=query)["result"]
        return result


@contextlib.contextmanager
def prometheus(program: str, directory: Path, targets: dict[str, str]) -> Iterator[Server]:
    """It scrapes these targets, named by their sites, each second."""
    port = free_port()
    scraped = [{"targets": [target], "labels": {"site": site}} for target, site in targets.items()]
    job = {"job_name": "voice-satellite", "scrape_interval": "1s", "scrape_timeout": "1s", "static_configs": scraped}
    config = {"rule_files": [str(RULES)], "scrape_configs": [job], "global": {"evaluation_interval": "1s"}}
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    arguments = [f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'data'}"]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([program, *arguments, f"--web.listen-address=127.0.0.1:{port}"], stderr=log)
    try:
        yield Server(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def write_satellite(directory: Path, name: str, broker_port: int, voice: dict[str, Any]) -> int:
    """A configuration for a satellite that takes silence for speech; returns where its figures are served."""
    port = free_port()
    config = {
        "satellite": {"id": name, "area": name.title()},
        "audio": {"input": {"device": "null"}, "output": {"device": "null"}},
        "vad": {"detector": "none", "max_utterance_s": 2},
        "voice": {"daily_limit_min": 60, "outage_buffer_s": 1, **voice},
        "mqtt": {"port": broker_port},
        "metrics": {"enabled": True, "port": port},
    }
    directory.mkdir()
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    return port


def until_all_are_found(server: Server, asked: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What still finds nothing when the time is over."""
    deadline = time.monotonic() + SCRAPED_WITHIN_S
    empty = asked
    while empty and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
        with contextlib.suppress(OSError):  # it is still starting
            empty = [(title, query) for title, query in empty if not server.found(query)]
    return empty


def tell(server: Server, asked: list[tuple[str, str]]) -> None:
    """What was found, and what it cost."""
    for title, query in asked:
        found = server.found(query)
        values = [
            f"{series['metric'].get('satellite', '')} {float(series['value'][1]):.4g}".strip() for series in found
        ]
        print(f"{title:32} {len(found):3}  {', '.join(values)[:120]}")
    for what in ("scrape_duration_seconds", "scrape_samples_scraped", "process_resident_memory_bytes"):
        print(what, *(series["value"][1] for series in server.found(f'{what}{{job="voice-satellite"}}')))
    active = server.ask("alerts")["alerts"]
    print("alerts:", *sorted({f"{alert['labels']['alertname']} ({alert['state']})" for alert in active}))


def troubles(server: Server) -> list[str]:
    """Rules that cannot be evaluated, and pages that were refused."""
    groups = server.ask("rules")["groups"]
    broken = [
        f"{rule['name']}: {rule['lastError']}" for group in groups for rule in group["rules"] if rule["health"] != "ok"
    ]
    targets = server.ask("targets")["activeTargets"]
    return broken + [f"{target['scrapeUrl']}: {target['lastError']}" for target in targets if target["health"] != "up"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", default="prometheus", help="the program; default: on the PATH")
    args = parser.parse_args()
    asked = list(queries())
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as running:
        directory = Path(made)
        broker = running.enter_context(Broker(directory / "broker"))
        deaf = f"http://127.0.0.1:{free_port()}"
        voices: dict[str, dict[str, Any]] = {
            "kitchen": {"backend": "loopback"},
            "study": {"deepl": {"api_key": "x" * 36, "base_url": deaf}},
        }
        ports = [write_satellite(directory / name, name, broker.port, voice) for name, voice in voices.items()]
        for name in voices:
            running.enter_context(command(directory / name, "run", "-c", "config.yaml"))
        absent = f"127.0.0.1:{free_port()}"
        targets = {f"127.0.0.1:{port}": "home" for port in ports} | {absent: "office"}
        server = running.enter_context(prometheus(args.prometheus, directory, targets))
        empty = until_all_are_found(server, asked)
        tell(server, asked)
        wrong = [trouble for trouble in troubles(server) if absent not in trouble]
    for title, query in empty:
        print(f"NOTHING for {title}: {query}")
    print(*wrong, sep="\n")
    return 1 if empty or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
