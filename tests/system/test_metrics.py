"""The figures of a running satellite as Prometheus reads them, beside what it publishes."""

import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from satellite.adapters.mosquitto import free_port
from tests.fakes.broker import Broker
from tests.fakes.daemon import Daemon, command

WAIT_S = 20.0
CONFIG = """
satellite: {{id: counted, area: "Kü\\"che"}}
audio: {{input: {{device: "null"}}, output: {{device: "null"}}}}
voice: {{backend: loopback, daily_limit_min: 30}}
mqtt: {{port: {broker}}}
metrics: {metrics}
"""


def until(holds: Callable[[], bool], daemon: Daemon) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, daemon.log
        time.sleep(0.05)


def page(port: int) -> dict[str, Metric]:
    """The figures; waits for somebody to serve them."""
    deadline = time.monotonic() + WAIT_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            assert answer.status == 200
            text = answer.read().decode()
            return {metric.name: metric for metric in text_string_to_metric_families(text)}
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "nobody serves metrics"
            time.sleep(0.05)
        finally:
            connection.close()


def value(port: int, name: str) -> float:
    (sample,) = page(port)[name].samples
    return sample.value


def state(port: int) -> str:
    (holding,) = (sample.labels["state"] for sample in page(port)["voice_satellite_state"].samples if sample.value)
    return holding


def configure(directory: Path, broker: Broker, metrics: str) -> None:
    (directory / "config.yaml").write_text(CONFIG.format(broker=broker.port, metrics=metrics))


def test_figures_are_served_and_a_reload_moves_or_ends_them(broker: Broker, tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    configure(tmp_path, broker, f"{{enabled: true, port: {first}}}")
    with command(tmp_path, "run", "-c", "config.yaml") as daemon:
        daemon.wait_for("connected to the MQTT broker")
        found = page(first)
        assert found["voice_satellite_info"].samples[0].labels["satellite"] == "counted"
        assert found["voice_satellite_info"].samples[0].labels["area"] == 'Kü"che'
        assert found["voice_satellite_daily_limit_seconds"].samples[0].value == 1800
        assert state(first) == "idle"
        assert value(first, "voice_satellite_online") == 1
        until(lambda: value(first, "voice_satellite_captured_seconds") > 1, daemon)
        assert value(first, "process_resident_memory_bytes") > 10e6

        configure(tmp_path, broker, f"{{enabled: true, port: {second}}}")
        daemon.signal(signal.SIGHUP)
        assert value(second, "voice_satellite_uptime_seconds") < WAIT_S
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", first).connect()

        configure(tmp_path, broker, "{enabled: false}")
        begun = daemon.log.count("backend loopback")
        daemon.signal(signal.SIGHUP)
        until(lambda: daemon.log.count("backend loopback") > begun, daemon)
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", second).connect()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0


def test_without_metrics_nothing_of_them_is_loaded() -> None:
    loaded = "import satellite.app, sys; print(*(name for name in sys.modules if name.startswith('satellite.')))"
    ran = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    modules = set(ran.stdout.split())
    assert "satellite.app" in modules
    assert not {name for name in modules if name.endswith(("metrics", "exposition"))}
