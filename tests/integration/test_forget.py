"""`forget` at a real broker: everything of one satellite goes, and nothing of the others."""

import asyncio
from pathlib import Path

import pytest

from satellite.app.forgetting import forget
from satellite.cli import main
from satellite.config.loader import load
from tests.fakes.broker import Broker, BrokerOptions, subscriber
from tests.fakes.daemon import command

HAS = "homeassistant/device/voice_satellite_kitchen/config"


def written(directory: Path, port: int, satellite_id: str = "kitchen") -> Path:
    path = directory / f"{satellite_id}.yaml"
    path.write_text(
        f"satellite: {{id: {satellite_id}}}\nvoice: {{backend: loopback, target_languages: [de]}}\n"
        f"audio: {{input: {{device: 'null'}}, output: {{device: 'null'}}}}\nmqtt: {{host: 127.0.0.1, port: {port}}}\n"
    )
    return path


async def retained(port: int, expected: str) -> set[str]:
    """Topics at which something stands, `expected` among them."""
    async with subscriber(port) as seen:
        await seen.until(lambda s: bool(s.texts(expected)))
        await asyncio.sleep(0.3)
        return {message.topic for message in seen.received if message.payload}


async def test_one_satellite_is_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Broker(tmp_path / "broker") as broker:
        for name in ("kitchen", "study"):
            place = tmp_path / name
            place.mkdir()
            with command(place, "run", "-c", str(written(tmp_path, broker.port, name))) as daemon:
                await retained(broker.port, f"voice-satellite/{name}/health")
                daemon.process.terminate()
                await asyncio.to_thread(daemon.wait)
        assert HAS in await retained(broker.port, HAS)
        config = str(written(tmp_path, broker.port, "study"))
        assert await asyncio.to_thread(main, ["forget", "-c", config, "--id", "kitchen"]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert HAS in printed
        assert printed[-1] == f"{len(printed) - 1} topics cleared"
        assert (await forget(load(config), "kitchen")).topics == ()
        left = await retained(broker.port, "voice-satellite/study/availability")
        assert {topic for topic in left if "kitchen" in topic} == set()
        assert any("homeassistant" in topic for topic in left)
        assert await asyncio.to_thread(main, ["forget", "-c", config, "--id", "kitchen"]) == 0
        assert capsys.readouterr().out == "nothing is retained of kitchen\n"


async def test_one_that_runs_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Broker(tmp_path / "broker") as broker:
        config = written(tmp_path, broker.port)
        with command(tmp_path, "run", "-c", str(config)):
            await retained(broker.port, "voice-satellite/kitchen/health")
            assert await asyncio.to_thread(main, ["forget", "-c", str(config)]) == 0
    assert "kitchen is online and will publish again" in capsys.readouterr().err


async def test_what_was_announced_is_forgotten_where_discovery_is_switched_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Broker(tmp_path / "broker") as broker:
        async with subscriber(broker.port) as seen:
            await seen.send(HAS, "{}", retain=True)
        config = written(tmp_path, broker.port)
        config.write_text(config.read_text().replace("mqtt: {", "mqtt: {discovery_prefix: null, "))
        assert await asyncio.to_thread(main, ["forget", "-c", str(config)]) == 0
    assert capsys.readouterr().out == f"{HAS}\n1 topics cleared\n"


def test_without_a_broker_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forget", "-c", str(written(tmp_path, 9))]) == 1
    assert "the MQTT broker at 127.0.0.1:9" in capsys.readouterr().err


async def test_what_the_broker_does_not_allow_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = {"satellite": "one", "viewer": "two"}
    acl = "user satellite\ntopic readwrite #\nuser viewer\ntopic read #\n"
    config = tmp_path / "viewer.yaml"
    with Broker(tmp_path / "broker", BrokerOptions(users=users, acl=acl)) as broker:
        async with subscriber(broker.port, username="satellite", password="one") as seen:
            await seen.send("voice-satellite/kitchen/state", "idle", retain=True)
        config.write_text(
            written(tmp_path, broker.port)
            .read_text()
            .replace(f"port: {broker.port}", f"port: {broker.port}, username: viewer, password: two")
        )
        assert await asyncio.to_thread(main, ["forget", "-c", str(config)]) == 1
    assert "does not let us clear voice-satellite/kitchen/state" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["+", "#", "a/b", ""])
def test_no_wildcard_can_be_forgotten(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["forget", "--id", name])
    assert "is no id of a satellite" in capsys.readouterr().err
