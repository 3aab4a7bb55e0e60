"""The diagnosis against real peers: brokers with passwords and access lists, the emulated service, sound cards."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from satellite.adapters.mosquitto import free_port
from satellite.adapters.settings import SettingsStore
from satellite.app import parts
from satellite.app.diagnosis import TITLES, Request, Result, Verdict, diagnose
from satellite.app.diagnosis import broker as broker_visit
from satellite.config.loader import load
from satellite.emulator.faults import Fault
from satellite.emulator.palabra.server import PalabraEmulator
from satellite.emulator.palabra.settings import PalabraSettings, PalabraVariants
from satellite.homeassistant.topics import Topics
from tests.fakes.broker import Broker, BrokerOptions, make_certificates, subscriber
from tests.fakes.daemon import API_KEY, DATA
from tests.fakes.emulated import SETTINGS, emulated, rules
from tests.fakes.link_peers import tcp_server
from tests.fakes.mqtt_link import old_broker
from tests.fakes.vcard import VirtualCard

PASSWORD = "password-of-the-broker-89"
DRIVERS = Path(__file__).parents[1] / "fakes" / "drivers"
TOPICS = Topics("voice-satellite", "kitchen")
USERS = {"kitchen": PASSWORD, "home": PASSWORD}
ACL = f"""
user home
topic readwrite #
user kitchen
topic write {TOPICS.root}/#
topic read {TOPICS.root}/set/#
topic read voice-satellite/all/set/#
topic write homeassistant/+/voice_satellite_kitchen/#
topic read homeassistant/status
"""


def written(directory: Path, **sections: Any) -> str:
    """A configuration that needs no peer but those that `sections` name."""
    config: dict[str, Any] = {
        "satellite": {"id": "kitchen"},
        "audio": {"driver": "alsa", "input": {"device": "null"}, "output": {"device": "null"}},
        "voice": {"backend": "loopback"},
        "mqtt": {"port": free_port()},
    }
    for name, values in sections.items():
        config[name] = {**config[name], **values}
    path = directory / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)
    return str(path)


async def diagnosed(directory: Path, *, with_tone: bool = True, **sections: Any) -> dict[str, Result]:
    """All results; whatever was found, no secret is in them."""
    told: list[Result] = []
    environment = {"STATE_DIRECTORY": str(directory / "state")}
    report = await diagnose(Request(written(directory, **sections), environment, with_tone), told.append)
    assert [result.id for result in report.results] == list(TITLES)
    assert sorted(result.id for result in told) == sorted(TITLES)
    text = json.dumps(report.as_json())
    assert [secret for secret in (API_KEY, PASSWORD) if secret in text] == []
    for result in report.results:
        is_bad = result.outcome.verdict in (Verdict.WARN, Verdict.FAIL)
        assert bool(result.outcome.mend) == is_bad, result
    return {result.id: result for result in report.results}


def deepl(base_url: str, **more: Any) -> dict[str, Any]:
    return {"backend": "deepl", "source_language": "en", "deepl": {"api_key": API_KEY, "base_url": base_url}, **more}


# --- the voice service ------------------------------------------------------------------------------------------


async def test_the_service_grants_a_session_which_is_never_dialled(tmp_path: Path) -> None:
    async with emulated(replace(SETTINGS, api_key=API_KEY)) as (emulator, _):
        results = await diagnosed(tmp_path, voice=deepl(emulator.base_url))
        assert results["voice"].outcome.verdict is Verdict.PASS
        assert "of the voice service's" in results["clock"].outcome.detail
        assert rules(emulator) == []
        assert [len(session.connections) for session in emulator.sessions] == [0]
        assert emulator.billed_ms == 0


@pytest.mark.parametrize(
    ("status", "verdict", "mend"),
    [
        (401, Verdict.FAIL, "check voice.deepl.api_key"),
        (403, Verdict.FAIL, "set voice.speech_language to null"),
        (404, Verdict.FAIL, "check voice.deepl.base_url"),
        (429, Verdict.WARN, "wait a minute"),
        (456, Verdict.FAIL, "minutes or the key's cost limit are used up"),
        (503, Verdict.FAIL, "try again in a while"),
    ],
)
async def test_a_service_that_refuses_is_asked_once_and_tells_the_mend(
    tmp_path: Path, status: int, verdict: Verdict, mend: str
) -> None:
    async with emulated(replace(SETTINGS, api_key=API_KEY)) as (emulator, _):
        emulator.inject(Fault("http", status=status, count=-1))
        outcome = (await diagnosed(tmp_path, voice=deepl(emulator.base_url)))["voice"].outcome
        assert outcome.verdict is verdict
        assert f"POST answered {status}" in outcome.detail
        assert mend in str(outcome.mend)
        assert rules(emulator) == []


async def test_a_wrong_key_is_told_and_not_shown(tmp_path: Path) -> None:
    async with emulated() as (emulator, _):
        outcome = (await diagnosed(tmp_path, voice=deepl(emulator.base_url)))["voice"].outcome
    assert outcome.verdict is Verdict.FAIL
    assert "401" in outcome.detail


async def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    outcome = (await diagnosed(tmp_path, voice=deepl(f"http://127.0.0.1:{free_port()}")))["voice"].outcome
    assert outcome.verdict is Verdict.FAIL
    assert "Connection refused" in outcome.detail
    assert "check the network" in str(outcome.mend)


async def test_a_service_without_a_certificate_we_trust(tmp_path: Path) -> None:
    make_certificates(tmp_path / "tls")
    tls = replace(
        SETTINGS, tls_cert=tmp_path / "tls" / "server.crt", tls_key=tmp_path / "tls" / "server.key", api_key=API_KEY
    )
    async with emulated(tls) as (emulator, _):
        url = emulator.base_url.replace("127.0.0.1", "localhost")
        outcome = (await diagnosed(tmp_path, voice=deepl(url)))["voice"].outcome
    assert outcome.verdict is Verdict.FAIL
    assert "certificate refused" in outcome.detail


@asynccontextmanager
async def service_of_1994() -> AsyncIterator[str]:
    """It refuses everybody, and says when."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Busy\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with tcp_server(answer) as port:
        yield f"http://127.0.0.1:{port}"


async def test_a_clock_that_is_not_the_service_s(tmp_path: Path) -> None:
    async with service_of_1994() as url:
        results = await diagnosed(tmp_path, voice=deepl(url))
    assert results["clock"].outcome.verdict is Verdict.FAIL
    assert "ahead of the voice service's" in results["clock"].outcome.detail
    assert results["voice"].outcome.verdict is Verdict.FAIL


# --- the broker -------------------------------------------------------------------------------------------------


async def test_a_broker_for_everybody_and_what_it_is_told(broker: Broker, tmp_path: Path) -> None:
    """Only what means nothing is published, nothing is retained, and the client id is one of its own."""
    async with subscriber(broker.port) as seen:
        results = await diagnosed(tmp_path, mqtt={"port": broker.port})
        await seen.send("fence", "")
        await seen.until_text("fence", "")
    for name in ("broker", "access"):
        assert results[name].outcome.verdict is Verdict.PASS
    assert results["satellite"].outcome.verdict is Verdict.SKIP
    assert {message.topic.removeprefix(f"{TOPICS.root}/") for message in seen.received} == {
        "command_error",
        "backend/doctor/result",
        "transcript/tentative",
        "translation/de/tentative",
        "homeassistant/device/voice_satellite_kitchen/trial",
        "fence",
    }
    assert [message for message in seen.received if message.retain] == []
    assert json.loads(seen.texts(TOPICS.command_error)[0])["reason"].endswith("nothing was refused")
    assert json.loads(seen.texts(TOPICS.transcript_tentative)[0])["text"] == ""
    assert "as voice-satellite-kitchen-doctor-" in broker.log
    assert "as voice-satellite-kitchen (" not in broker.log
    assert "No will message specified" in broker.log.partition("as voice-satellite-kitchen-doctor-")[2]


async def test_captions_are_left_alone_while_somebody_speaks(broker: Broker, tmp_path: Path) -> None:
    async with subscriber(broker.port) as seen:
        await seen.send(TOPICS.state, "listening", retain=True)
        await seen.send(TOPICS.availability, "online", retain=True)
        results = await diagnosed(tmp_path, mqtt={"port": broker.port})
        await seen.send("fence", "")
        await seen.until_text("fence", "")
    assert results["access"].outcome.verdict is Verdict.PASS
    assert "online, listening" in results["satellite"].outcome.detail
    assert seen.on(TOPICS.transcript_tentative) == []
    assert [message.topic for message in seen.received if "tentative" in message.topic] == []


async def test_a_refused_login(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", BrokerOptions(users={"kitchen": "another"})) as broker:
        for login in ({}, {"username": "kitchen", "password": PASSWORD}):
            results = await diagnosed(tmp_path, mqtt={"port": broker.port, **login})
            assert results["broker"].outcome.verdict is Verdict.FAIL
            assert "refuses the login" in results["broker"].outcome.detail
            assert "mqtt.password" in str(results["broker"].outcome.mend)
            for name in ("access", "satellite"):
                assert results[name].outcome.verdict is Verdict.SKIP


@pytest.mark.parametrize(
    ("rule", "denied"),
    [
        ("", ""),
        (f"topic deny {TOPICS.root}/command_error", TOPICS.command_error),
        (f"topic deny {TOPICS.root}/backend/#", f"{TOPICS.root}/backend/doctor/result"),
        ("topic deny homeassistant/+/voice_satellite_kitchen/#", "homeassistant/device/voice_satellite_kitchen/trial"),
        (f"topic deny {TOPICS.root}/translation/de/tentative", f"{TOPICS.root}/translation/de/tentative"),
    ],
)
async def test_what_an_access_list_forbids_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, denied: str
) -> None:
    monkeypatch.setattr(broker_visit, "ECHO_WITHIN_S", 0.3)  # these lists let nobody read what he wrote
    with Broker(tmp_path / "broker", BrokerOptions(users=USERS, acl=f"{ACL}{rule}\n")) as broker:
        login = {"port": broker.port, "username": "kitchen", "password": PASSWORD}
        results = await diagnosed(tmp_path, mqtt=login)
    outcome = results["access"].outcome
    assert results["satellite"].outcome.verdict is Verdict.SKIP
    assert outcome.verdict is (Verdict.FAIL if denied else Verdict.PASS)
    assert denied in outcome.detail
    if denied:
        assert f"write {TOPICS.root}/#" in str(outcome.mend)


async def test_a_satellite_is_read_though_the_trial_is_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_visit, "ECHO_WITHIN_S", 0.5)
    acl = f"{ACL}topic read {TOPICS.root}/#\ntopic deny {TOPICS.command_error}\n"
    with Broker(tmp_path / "broker", BrokerOptions(users=USERS, acl=acl)) as broker:
        async with subscriber(broker.port, username="home", password=PASSWORD) as seen:
            await seen.send(TOPICS.availability, "offline", retain=True)
        login = {"port": broker.port, "username": "kitchen", "password": PASSWORD}
        results = await diagnosed(tmp_path, mqtt=login)
    assert results["access"].outcome.verdict is Verdict.FAIL
    assert "offline" in results["satellite"].outcome.detail


async def test_a_broker_of_the_last_version_is_doubted_when_nothing_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_visit, "ECHO_WITHIN_S", 0.3)
    async with old_broker() as (old, port):
        results = await diagnosed(tmp_path, mqtt={"port": port})
        assert "MQTT 3.1.1" in results["broker"].outcome.detail
        assert results["access"].outcome.verdict is Verdict.WARN
        old.hated_topic = f"{TOPICS.root}/backend/doctor/result"
        results = await diagnosed(tmp_path, mqtt={"port": port})
    assert results["access"].outcome.verdict is Verdict.FAIL
    assert "was lost, while the access list was tried" in results["access"].outcome.detail
    assert results["satellite"].outcome.verdict is Verdict.SKIP


async def test_a_broker_that_is_away_hangs_or_has_no_name(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_visit, "ANSWER_WITHIN_S", 0.5)
    assert "cannot be reached" in (await diagnosed(tmp_path))["broker"].outcome.detail
    broker.freeze()
    assert "does not answer" in (await diagnosed(tmp_path, mqtt={"port": broker.port}))["broker"].outcome.detail
    broker.thaw()
    nowhere = (await diagnosed(tmp_path, mqtt={"host": "broker.invalid"}))["broker"].outcome
    assert nowhere.verdict is Verdict.FAIL


async def test_an_encrypted_broker_is_verified(tmp_path: Path) -> None:
    make_certificates(tmp_path / "broker")
    with Broker(tmp_path / "broker", BrokerOptions(tls=True)) as broker:
        encrypted = {"host": "localhost", "port": broker.port, "tls": {"ca_file": f"{tmp_path}/broker/ca.crt"}}
        good = (await diagnosed(tmp_path, mqtt=encrypted))["broker"].outcome
        bad = (await diagnosed(tmp_path, mqtt={**encrypted, "tls": {}}))["broker"].outcome
    assert good.verdict is Verdict.PASS
    assert "TLS" in good.detail
    assert bad.verdict is Verdict.FAIL
    assert "certificate" in bad.detail


# --- sound ------------------------------------------------------------------------------------------------------


def sound(microphone: str, loudspeaker: str = "null") -> dict[str, Any]:
    return {"input": {"device": microphone}, "output": {"device": loudspeaker}}


async def test_a_card_is_heard_and_sounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with VirtualCard(tmp_path / "card") as card:
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(card.conf))
        results = await diagnosed(tmp_path, audio=sound("vmic", "vspk"))
        assert "digital silence" in results["microphone"].outcome.detail
        assert results["loudspeaker"].outcome.verdict is Verdict.PASS
        card.wait_for("quiet")
        played = card.played
        assert 0.3 * 32_000 <= len(played) <= 0.5 * 32_000
        assert max(played[1::2]) > 0
        card.say_wav(DATA / "demo.wav")
        card.wait_for("saying")
        results = await diagnosed(tmp_path, audio=sound("vmic", "vspk"), with_tone=False)
        assert results["microphone"].outcome.verdict is Verdict.PASS, results["microphone"]
        assert "no tone" in results["loudspeaker"].outcome.detail
        assert len(card.played) == len(played)


async def test_a_muted_microphone_stays_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(DRIVERS), str(DRIVERS.parents[2])]))
    monkeypatch.setenv("SCRIPTED_ALSA", json.dumps({"open": "opened [x]"}))
    opened = (await diagnosed(tmp_path, audio=sound("default")))["microphone"].outcome
    assert "opened [x]" in opened.detail
    settings = parts.configured_settings(load(tmp_path / "config.yaml"))
    store = SettingsStore(tmp_path / "state")
    store.load(settings)
    store.save(replace(settings, mute=True), settings)
    store.close(10)
    muted = (await diagnosed(tmp_path, audio=sound("default")))["microphone"].outcome
    assert muted.verdict is Verdict.SKIP
    assert "muted by command" in muted.detail


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ({"open": "Device or resource busy [x]"}, "is in use"),
        ({"open": "No such file or directory [x]"}, "no such"),
        ({"open": "Permission denied [x]"}, "make the user a member of the group audio"),
    ],
)
async def test_devices_that_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: dict[str, str], told: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(DRIVERS), str(DRIVERS.parents[2])]))
    monkeypatch.setenv("SCRIPTED_ALSA", json.dumps(steps))
    results = await diagnosed(tmp_path, audio=sound("default", "default"))
    for name in ("microphone", "loudspeaker"):
        assert results[name].outcome.verdict is Verdict.FAIL
        assert told in results[name].outcome.detail
        assert "voice-satellite devices" in str(results[name].outcome.mend)


async def test_files_stand_for_devices_and_are_left_alone(tmp_path: Path) -> None:
    speech = tmp_path / "speech.wav"
    speech.write_bytes(b"precious")
    results = await diagnosed(tmp_path, audio=sound(f"file:{DATA / 'demo.wav'}", f"file:{speech}"))
    assert "level" in results["microphone"].outcome.detail
    assert results["loudspeaker"].outcome.verdict is Verdict.PASS
    assert speech.read_bytes() == b"precious"


# --- without a configuration ------------------------------------------------------------------------------------


async def test_the_rest_is_tried_without_a_configuration_that_can_be_used(tmp_path: Path) -> None:
    report = await diagnose(Request(str(tmp_path / "none.yaml"), {"STATE_DIRECTORY": str(tmp_path)}), lambda _: None)
    assert report.satellite is None
    assert report.verdict is Verdict.FAIL
    results = {result.id: result.outcome for result in report.results}
    assert list(results) == list(TITLES)
    assert "cannot be read: no such file" in results["config"].detail
    assert results["state"].verdict is Verdict.PASS
    assert results["clock"].verdict in (Verdict.PASS, Verdict.WARN)
    assert results["broker"].detail == "needs a configuration that can be used"


async def test_a_session_that_was_granted_to_the_doctor_is_given_back(tmp_path: Path) -> None:
    settings = PalabraSettings(variants=PalabraVariants(application=True))
    async with PalabraEmulator(settings) as emulator:
        found = await diagnosed(tmp_path, voice={"backend": "palabra", "palabra": emulator.options})
        assert "grants a session" in found["voice"].outcome.detail
        assert emulator.sessions[0].is_deleted
    assert emulator.violations == []


async def test_a_stream_that_opens_without_asking_is_opened_and_closed_again(tmp_path: Path) -> None:
    async with PalabraEmulator() as emulator:
        found = await diagnosed(tmp_path, voice={"backend": "palabra", "palabra": emulator.options})
        assert "opens a connection" in found["voice"].outcome.detail
        (session,) = emulator.sessions
        assert session.audio_ms <= 640, "a beat or two of silence"
        assert emulator.violations == []
