"""`fleet` at a real mosquitto: what it shows, what it answers to programs, and what it makes of strange brokers."""

import json
from pathlib import Path

import pytest

from satellite.cli import main
from satellite.homeassistant import payloads
from satellite.homeassistant.payloads import ProblemNote
from satellite.homeassistant.topics import Topics
from tests.fakes.broker import Broker, BrokerOptions, make_certificates
from tests.fakes.mqtt_link import old_broker
from tests.fakes.onlooking import BASE, PASSWORD, WELL, Ran, at, fleet, say, voices
from tests.fakes.sightings import health
from tests.fakes.tty import tty

# --- once ---------------------------------------------------------------------------------------------------------


async def test_all_are_well(broker: Broker) -> None:
    async with voices(broker.port) as link:
        await say(link, "kitchen")
        await say(link, "study")
    ran = await fleet(*at(broker))
    assert ran.code == 0
    assert ran.err == ""
    sums, problems, _, title, *rows = ran.out.splitlines()
    assert (sums, problems) == ("2 satellites: 2 idle", "no problems")
    assert title.startswith("SATELLITE  STATE")
    assert [row.split()[:3] for row in rows] == [["kitchen", "idle", "0.1.0"], ["study", "idle", "0.1.0"]]


async def test_one_with_a_problem_comes_first_and_sets_the_exit_code(broker: Broker) -> None:
    problem = payloads.problem(Topics(BASE, "x"), ProblemNote("microphone", "it is gone", "plug it in", 0.0)).payload
    async with voices(broker.port) as link:
        await say(link, "attic")
        await say(link, "study", problem=problem)
        await say(link, "hall", availability="offline", health=health(version="0.0.9"))
    ran = await fleet(*at(broker))
    assert ran.code == 1
    assert [line.split()[0] for line in ran.out.splitlines()[5:]] == ["hall", "study", "attic"]
    assert "2 versions: 2 run 0.1.0, 1 run 0.0.9" in ran.out
    ran = await fleet(*at(broker), "--problems", "--sort", "state")
    assert ran.code == 1
    assert [line.split()[0] for line in ran.out.splitlines()[5:]] == ["study", "hall"]
    ran = await fleet(*at(broker), "--only", "att*")
    assert ran.code == 0
    assert ran.out.startswith("1 satellite: 1 idle\n")


async def test_programs_get_one_object(broker: Broker) -> None:
    usage = '{"day":"2000-01-01","billed_s":60}'
    async with voices(broker.port) as link:
        await say(link, "kitchen", availability="offline", usage=usage, cloud="lost")
        await say(link, "study")
        announcement = '{"device":{"name":"The study","suggested_area":"Upstairs"}}'
        await link.send("homeassistant/device/voice_satellite_study/config", announcement, retain=True)
    ran = await fleet(*at(broker), "--json", "--names")
    assert ran.code == 1
    report = ran.told
    assert report["sums"] == {
        "satellites": 2,
        "problems": {"offline": 1},
        "conditions": {"offline": 1, "idle": 1},
        "versions": {"0.1.0": 2},
    }
    kitchen, study = report["satellites"]
    assert (kitchen["id"], kitchen["problem"]["code"], kitchen["billed_today_s"]) == ("kitchen", "offline", None)
    assert (study["problem"], study["name"], study["area"], study["health_age_s"]) == (
        None,
        "The study",
        "Upstairs",
        None,
    )
    assert (report["hidden"], report["left_out"], report["broker"]) == ([], 0, f"127.0.0.1:{broker.port}")


async def test_one_that_is_named_has_to_be_there(broker: Broker) -> None:
    async with voices(broker.port) as link:
        await say(link, "kitchen")
    ran = await fleet(*at(broker), "--only", "kitchen", "--only", "study")
    assert ran.code == 1
    assert ran.out.splitlines()[4].split()[:3] == ["study", "missing", "missing"]


async def test_nobody_is_there(broker: Broker) -> None:
    ran = await fleet(*at(broker), "--base-topic", "else/where")
    assert ran.code == 1
    assert ran.out == ""
    assert "no satellite at 127.0.0.1" in ran.err
    assert "below else/where/" in ran.err
    ran = await fleet(*at(broker), "--json")
    assert ran.code == 1
    assert ran.told["satellites"] == []


async def test_a_thousand_retained_ones_are_all_seen(broker: Broker) -> None:
    async with voices(broker.port) as link:
        for number in range(1000):
            for name, payload in WELL.items():
                await link.client.publish(f"{BASE}/s{number:04}/{name}", payload, qos=0, retain=True)
        await link.send("done", "")
    ran = await fleet(*at(broker), "--json")
    assert ran.code == 0
    assert ran.told["sums"]["satellites"] == 1000


# --- what comes from outside --------------------------------------------------------------------------------------

HOSTILE = [
    ("kitchen/health", b"\xff\xfe" * 100),
    ("kitchen/state", b"\x1b[2J\x1b]0;owned\x07"),
    ("study/problem", b'{"active":true,"code":"\x1b[31m"}'),
    ("study/health", b'{"version":"' + b"9" * 60_000 + b'"}'),
    ("hall/problem", json.dumps({"active": True, "code": "x", "message": "\x1b[2J\n\u202e" * 50}).encode()),
    ("attic/usage", b"[" * 50_000),
    ("cellar/availability", b"ONLINE"),
    ("all/availability", b"online"),
    ("No Id/availability", b"online"),
    ("x" * 500 + "/state", b"idle"),
    ("\u202eevil/health", b"{}"),
]


async def test_hostile_payloads_neither_break_nor_mislead(broker: Broker) -> None:
    async with voices(broker.port) as link:
        for satellite_id in ("kitchen", "study", "hall", "attic", "cellar", "well"):
            await say(link, satellite_id)
        for topic, payload in HOSTILE:
            await link.send(f"{BASE}/{topic}", payload, retain=True)
    ran = await fleet(*at(broker), "--json")
    assert ran.code == 1
    report = ran.told
    codes = {one["id"]: one["problem"] and one["problem"]["code"] for one in report["satellites"]}
    bad = dict.fromkeys(("kitchen", "study", "attic", "cellar"), "unreadable")
    assert codes == {**bad, "hall": "x", "well": None}
    assert report["left_out"] == 4
    ran = await fleet(*at(broker))
    assert ran.code == 1
    assert not any(ord(character) < 32 and character != "\n" for character in ran.out)
    assert "\u202e" not in ran.out
    assert "4 messages of what can be no satellite were left out" in ran.out


# --- the broker ---------------------------------------------------------------------------------------------------


async def test_a_broker_that_is_not_there_is_one_sentence() -> None:
    ran = await fleet("--host", "127.0.0.1", "--port", "9")
    assert ran.code == 1
    assert ran.err.startswith("voice-satellite: the MQTT broker at 127.0.0.1:9 cannot be reached")
    assert ran.err.count("\n") == 1
    ran = await fleet("--host", "127.0.0.1", "--port", "9", "--wait", "1", "--json")
    assert ran.code == 1
    assert "cannot be reached" in ran.err


async def test_a_login_comes_from_file_environment_or_nowhere(tmp_path: Path) -> None:
    users = {"ops": "right-secret", "kitchen": "k"}
    with Broker(tmp_path / "broker", BrokerOptions(users=users)) as broker:
        async with voices(broker.port, username="kitchen", password="k") as link:
            await say(link, "kitchen")
        config = tmp_path / "ops.yaml"
        config.write_text(
            f"mqtt: {{host: 127.0.0.1, port: {broker.port}, username: ops, password: !secret broker}}\n"
            "voice: {deepl: {api_key: !secret not_on_this_machine}}\n"
        )
        (tmp_path / "secrets.yaml").write_text("broker: right-secret\n")
        (tmp_path / "secrets.yaml").chmod(0o600)
        ran = await fleet("-c", str(config))
        assert ran.code == 0
        login = (*at(broker), "--username", "ops")
        ran = await fleet(*login, **{PASSWORD: "right-secret"})
        assert ran.code == 0
        ran = await fleet(*login, **{PASSWORD: "wrong-secret"})
        assert ran.code == 1
        assert "refuses the login" in ran.err
        assert "wrong-secret" not in ran.err + ran.out
        ran = await fleet(*at(broker), "--wait", "30")
        assert ran.code == 1  # waiting cannot help
        assert "it wants a login" in ran.err
        # the password of the file is for its user
        ran = await fleet("-c", str(config), "--username", "kitchen")
        assert ran.code == 1
        assert "refuses the login" in ran.err


async def test_a_person_is_asked_for_the_password(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", BrokerOptions(users={"ops": "right-secret"})) as broker:
        async with voices(broker.port, username="ops", password="right-secret") as link:
            await say(link, "kitchen")
        with tty() as screen:
            process = screen.start("fleet", *at(broker), "--username", "ops", "--once")
            screen.wait_for("Password of ops at the broker: ")
            screen.press("right-secret\n")
            assert screen.wait_for_end(process) == 0
            assert "right-secret" not in screen.read()
            assert "1 satellite: 1 idle" in screen.read()


async def test_over_tls(tmp_path: Path) -> None:
    make_certificates(tmp_path / "broker")
    with Broker(tmp_path / "broker", BrokerOptions(tls=True)) as broker:
        where = ("--host", "localhost", "--port", str(broker.port))
        ran = await fleet(*where, "--ca-file", f"{tmp_path}/broker/ca.crt")
        assert ran.code == 1
        assert "no satellite at localhost" in ran.err
        ran = await fleet(*where, "--tls")
        assert ran.code == 1
        assert "is not accepted" in ran.err
        ran = await fleet(*where, "--ca-file", f"{tmp_path}/nowhere")
        assert ran.code == 1
        assert "cannot use" in ran.err


async def test_an_access_list_shows_only_what_it_allows(tmp_path: Path) -> None:
    acl = f"user ops\ntopic readwrite #\nuser floor\ntopic read {BASE}/hall-1/#\nuser blind\ntopic read other\n"
    acl += f"user half\ntopic read {BASE}/+/availability\n"
    users = dict.fromkeys(("ops", "floor", "blind", "half"), "p")
    with Broker(tmp_path / "broker", BrokerOptions(users=users, acl=acl)) as broker:
        async with voices(broker.port, username="ops", password="p") as link:
            await say(link, "hall-1")
            await say(link, "hall-2")

        async def seen_by(user: str) -> Ran:
            return await fleet(*at(broker), "--username", user, "--json", **{PASSWORD: "p"})

        ran = await seen_by("floor")
        assert ran.code == 0
        assert [one["id"] for one in ran.told["satellites"]] == ["hall-1"]
        ran = await seen_by("blind")
        assert ran.code == 1
        assert "may this login read there?" in ran.err
        ran = await seen_by("half")
        assert ran.code == 1
        assert ran.told["sums"]["problems"] == {"silent": 2}


async def test_a_broker_of_an_older_mqtt() -> None:
    async with old_broker() as (_, port):
        ran = await fleet("--host", "127.0.0.1", "--port", str(port))
    assert ran.code == 1
    assert f"no satellite at 127.0.0.1:{port}" in ran.err


async def test_a_broker_that_refuses_what_we_ask_for() -> None:
    async with old_broker() as (old, port):
        old.subscription_answer = 0x80
        ran = await fleet("--host", "127.0.0.1", "--port", str(port))
    assert ran.code == 1
    assert ran.err.startswith(f"voice-satellite: the MQTT broker refuses the subscription to {BASE}/+/availability")


# --- usage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the broker by --host"),
        (("--host", "mqtt://x"), "argument --host: must be a host name"),
        (("--host", "x", "--port", "0"), "argument --port: must be 1 or more"),
        (("--host", "x", "--port", "x"), "argument --port: "),
        (("--host", "x", "--base-topic", "a/+"), "argument --base-topic: must be an MQTT topic without wildcards"),
        (("--host", "x", "--expect-version", "1"), "go with --wait"),
        (("--host", "x", "--started-within", "1"), "go with --wait"),
        (("--host", "x", "--wait", "soon"), "is no number of seconds"),
        (("--host", "x", "--wait", "-1"), "is no number of seconds"),
        (("--host", "x", "--wait", "nan"), "is no number of seconds"),
    ],
)
def test_usage_errors(
    arguments: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("satellite.cli.fleet.DEFAULT_CONFIG", str(tmp_path / "none.yaml"))
    with pytest.raises(SystemExit, match="2"):
        main(["fleet", *arguments])
    assert message in capsys.readouterr().err


def test_a_wrong_file_is_told_as_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("mqtt: {hots: x}\n")
    assert main(["fleet", "-c", str(config)]) == 78
    assert "did you mean host?" in capsys.readouterr().err
