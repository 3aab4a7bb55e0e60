"""MqttLink against a real mosquitto."""

import asyncio
import contextlib
import logging
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from satellite.adapters import mqtt_connection
from satellite.adapters.clock import SystemClock
from satellite.adapters.mqtt import LinkHooks, MqttLink, MqttSettings, TlsSettings
from satellite.adapters.outbox import Bounds, Outbox
from satellite.core.backoff import Backoff
from satellite.errors import BrokerError, ErrorCategory, LocalMisuse
from satellite.homeassistant.commands import Command, CommandRefused, SetMute, SetVolume
from satellite.homeassistant.messages import Delivery, Message
from satellite.homeassistant.topics import Topics
from tests.fakes.broker import Broker, BrokerOptions, make_certificates, subscriber
from tests.fakes.relay import relay

TOPICS = Topics("voice-satellite", "kitchen")
BIRTH = "homeassistant/status"
WAIT_S = 10.0


class Report:
    """What the link told its hooks, and a way to wait for it."""

    def __init__(self) -> None:
        self.connections = 0
        self.births = 0
        self.states: list[tuple[bool, str | None]] = []
        self.commands: list[Command | CommandRefused] = []
        self.on_connected: Callable[[], None] = lambda: None
        self.on_command: Callable[[Command | CommandRefused], None] = lambda command: None
        self._news = asyncio.Event()

    @property
    def hooks(self) -> LinkHooks:
        return LinkHooks(self._connected, self._command, self._state, self._birth)

    def _connected(self) -> None:
        self.connections += 1
        self.on_connected()
        self._news.set()

    def _command(self, command: Command | CommandRefused) -> None:
        self.commands.append(command)
        self.on_command(command)
        self._news.set()

    def _state(self, is_connected: bool, problem: str | None) -> None:
        self.states.append((is_connected, problem))
        self._news.set()

    def _birth(self) -> None:
        self.births += 1
        self._news.set()

    async def connected(self, times: int = 1) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.connections < times:
                self._news.clear()
                await self._news.wait()

    async def problem(self, part: str) -> str:
        """Wait for a problem that contains `part`."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for _, problem in self.states:
                    if problem is not None and part in problem:
                        return problem
                self._news.clear()
                await self._news.wait()

    async def commanded(self, count: int) -> list[Command | CommandRefused]:
        async with asyncio.timeout(WAIT_S):
            while len(self.commands) < count:
                self._news.clear()
                await self._news.wait()
        return self.commands

    async def born(self) -> None:
        async with asyncio.timeout(WAIT_S):
            while not self.births:
                self._news.clear()
                await self._news.wait()


def make_link(settings: MqttSettings, report: Report, outbox: Outbox | None = None) -> MqttLink:
    backoff = Backoff(random.Random(1).random, first_s=0.3, cap_s=0.3)
    return MqttLink(settings, TOPICS, outbox if outbox is not None else Outbox(), report.hooks, backoff, SystemClock())


@contextlib.asynccontextmanager
async def running(link: MqttLink) -> AsyncIterator[asyncio.Task[None]]:
    """The link runs while the context is open; its end is awaited."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(link.run())
        yield task
        task.cancel()


def settings(port: int, **more: object) -> MqttSettings:
    values: dict[str, object] = {"host": "127.0.0.1", "port": port, "timeout_s": 5.0, "birth_topic": BIRTH, **more}
    return MqttSettings(**values)  # type: ignore[arg-type]  # tests name the fields they mean


def concluded(text: str) -> Message:
    return Message(TOPICS.transcript, text.encode())


def state(text: str) -> Message:
    return Message(TOPICS.state, text.encode(), retain=True, delivery=Delivery.LATEST)


def tentative(text: str) -> Message:
    return Message(TOPICS.transcript_tentative, text.encode(), qos=0, delivery=Delivery.TRANSIENT)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as made:
        yield made


@pytest.fixture(autouse=True)
def _no_complaints_of_the_event_loop(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"] == []


async def test_availability_comes_first_and_is_retained(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    report.on_connected = lambda: link.publish(state("idle"))
    async with subscriber(broker.port) as seen:
        link.publish(concluded("waited"))
        async with running(link):
            await seen.until_text(TOPICS.transcript, "waited")
        assert [message.topic for message in seen.received] == [TOPICS.availability, TOPICS.state, TOPICS.transcript]
        assert [message.qos for message in seen.received] == [1, 1, 1]
    async with subscriber(broker.port) as late:
        await late.until(lambda seen: len(seen.received) == 2)
        assert {message.topic: message.retain for message in late.received} == {
            TOPICS.availability: True,
            TOPICS.state: True,
        }
    assert report.states == [(True, None)]


async def test_messages_leave_in_order_and_all_of_them(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    async with subscriber(broker.port, TOPICS.transcript) as seen, running(link):
        await report.connected()
        for number in range(200):
            link.publish(concluded(str(number)))
        assert await link.flush(WAIT_S)
        await seen.until(lambda seen: len(seen.received) == 200)
        assert seen.texts(TOPICS.transcript) == [str(number) for number in range(200)]


async def test_a_dead_process_is_announced_by_its_last_will(broker: Broker) -> None:
    async with subscriber(broker.port, TOPICS.availability) as seen:
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(broker.port)], cwd=Path(__file__).parents[2])
        try:
            await seen.until_text(TOPICS.availability, "online")
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(WAIT_S)
        await seen.until_text(TOPICS.availability, "offline")
    async with subscriber(broker.port, TOPICS.availability) as late:
        await late.until_text(TOPICS.availability, "offline")
        assert late.received[0].retain


CHILD = """
import asyncio, sys
from tests.integration import test_mqtt as here

async def main() -> None:
    report = here.Report()
    link = here.make_link(here.settings(int(sys.argv[1])), report)
    link.publish(here.concluded("hello"))
    await link.run()

asyncio.run(main())
"""


async def test_cancelling_the_link_leaves_the_last_will(broker: Broker) -> None:
    report = Report()
    async with subscriber(broker.port, TOPICS.availability) as seen:
        async with running(make_link(settings(broker.port), report)):
            await report.connected()
        await seen.until_text(TOPICS.availability, "offline")


async def test_close_flushes_says_offline_and_disconnects_in_order(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    async with subscriber(broker.port) as seen, running(link) as task:
        await report.connected()
        for number in range(20):
            link.publish(concluded(str(number)))
        assert await link.close()
        async with asyncio.timeout(WAIT_S):
            await task
        await seen.until_text(TOPICS.availability, "offline")
        assert seen.received[-2].text == "19"
        assert seen.texts(TOPICS.availability) == ["online", "offline"]
    assert "Client voice-satellite-kitchen disconnected." in broker.log


async def test_close_may_leave_the_availability_alone(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    async with subscriber(broker.port) as seen, running(link) as task:
        await report.connected()
        await link.close(offline=False)
        await task
        await seen.send("done", "")
        await seen.until(lambda seen: bool(seen.on("done")))
        assert seen.texts(TOPICS.availability) == ["online"]


async def test_close_without_a_broker_returns_at_once_and_ends_the_link(tmp_path: Path) -> None:
    report = Report()
    link = make_link(settings(Broker(tmp_path).port), report)
    async with running(link) as task:
        await report.problem("cannot be reached")
        assert await link.close()
        async with asyncio.timeout(WAIT_S):
            await task


async def test_close_says_when_text_still_waits(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    async with running(link):
        await report.connected()
        broker.freeze()
        link.publish(concluded("stuck"))
        assert not await link.close(timeout_s=0.2)


async def test_flush_says_when_time_ran_out(tmp_path: Path) -> None:
    link = make_link(settings(Broker(tmp_path).port), Report())
    link.publish(tentative("nobody waits for this"))
    assert await link.flush(0.05)
    link.publish(concluded("waits"))
    assert not await link.flush(0.05)


async def test_retained_states_are_published_again_after_the_broker_was_killed(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    report.on_connected = lambda: link.publish(state("idle"))
    async with running(link):
        await report.connected()
        assert await link.flush(WAIT_S)
        broker.restart(how=signal.SIGKILL)  # without persistence: it has forgotten everything
        await report.connected(2)
        assert await link.flush(WAIT_S)
        async with subscriber(broker.port) as late:
            await late.until_text(TOPICS.state, "idle")
            await late.until_text(TOPICS.availability, "online")
    assert [is_connected for is_connected, _ in report.states] == [True, False, True]


async def test_concluded_messages_of_an_outage_arrive_once_and_in_order(broker: Broker) -> None:
    report = Report()
    async with relay(broker.port) as way:
        link = make_link(settings(way.port), report)
        async with running(link):
            await report.connected()
            await way.down()
            broker.kill()
            for number in range(50):
                link.publish(concluded(str(number)))
                link.publish(state(f"state {number}"))
                link.publish(tentative(f"tentative {number}"))
            broker.start()
            async with subscriber(broker.port) as seen:
                await way.up()
                await seen.until_text(TOPICS.transcript, "49")
                assert seen.texts(TOPICS.transcript) == [str(number) for number in range(50)]
                assert seen.texts(TOPICS.state) == ["state 49"]
                assert seen.texts(TOPICS.transcript_tentative) == []
                link.publish(tentative("now"))
                await seen.until_text(TOPICS.transcript_tentative, "now")
                assert seen.received[-1].qos == 0


async def test_a_message_in_flight_when_the_connection_dies_is_published_again(broker: Broker) -> None:
    report = Report()
    async with relay(broker.port) as way, subscriber(broker.port, TOPICS.transcript) as seen:
        link = make_link(settings(way.port), report)
        async with running(link):
            await report.connected()
            way.blackhole()
            link.publish(concluded("in flight"))
            await asyncio.sleep(0.1)
            await way.down()
            await way.up()
            await seen.until_text(TOPICS.transcript, "in flight")
            assert await link.flush(WAIT_S)


async def test_a_broker_that_stops_answering_is_left_after_the_time_out(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port, timeout_s=0.5), report)
    async with running(link):
        await report.connected()
        broker.freeze()
        link.publish(concluded("text"))
        await report.problem("does not answer")
        broker.thaw()
        await report.connected(2)
        assert await link.flush(WAIT_S)


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
"""


async def test_what_the_acl_forbids_is_noticed_counted_and_not_repeated(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", BrokerOptions(users={"sat1": "secret"}, acl=ACL)) as broker:
        report = Report()
        link = make_link(settings(broker.port, username="sat1", password="secret"), report)
        async with running(link):
            await report.connected()
            link.publish(concluded("forbidden 1"))
            link.publish(concluded("forbidden 2"))
            link.publish(state("idle"))
            assert await link.flush(WAIT_S)
            assert link.refused == 2
            assert TOPICS.transcript in await report.problem("does not take messages")
    assert report.connections == 1
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
    async with old_broker() as (old, port):
        old.greeting = b"220 mail.example.org\r\n"
        async with running(make_link(settings(port, tls=TlsSettings()), report)):
            assert "check mqtt.port and mqtt.tls" in await report.problem("no TLS with")


async def test_an_unknown_host_is_named() -> None:
    report = Report()
    async with running(make_link(MqttSettings("no-such-broker.invalid", 1883), report)):
        await report.problem("no-such-broker.invalid")


async def test_commands_arrive_checked(broker: Broker) -> None:
    report = Report()
    async with subscriber(broker.port) as home, running(make_link(settings(broker.port), report)):
        await report.connected()
        await home.send(TOPICS.command("mute"), "ON")
        await home.send("voice-satellite/all/set/volume", "30")
        await home.send("voice-satellite/bath/set/volume", "99")
        await home.send(TOPICS.command("volume"), b"\xff" * 5000)
        commands = await report.commanded(3)
        assert commands[:2] == [SetMute(muted=True), SetVolume(30)]
        assert isinstance(commands[2], CommandRefused)


async def test_retained_commands_are_ignored_old_and_new(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    report = Report()
    async with subscriber(broker.port) as home:
        await home.send(TOPICS.command("volume"), "1", retain=True)
        async with running(make_link(settings(broker.port), report)):
            await report.connected()
            await home.send(TOPICS.command("volume"), "2", retain=True)
            await home.send(TOPICS.command("volume"), "3")
            assert await report.commanded(1) == [SetVolume(3)]
    assert caplog.text.count("retained commands are ignored") == 1


async def test_a_huge_command_does_not_reach_our_memory(broker: Broker) -> None:
    report = Report()
    async with subscriber(broker.port) as home, running(make_link(settings(broker.port), report)):
        await report.connected()
        await home.send(TOPICS.command("play"), b"x" * 5_000_000)
        await home.send(TOPICS.command("volume"), "3")
        assert await report.commanded(1) == [SetVolume(3)]


async def test_the_birth_of_home_assistant_is_passed_on_only_live(broker: Broker) -> None:
    report = Report()
    async with subscriber(broker.port) as home:
        await home.send(BIRTH, "online", retain=True)
        async with running(make_link(settings(broker.port), report)):
            await report.connected()
            await home.send(BIRTH, "offline")
            await home.send(TOPICS.command("volume"), "3")
            await report.commanded(1)
            assert report.births == 0
            await home.send(BIRTH, "online", retain=True)
            await report.born()


async def test_two_satellites_with_one_id_are_told(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    first, second = Report(), Report()
    async with running(make_link(settings(broker.port), first)), running(make_link(settings(broker.port), second)):
        assert "is another client called voice-satellite-kitchen on it" in await first.problem("again and again")
        await second.problem("again and again")
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


class OldBroker:
    """Answers CONNECT of MQTT 5 as a 3.1.1 broker does, and speaks just enough 3.1.1."""

    def __init__(self) -> None:
        self.levels: list[int] = []
        self.published: list[bytes] = []
        self.subscription_answer = 1
        self.connect_answer = 0
        self.greeting = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.greeting)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while await self._answer(reader, writer):
                await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        kind = (await reader.readexactly(1))[0]
        size, shift = 0, 0
        while True:
            digit = (await reader.readexactly(1))[0]
            size |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        body = await reader.readexactly(size)
        if kind == 0x10:
            self.levels.append(body[6])
            writer.write(b"\x20\x02\x00" + bytes([self.connect_answer if body[6] == 4 else 1]))
            return body[6] == 4
        if kind == 0x82:
            filters = body.count(b"/set/#") or 1
            if not self.subscription_answer:
                return False
            writer.write(b"\x90" + bytes([2 + filters]) + body[:2] + bytes([self.subscription_answer] * filters))
        if kind & 0xF0 == 0x30:
            topic_end = 2 + int.from_bytes(body[:2], "big")
            self.published.append(body[topic_end + 2 :])
            writer.write(b"\x40\x02" + body[topic_end : topic_end + 2])
        return True


@contextlib.asynccontextmanager
async def old_broker() -> AsyncIterator[tuple[OldBroker, int]]:
    old = OldBroker()
    server = await asyncio.start_server(old.serve, "127.0.0.1", 0)
    async with server:
        yield old, server.sockets[0].getsockname()[1]


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


async def test_a_connection_is_opened_before_it_is_used(broker: Broker) -> None:
    connection = mqtt_connection.MqttConnection(settings(broker.port), "me", state(""), is_version_5=True)
    connection.abort()
    with pytest.raises(LocalMisuse):
        await connection.publish(state("idle"))


async def test_home_assistant_may_be_of_no_interest(broker: Broker) -> None:
    report = Report()
    async with subscriber(broker.port) as home, running(make_link(settings(broker.port, birth_topic=None), report)):
        await report.connected()
        await home.send(BIRTH, "online")
        await home.send(TOPICS.command("volume"), "3")
        await report.commanded(1)
    assert report.births == 0


async def test_a_port_that_accepts_and_stays_silent_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    report = Report()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
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


async def test_the_outbox_bound_holds_while_the_broker_is_away(tmp_path: Path) -> None:
    outbox = Outbox(Bounds(concluded=3))
    link = make_link(settings(Broker(tmp_path).port), Report(), outbox)
    for number in range(5):
        link.publish(concluded(str(number)))
    assert len(outbox) == 3
    assert outbox.dropped == 2


async def test_no_payload_reaches_the_log_at_any_level(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    report = Report()
    link = make_link(settings(broker.port, username="sat1", password="pass-word"), report)
    async with running(link):
        async with subscriber(broker.port) as home:
            await report.connected()
            link.publish(concluded("private words"))
            await home.send(TOPICS.command("play"), "private/sound.wav")
            await report.commanded(1)
            assert await link.flush(WAIT_S)
        broker.restart()
        await report.connected(2)
    assert "connected to the MQTT broker" in caplog.text
    assert "private" not in caplog.text
    assert "pass-word" not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_text_is_lost_or_reordered_whatever_the_network_does(broker: Broker, seed: int) -> None:
    dice = random.Random(seed)
    report = Report()
    async with relay(broker.port) as way, subscriber(broker.port, TOPICS.transcript) as seen:
        link = make_link(settings(way.port, timeout_s=0.5), report)
        async with running(link) as task:
            for number in range(120):
                link.publish(concluded(str(number)))
                link.publish(state(str(number)))
                link.publish(tentative(str(number)))
                await asyncio.sleep(dice.random() * 0.03)
                if dice.random() < 0.08:
                    await dice.choice([way.down, way.up, way.interrupt, way.stall])()
            await way.down()
            await way.up()
            assert await link.flush(WAIT_S)
            await link.close()
            await task
        await seen.until_text(TOPICS.transcript, "119")
    first_seen = list(dict.fromkeys(seen.texts(TOPICS.transcript)))
    assert first_seen == [str(number) for number in range(120)]
    assert report.connections > 1
