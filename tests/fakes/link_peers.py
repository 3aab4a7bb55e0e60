"""Peers for the link: a session that is told what to want, and servers on loopback that misbehave on request."""

import asyncio
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from satellite.backends.base import Action, HttpFailed, HttpResponse, SessionCounters, SessionState, SocketClosed
from satellite.core.events import VoiceEvent
from satellite.core.section import Section

Input = str | bytes | HttpResponse | HttpFailed | SocketClosed | tuple[str, object]
React = Callable[["ScriptedSession", Input], None]

STARTED, AUDIO, FINISH, CLOSE, OPENED, DEADLINE = "<start>", "<audio>", "<finish>", "<close>", "<opened>", "<deadline>"


class ScriptedSession:
    """A BackendSession that keeps every input and lets `react` say what follows from it."""

    def __init__(self, react: React) -> None:
        self.counters = SessionCounters()
        self.state = SessionState.IDLE
        self.inputs: list[Input] = []
        self.times: list[float] = []
        self.deadline: float | None = None
        self._react = react
        self._actions: list[Action] = []
        self._events: list[VoiceEvent] = []

    def ask(self, *actions: Action) -> None:
        self._actions.extend(actions)

    def report(self, *events: VoiceEvent) -> None:
        self._events.extend(events)

    def end(self) -> None:
        self.state = SessionState.CLOSED

    def start(self, now: float) -> None:
        self.state = SessionState.STREAMING
        self._take(STARTED, now)

    def audio_ready(self, now: float) -> None:
        self._take(AUDIO, now)

    def finish(self, now: float) -> None:
        self._take(FINISH, now)

    def close(self, now: float) -> None:
        self._take(CLOSE, now)

    def http_response(self, response: HttpResponse, now: float) -> None:
        self._take(response, now)

    def http_failed(self, failure: HttpFailed, now: float) -> None:
        self._take(failure, now)

    def socket_opened(self, now: float) -> None:
        self._take(OPENED, now)

    def message(self, data: str | bytes, now: float) -> None:
        self._take(data, now)

    def pong(self, number: int, now: float) -> None:
        self._take(f"<pong {number}>", now)

    def socket_closed(self, closed: SocketClosed, now: float) -> None:
        self._take(closed, now)

    def track_audio(self, track: str, pcm: bytes, now: float) -> None:
        self._take((track, pcm), now)

    def run_action(self, action: str, arguments: Section, now: float) -> None:
        self._take((action, arguments), now)

    def next_deadline(self) -> float | None:
        return self.deadline

    def deadline_reached(self, now: float) -> None:
        self.deadline = None
        self._take(DEADLINE, now)

    def actions(self) -> list[Action]:
        taken, self._actions = self._actions, []
        return taken

    def events(self) -> list[VoiceEvent]:
        taken, self._events = self._events, []
        return taken

    def _take(self, given: Input, now: float) -> None:
        self.inputs.append(given)
        self.times.append(now)
        self._react(self, given)


class LoopClock:
    """Clock of the running event loop."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        raise AssertionError("a link has no use for the time of day")


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def tcp_server(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A TCP server on loopback; gives its port, ends every connection with it."""
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(group.create_task(serve(reader, writer)))

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await handler(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in tasks:
                task.cancel()


def reset(writer: asyncio.StreamWriter) -> None:
    """Drop the connection with a TCP reset."""
    connected = writer.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_certificates(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's TLS context around a certificate authority of our own."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    authority = ("-subj", "/CN=Test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", *authority)
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text(
        "subjectAltName=DNS:localhost\nkeyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\n"
        "subjectKeyIdentifier=hash\n"
    )
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", *signing, "-out", "server.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    return server, ssl.create_default_context(cafile=folder / "ca.pem")
