"""`tell` at a real mosquitto: a real satellite that obeys or refuses, and doubles for what a real one rarely does."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from satellite.cli import main
from tests.fakes.broker import Broker, BrokerOptions, Subscriber, subscriber
from tests.fakes.daemon import Daemon, command
from tests.fakes.mqtt_link import old_broker
from tests.fakes.onlooking import BASE, PASSWORD, PATIENCE_S, at, say, tell, voices

SETTINGS = {"mute": False, "volume": 80, "source_language": "en", "target_languages": ["de"], "speech_language": None}
UNKNOWN = "unknown: nothing here says that it is online: is that its id, and may this login read there?"
KITCHEN_ACL = f"user kitchen\ntopic readwrite {BASE}/kitchen/#\ntopic read {BASE}/all/set/#\n"


def settings(**changes: object) -> str:
    return json.dumps(SETTINGS | changes)


def configured(directory: Path, port: int, more: str = "") -> Path:
    """The kitchen's file."""
    file = directory / "kitchen.yaml"
    file.write_text(
        "satellite: {id: kitchen}\nvoice: {backend: loopback, source_language: en, target_languages: [de]}\n"
        f"audio: {{input: {{device: 'null'}}, output: {{device: 'null'}}}}\nmqtt: {{port: {port}{more}}}\n"
    )
    return file


@contextlib.asynccontextmanager
async def kitchen(directory: Path, config: Path, port: int, **login: str) -> AsyncIterator[Daemon]:
    """The real satellite, up and connected; stopped in order afterwards."""
    async with subscriber(port, f"{BASE}/kitchen/#", **login) as seen:
        with command(directory, "run", "-c", str(config)) as daemon:
            await seen.until(lambda s: any(not one.retain for one in s.on(f"{BASE}/kitchen/settings")), 30)
            yield daemon
            daemon.signal(signal.SIGTERM)
            assert await asyncio.to_thread(daemon.wait) == 0


@contextlib.asynccontextmanager
async def double(port: int, *ids: str, volume: int = 80) -> AsyncIterator[Subscriber]:
    """Satellites that say they are online, and do nothing by themselves."""
    async with subscriber(port, f"{BASE}/+/set/#") as link:
        for one in ids:
            await say(link, one, settings=settings(volume=volume))
        yield link


# --- a real satellite ---------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_real_satellite_obeys_and_refuses(broker: Broker, tmp_path: Path) -> None:
    config = str(configured(tmp_path, broker.port))
    async with kitchen(tmp_path, Path(config), broker.port):
        for arguments, code, out in (
            (("mute", "ON"), 0, "kitchen: done\n"),
            (("mute", "ON"), 0, "kitchen: nothing changed\n"),
            (("listen", "ON"), 1, "kitchen: refused: the microphone is muted; send mute OFF first\n"),
            (("mute", "OFF"), 0, "kitchen: done\n"),
            (("listen", "OFF"), 0, "kitchen: told\n"),
            (("volume", "150"), 1, "kitchen: refused: expected a number from 0 to 100, this is outside\n"),
            (("volume", "35"), 0, "kitchen: done\n"),
            (("volume", " 35.0 "), 0, "kitchen: nothing changed\n"),
            (("target_languages", "FR, pt-br"), 0, "kitchen: done\n"),
            (("target_languages", '["fr","pt-BR"]'), 0, "kitchen: nothing changed\n"),
            (("speech_language", "off"), 0, "kitchen: done\n"),
            (("speech_language", "OFF"), 0, "kitchen: nothing changed\n"),
            (("play", "/etc/passwd"), 1, "kitchen: refused: "),
            (("stop_speech",), 0, "kitchen: told\n"),
            (("backend/dance", "{}"), 1, "kitchen: refused: this backend has no action dance\n"),
            (("sing",), 1, "kitchen: refused: there is no such command; there are mute, "),
        ):
            ran = await tell("-c", config, *arguments)
            assert (ran.code, ran.err) == (code, ""), arguments
            assert ran.out.startswith(out), arguments
            assert out[-1] != "\n" or ran.out == out, arguments
        ran = await tell(*at(broker), "--all", "--json", "mute", "ON")
        assert ran.code == 0
        assert ran.told["satellites"] == [{"id": "kitchen", "outcome": "done", "reason": None, "answer": None}]
        assert (ran.told["command"], ran.told["base_topic"]) == ("mute", BASE)
    ran = await tell("-c", config, "mute", "OFF")
    assert (ran.code, ran.out) == (1, "kitchen: offline: it was not told\n")


@pytest.mark.slow
async def test_a_box_tells_itself_with_its_own_login(tmp_path: Path) -> None:
    options = BrokerOptions(users={"kitchen": "k-secret"}, acl=KITCHEN_ACL)
    with Broker(tmp_path / "broker", options) as broker:
        config = configured(tmp_path, broker.port, ", discovery_prefix: null, username: kitchen, password: !secret b")
        (tmp_path / "secrets.yaml").write_text("b: k-secret\n")
        (tmp_path / "secrets.yaml").chmod(0o600)
        async with kitchen(tmp_path, config, broker.port, username="kitchen", password="k-secret"):
            ran = await tell("-c", str(config), "mute", "ON")
            assert (ran.code, ran.out, ran.err) == (0, "kitchen: done\n", "")
            broker.rule("acl", KITCHEN_ACL.replace("readwrite", "read"))
            ran = await tell("-c", str(config), "mute", "OFF")
            assert ran.code == 1
            refusal = f"the MQTT broker does not let this login publish to {BASE}/kitchen/set/mute (Not authorized)"
            assert ran.out == f"kitchen: forbidden: {refusal}: see its ACL\n"
            ran = await tell("-c", str(config), "--all", "mute", "OFF")
            assert ran.code == 1
            assert ran.err.startswith("voice-satellite: the MQTT broker does not let this login publish to")
            broker.rule("acl", KITCHEN_ACL)
        assert "k-secret" not in ran.out + ran.err


# --- doubles ------------------------------------------------------------------------------------------------------


async def test_what_is_published(broker: Broker) -> None:
    async with double(broker.port, "kitchen", "study", "hall") as link:
        ran = await tell(*at(broker), "--only", "study", "--only", "kitchen", "restart")
        assert (ran.code, ran.out) == (0, "study: told\nkitchen: told\n")
        ran = await tell(*at(broker), "--all", "play", "/a b.wav")
        assert (ran.code, ran.out) == (0, "hall: told\nkitchen: told\nstudy: told\n")
        await link.until(lambda s: len(s.received) == 3)
        assert [(one.topic, one.payload, one.retain, one.qos) for one in link.received] == [
            (f"{BASE}/study/set/restart", b"", False, 1),
            (f"{BASE}/kitchen/set/restart", b"", False, 1),
            (f"{BASE}/all/set/play", b"/a b.wav", False, 1),
        ]


async def test_those_that_do_not_answer_are_named(broker: Broker) -> None:
    async with double(broker.port, "hall", "kitchen") as link:
        await say(link, "study", availability="offline", settings=settings(volume=35))
        ids = ("--only", "kitchen", "--only", "study", "--only", "attic")
        ran = await tell(*at(broker), *ids, "--within", "1", "volume", "35")
        assert ran.code == 1
        assert ran.out.splitlines() == [
            "kitchen: unanswered: nothing came of it in time",
            "study: offline: it was not told",
            f"attic: {UNKNOWN}",
        ]
        assert [one.topic for one in link.received] == [f"{BASE}/kitchen/set/volume"]
        ran = await tell(*at(broker), "--all", "--within", "1", "--json", "volume", "35")
        assert ran.code == 1
        assert {one["id"]: one["outcome"] for one in ran.told["satellites"]} == {
            "hall": "unanswered",
            "kitchen": "unanswered",
            "study": "offline",
        }


async def test_an_answer_of_the_voice_service_is_shown(broker: Broker) -> None:
    async with double(broker.port, "kitchen") as link, asyncio.TaskGroup() as group:
        answer = {"action": "config", "ok": True, "reason": None, "result": {"applies": "\x1b[2J\u202enow"}}

        async def course(times: int) -> None:
            await link.until(lambda s: len(s.received) == times, PATIENCE_S)
            await link.send(f"{BASE}/kitchen/backend/config/result", json.dumps(answer))

        group.create_task(course(1))
        group.create_task(course(2))
        ran = await tell(*at(broker), "--only", "kitchen", "backend/config", '{"a":1}')
        assert (ran.code, ran.out) == (0, 'kitchen: {"applies":"\\u001b[2J\ufffdnow"}\n')
        ran = await tell(*at(broker), "--only", "kitchen", "--json", "backend/config")
        assert ran.out.isascii()
        assert ran.told["satellites"][0]["answer"] == {"applies": "\x1b[2J\u202enow"}


async def test_nobody_is_there(broker: Broker) -> None:
    ran = await tell(*at(broker), "--all", "--within", "1", "mute", "ON")
    assert (ran.code, ran.out) == (1, "")
    assert "no satellite at 127.0.0.1" in ran.err


async def test_a_broker_that_is_not_there_is_one_sentence() -> None:
    ran = await tell("--host", "127.0.0.1", "--port", "9", "--all", "mute", "ON")
    assert ran.code == 1
    assert ran.err.startswith("voice-satellite: the MQTT broker at 127.0.0.1:9 cannot be reached")
    assert ran.err.count("\n") == 1


async def test_a_login_that_is_refused(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", BrokerOptions(users={"ops": "right-secret"})) as broker:
        login = (*at(broker), "--username", "ops", "--all", "--within", "0", "mute", "ON")
        ran = await tell(*login, **{PASSWORD: "wrong-secret"})
        assert ran.code == 1
        assert "refuses the login" in ran.err
        ran = await tell(*login, **{PASSWORD: "right-secret"})
        assert "no satellite at" in ran.err


async def test_a_broker_of_an_older_mqtt() -> None:
    async with old_broker() as (_, port):
        ran = await tell("--host", "127.0.0.1", "--port", str(port), "--all", "--within", "0", "mute", "ON")
    assert ran.code == 1
    assert "no satellite at" in ran.err


async def test_a_broker_that_refuses_what_we_ask_for() -> None:
    async with old_broker() as (old, port):
        old.subscription_answer = 0x80
        ran = await tell("--host", "127.0.0.1", "--port", str(port), "--only", "kitchen", "mute", "ON")
    assert ran.code == 1
    assert ran.err.startswith(f"voice-satellite: the MQTT broker refuses the subscription to {BASE}/kitchen/")


async def test_a_broker_that_goes_away_meanwhile(broker: Broker) -> None:
    async with voices(broker.port) as link:
        await say(link, "kitchen", settings=settings())

    async def course() -> None:
        while f"{BASE}/kitchen/set/volume" not in broker.log:
            await asyncio.sleep(0.05)
        broker.kill()

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        group.create_task(course())
        ran = await tell(*at(broker), "--only", "kitchen", "--within", "30", "volume", "35")
    assert ran.code == 1
    assert ran.err.startswith("voice-satellite: the connection to the MQTT broker at 127.0.0.1")


# --- usage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required: NAME"),
        (("mute", "ON"), "name the broker by --host"),
        (("--host", "x", "mute", "ON"), "say whom to tell, by --only or --all"),
        (("--host", "x", "--all", "--only", "kitchen", "mute"), "not allowed with argument"),
        (("--host", "x", "--only", "all", "mute"), "is no id of a satellite: use --all"),
        (("--host", "x", "--only", "hall-*", "mute"), "is no id of a satellite: a-z, 0-9, _ and -"),
        (("--host", "x", "--all", "set/#"), "is no name of a command"),
        (("--host", "x", "--all", "backend/a/b"), "is no name of a command"),
        (("--host", "x", "--all", "mute\n"), "is no name of a command"),
        (("--host", "x", "--all", "--within", "soon", "mute"), "is no number of seconds"),
        (("--host", "x", "--all", "mute", "ON", "OFF"), "unrecognized arguments: OFF"),
    ],
)
def test_usage_errors(
    arguments: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("satellite.cli.broker_options.DEFAULT_CONFIG", str(tmp_path / "none.yaml"))
    with pytest.raises(SystemExit, match="2"):
        main(["tell", *arguments])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mqtt: {hots: x}\n", "did you mean host?"),
        ("mqtt: {host: x}\nsatellite: {id: Kitchen!}\n", "satellite.id: "),
    ],
)
def test_a_wrong_file_is_told_as_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    assert main(["tell", "-c", str(config), "mute", "ON"]) == 78
    assert told in capsys.readouterr().err
