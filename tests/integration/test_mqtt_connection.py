"""Making and losing the connection to a broker: refusals, TLS, old brokers, cancellation."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from satellite.adapters import mqtt_connection
from satellite.adapters.mqtt import MqttSettings, TlsSettings
from satellite.errors import BrokerError, ErrorCategory, LocalMisuse
from satellite.homeassistant.commands import Command, CommandRefused
from tests.fakes.broker import Broker, BrokerOptions, make_certificates, subscriber
from tests.fakes.mqtt_link import (
    TOPICS,
    WAIT_S,
    Report,
    concluded,
    make_link,
    no_broker,
    old_broker,
    running,
    settings,
    state,
)
from tests.fakes.relay import relay


@pytest.fixture(autouse=True)
def _no_complaints_of_the_event_loop(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"] == []


async def test_a_silent_connection_is_noticed_by_keepalive(broker: Broker) -> None:
    report = Report()
    async with relay(broker.port) as way, running(make_link(settings(way.port, keepalive_s=1), report)):
        await report.connected()
        way.blackhole()
        await report.problem("MQTT broker")
        await way.down()


async def test_a_wrong_password_is_one_clear_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = BrokerOptions(users={"sat1": "right-secret"})
    with Broker(tmp_path / "broker", options) as broker:
        report = Report()
        link = make_link(settings(broker.port, username="sat1", password="wrong-secret"), report)
        caplog.set_level(logging.DEBUG)
        async with running(link):
            problem = await report.problem("refuses the login")
            assert "check mqtt.username and mqtt.password" in problem
            await asyncio.sleep(1.0)
        assert broker.log.count("CONNECT") + broker.log.count("Sending CONNACK") == 1  # slow, not once per backoff
        assert caplog.text.count("refuses the login") == 1
        assert "wrong-secret" not in caplog.text + str(report.states)


async def test_a_missing_login_is_asked_for(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", BrokerOptions(users={"sat1": "secret"})) as broker:
        report = Report()
        async with running(make_link(settings(broker.port), report)):
            assert "set mqtt.username and mqtt.password" in await report.problem("refuses the login")


async def test_the_right_password_is_let_in(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", BrokerOptions(users={"sat1": "secret"})) as broker:
        report = Report()
        async with running(make_link(settings(broker.port, username="sat1", password="secret"), report)):
            await report.connected()


ACL = f"""user sat1
topic write {TOPICS.root}/#
topic deny {TOPICS.transcript}
topic read {TOPICS.root}/set/#
user home
topic read {TOPICS.root}/#
"""


async def test_what_the_acl_forbids_is_told_once_and_waits_until_it_is_allowed(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", BrokerOptions(users={"sat1": "secret", "home": "secret"}, acl=ACL)) as broker:
        report = Report()
        more = {"username": "sat1", "password": "secret", "refused_retry_s": 0.3}
        link = make_link(settings(broker.port, **more), report)
        async with (
            running(link),
            subscriber(broker.port, f"{TOPICS.root}/#", username="home", password="secret") as seen,
        ):
            await report.connected()
            link.publish(concluded("forbidden 1"))
            link.publish(concluded("forbidden 2"))
            link.publish(state("idle"))
            await seen.until_text(TOPICS.state, "idle")
            assert not await link.flush(WAIT_S)
            assert TOPICS.transcript in await report.problem("does not take messages")
            link.publish(concluded("forbidden 3"))
            broker.rule("acl", ACL.replace(f"topic deny {TOPICS.transcript}\n", ""))
            link.publish(state("listening"))
            await seen.until_text(TOPICS.transcript, "forbidden 3")
            assert await link.flush(WAIT_S)
            assert seen.texts(TOPICS.transcript) == ["forbidden 1", "forbidden 2", "forbidden 3"]
    assert link.refused == 0
    assert all(is_connected for is_connected, _ in report.states)


async def test_a_message_larger_than_the_broker_takes_is_given_up(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", BrokerOptions(more="max_packet_size 2000")) as broker:
        report = Report()
        link = make_link(settings(broker.port), report)
        async with running(link):
            await report.connected()
            link.publish(concluded("x" * 3000))
            link.publish(concluded("small"))
            assert await link.flush(WAIT_S)
        assert link.refused == 1
        assert report.connections == 1


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    make_certificates(directory)
    make_certificates(directory / "other")
    return directory


@pytest.fixture
def tls_broker(certificates: Path, tmp_path: Path) -> Iterator[Broker]:
    directory = tmp_path / "broker"
    directory.mkdir()
    for name in ("ca.crt", "server.crt", "server.key"):
        (directory / name).write_bytes((certificates / name).read_bytes())
    with Broker(directory, BrokerOptions(tls=True, require_client_certificate=True)) as made:
        yield made


def tls_settings(broker: Broker, certificates: Path, **more: object) -> MqttSettings:
    tls = TlsSettings(str(certificates / "ca.crt"), str(certificates / "client.crt"), str(certificates / "client.key"))
    return settings(broker.port, **{"host": "localhost", "tls": tls, **more})


async def test_tls_with_certificates_on_both_sides(tls_broker: Broker, certificates: Path) -> None:
    report = Report()
    link = make_link(tls_settings(tls_broker, certificates), report)
    async with running(link):
        await report.connected()
        link.publish(concluded("secret"))
        assert await link.flush(WAIT_S)
        assert await link.close()


async def test_a_certificate_of_somebody_else_is_refused(tls_broker: Broker, certificates: Path) -> None:
    report = Report()
    tls = TlsSettings(str(certificates / "other" / "ca.crt"))
    async with running(make_link(tls_settings(tls_broker, certificates, tls=tls), report)):
        assert "check mqtt.tls.ca_file" in await report.problem("is not accepted")
    assert report.connections == 0


async def test_a_certificate_for_another_name_is_refused(tls_broker: Broker, certificates: Path) -> None:
    report = Report()
    async with running(make_link(tls_settings(tls_broker, certificates, host="127.0.0.1"), report)):
        assert "not valid for" in await report.problem("is not accepted")
    assert report.connections == 0


async def test_a_missing_certificate_file_is_named(broker: Broker, tmp_path: Path) -> None:
    report = Report()
    link = make_link(settings(broker.port, tls=TlsSettings(str(tmp_path / "absent.crt"))), report)
    async with running(link):
        assert "absent.crt: No such file" in await report.problem("mqtt.tls.ca_file")


async def test_plain_talk_to_a_tls_port_is_explained(tls_broker: Broker) -> None:
    report = Report()
    async with running(make_link(settings(tls_broker.port), report)):
        assert "is this an MQTT port" in await report.problem("closed before it answered")


async def test_tls_talk_to_a_plain_port_is_explained(broker: Broker) -> None:
    report = Report()
    async with running(make_link(settings(broker.port, tls=TlsSettings()), report)):
        await report.problem("127.0.0.1")
    assert report.connections == 0


async def test_tls_talk_to_something_else_is_explained() -> None:
    report = Report()
    mail_server = no_broker(b"220 mail.example.org\r\n")
    async with mail_server as port, running(make_link(settings(port, tls=TlsSettings()), report)):
        assert "check mqtt.port and mqtt.tls" in await report.problem("no TLS with")


async def test_an_unknown_host_is_named() -> None:
    report = Report()
    async with running(make_link(MqttSettings("no-such-broker.invalid", 1883), report)):
        await report.problem("no-such-broker.invalid")


async def test_two_satellites_with_one_id_are_told(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    first, second = Report(), Report()
    async with running(make_link(settings(broker.port), first)), running(make_link(settings(broker.port), second)):
        # mosquitto 2.0.21 tells the one that it parts with; before that it is inferred from losses again and again
        async with asyncio.TaskGroup() as group:
            told = [
                group.create_task(report.problem("another client called voice-satellite-kitchen"))
                for report in (first, second)
            ]
            await asyncio.wait(told, return_when=asyncio.FIRST_COMPLETED)
            for task in told:
                task.cancel()
        assert any(task.done() and not task.cancelled() for task in told)
    assert len([record for record in caplog.records if "was lost" in record.getMessage()]) <= 4


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8e\x00", "each satellite needs its own satellite.id"),
        (b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8b\x00", "ended the connection: Server shutting down"),
        (b"\x20\x03\x00\x00\x00" + b"\xe0\x00", "ended the connection: Normal disconnection"),
        (b"\x20\x03\x00\x00\x00" + b"\x00\x00", "was lost"),
        (b"\x20\x03\x00\x88\x00", "ended the connection: Server unavailable"),
        (b"\x20\x03\x00\x86\x00", "refuses the login (Bad user name or password)"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "closed before it answered"),
        (b"", "closed before it answered"),
    ],
)
async def test_what_the_broker_says_at_the_end_is_told(answer: bytes, problem: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(answer)
        await writer.drain()
        writer.close()

    report = Report()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, running(make_link(settings(server.sockets[0].getsockname()[1]), report)):
        await report.problem(problem)


async def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1_from_then_on() -> None:
    report = Report()
    async with old_broker() as (old, port):
        link = make_link(settings(port), report)
        async with running(link):
            await report.connected()
            link.publish(concluded("old words"))
            assert await link.flush(WAIT_S)
        async with running(link):
            await report.connected(2)
    assert old.levels == [5, 4, 4]
    assert old.published == [b"online", b"old words", b"online"]


@pytest.mark.parametrize(("answer", "problem"), [(5, "refuses the login"), (3, "Server unavailable"), (1, "closed")])
async def test_a_broker_without_mqtt_5_may_refuse_us_too(answer: int, problem: str) -> None:
    report = Report()
    async with old_broker() as (old, port):
        old.connect_answer = answer
        async with running(make_link(settings(port), report)):
            await report.problem(problem)


async def test_a_refused_subscription_is_a_problem() -> None:
    report = Report()
    async with old_broker() as (old, port):
        old.subscription_answer = 0x80
        async with running(make_link(settings(port), report)):
            await report.connected()
    assert report.states[0][0]
    assert f"{TOPICS.root}/set/#" in (report.states[0][1] or "")


async def test_a_connection_that_dies_before_it_can_be_used_is_no_connection() -> None:
    report = Report()
    async with old_broker() as (old, port):
        old.subscription_answer = 0
        async with running(make_link(settings(port, timeout_s=0.3), report)):
            await report.problem("MQTT broker")
    assert report.connections == 0
    assert not any(is_connected for is_connected, _ in report.states)


@pytest.mark.parametrize("too_many", [-1, 1])
async def test_a_broker_that_cannot_count_subscriptions_is_no_fault_of_ours(too_many: int) -> None:
    report = Report()
    async with old_broker() as (old, port):
        old.answers_too_many = too_many
        async with running(make_link(settings(port, timeout_s=0.3), report)):
            await report.problem("subscriptions")
    assert report.connections == 0


async def test_a_connection_is_opened_before_it_is_used(broker: Broker) -> None:
    connection = mqtt_connection.MqttConnection(settings(broker.port), "me", state(""), is_version_5=True)
    connection.abort()
    with pytest.raises(LocalMisuse):
        await connection.publish(state("idle"))


async def test_a_port_that_accepts_and_stays_silent_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    report = Report()
    async with no_broker() as port:
        open_files = len(list(Path("/proc/self/fd").iterdir()))
        async with running(make_link(settings(port, timeout_s=0.1), report)):
            async with asyncio.timeout(WAIT_S):
                while sum(not is_connected for is_connected, _ in report.states) < 4:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.05)
            assert len(list(Path("/proc/self/fd").iterdir())) <= open_files + 2  # no connection is left behind
    assert caplog.text.count("does not answer") == 1


async def test_stopping_in_the_middle_of_a_connection_attempt_leaves_nothing_behind() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        writer.close()
        gone.set()

    arrived, gone = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, asyncio.timeout(WAIT_S):
        async with running(make_link(settings(server.sockets[0].getsockname()[1]), Report())):
            await arrived.wait()
        await gone.wait()


async def test_a_cancellation_that_meets_a_failure_still_ends_the_link(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    async with subscriber(broker.port) as home:
        task: asyncio.Task[None]

        def fail(command: Command | CommandRefused) -> None:
            task.cancel()
            raise BrokerError(ErrorCategory.CONNECTIVITY, f"at the same moment as {command}")

        report.on_command = fail
        task = asyncio.create_task(link.run())
        await report.connected()
        await home.send(TOPICS.command("mute"), "ON")
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, WAIT_S)


async def test_a_cancellation_that_meets_the_answer_of_the_broker_is_not_forgotten(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = mqtt_connection._Client._on_connect

    def answer_and_cancel(*arguments: Any) -> None:
        answer(*arguments)
        task.cancel()

    monkeypatch.setattr(mqtt_connection._Client, "_on_connect", answer_and_cancel)
    task = asyncio.create_task(make_link(settings(broker.port), Report()).run())
    done, _ = await asyncio.wait([task], timeout=WAIT_S)
    assert done
    assert task.cancelled()
