"""A real mosquitto for tests, which can be killed, stopped, frozen and started again, and a recording subscriber."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import aiomqtt

from satellite.adapters.mosquitto import free_port, mosquitto_path

WAIT_S = 10.0


@dataclass(frozen=True)
class BrokerOptions:
    """What the broker asks of its clients."""

    users: dict[str, str] = field(default_factory=dict)
    """Name → password; empty: anybody may connect."""
    acl: str | None = None
    """Text of an ACL file."""
    tls: bool = False
    """TLS on the listener, with the certificates of `make_certificates` in the broker's directory."""
    require_client_certificate: bool = False
    persistence: bool = False
    is_verbose: bool = True
    """Each message in the log, which costs it more than the message."""
    more: str = ""
    """More lines of mosquitto.conf."""


class Broker:
    """One mosquitto on a free loopback port, its files in `directory`. Use as a context manager, or start and stop."""

    def __init__(self, directory: Path, options: BrokerOptions | None = None) -> None:
        self.directory = directory
        self.options = options or BrokerOptions()
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self._configure()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and wait until it accepts connections."""
        verbose = ["-v"] if self.options.is_verbose else []
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [mosquitto_path(), *verbose, "-c", str(self.directory / "mosquitto.conf")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + WAIT_S
        while not self._accepts():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)

    def stop(self) -> None:
        """End in order, as `systemctl stop` does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9; also thaws a frozen one."""
        self._end(signal.SIGKILL)

    def restart(self, *, how: signal.Signals = signal.SIGKILL) -> None:
        """End and start again on the same port, with the same files."""
        self._end(how)
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def rule(self, name: str, text: str) -> None:
        """Other text for a file of the broker's, such as `acl`, in force at once."""
        assert self.process is not None
        self._written(name, text)
        self.process.send_signal(signal.SIGHUP)

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(WAIT_S)
            self.process = None

    def _accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def _configure(self) -> None:
        options = self.options
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {'false' if options.users else 'true'}"]
        if os.geteuid() == 0:
            lines.append("user root")  # else it could not write into the test's directory
        if options.users:
            lines.append(f"password_file {self._passwords()}")
        if options.acl is not None:
            lines.append(f"acl_file {self._written('acl', options.acl)}")
        if options.tls:
            lines += [f"cafile {self.directory}/ca.crt", f"certfile {self.directory}/server.crt"]
            lines += [f"keyfile {self.directory}/server.key"]
            lines += [f"require_certificate {str(options.require_client_certificate).lower()}"]
        if options.persistence:
            lines += ["persistence true", f"persistence_location {self.directory}/"]
            lines += ["autosave_interval 1", "autosave_on_changes true"]
        self._written("mosquitto.conf", "\n".join([*lines, options.more, ""]))

    def _passwords(self) -> Path:
        file = self._written("passwords", "")
        for name, password in self.options.users.items():
            subprocess.run(["mosquitto_passwd", "-b", str(file), name, password], check=True, capture_output=True)
        return file

    def _written(self, name: str, text: str) -> Path:
        file = self.directory / name
        file.write_text(text)
        file.chmod(0o600)
        return file


def make_certificates(directory: Path, host: str = "localhost") -> None:
    """`ca.crt`, `server.{crt,key}` for `host` and `client.{crt,key}`, good for a day."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "server.ext").write_text(f"subjectAltName=DNS:{host}\n")
    (directory / "client.ext").write_text("extendedKeyUsage=clientAuth\n")
    _openssl(
        directory,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=test-ca "
        "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.crt",
    )
    for name, subject in (("server", host), ("client", "sat1")):
        _openssl(
            directory,
            f"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={subject} "
            f"-keyout {name}.key -out {name}.csr",
        )
        _openssl(
            directory,
            f"x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 "
            f"-extfile {name}.ext -out {name}.crt",
        )


def _openssl(directory: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=directory, check=True, capture_output=True)


@dataclass(frozen=True)
class Received:
    """A message as a subscriber saw it; `time_s` on the loop's clock."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    time_s: float

    @property
    def text(self) -> str:
        return self.payload.decode()


class Subscriber:
    """Records everything below a filter, in order."""

    listeners: ClassVar[list[Callable[[str, bytes], None]]] = []
    """Told the topic and the payload of whatever any subscriber receives."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.received: list[Received] = []
        self._news = asyncio.Event()

    def on(self, topic: str) -> list[Received]:
        """What came on one topic."""
        return [message for message in self.received if message.topic == topic]

    def texts(self, topic: str) -> list[str]:
        """The payloads that came on one topic, as text."""
        return [message.text for message in self.on(topic)]

    async def until(self, is_enough: Callable[["Subscriber"], bool], timeout_s: float = WAIT_S) -> None:
        """Wait until enough was received."""
        try:
            async with asyncio.timeout(timeout_s):
                while not is_enough(self):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            seen = [(message.topic, message.payload[:60]) for message in self.received]
            raise AssertionError(f"not received in {timeout_s} s; so far: {seen}") from None

    async def until_text(self, topic: str, text: str, timeout_s: float = WAIT_S) -> None:
        """Wait until the latest payload on a topic is `text`."""
        await self.until(lambda seen: seen.texts(topic)[-1:] == [text], timeout_s)

    async def send(self, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
        """Publish, as any other client would."""
        await self.client.publish(topic, payload, qos=1, retain=retain)

    async def record(self) -> None:
        """Receive until cancelled."""
        async for message in self.client.messages:
            now_s = asyncio.get_running_loop().time()
            data = bytes(message.payload)
            self.received.append(Received(message.topic.value, data, message.retain, message.qos, now_s))
            for listen in self.listeners:
                listen(message.topic.value, data)
            self._news.set()


@contextlib.asynccontextmanager
async def subscriber(port: int, topics: str = "#", **client_options: str) -> AsyncIterator[Subscriber]:
    """A subscriber that records while the context is open; `client_options` go to aiomqtt (username, password)."""
    async with aiomqtt.Client(
        "127.0.0.1",
        port,
        protocol=aiomqtt.ProtocolVersion.V5,
        username=client_options.get("username"),
        password=client_options.get("password"),
    ) as client:
        seen = Subscriber(client)
        await client.subscribe(topics, qos=1)
        async with asyncio.TaskGroup() as group:
            recording = group.create_task(seen.record())
            yield seen
            recording.cancel()
