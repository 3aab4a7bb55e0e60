"""SessionDriver: the only interpreter of a session's actions, over HTTP, WebSocket and WebRTC. It holds no policy."""

import asyncio
import functools
import ipaddress
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from satellite.adapters import httpcall, tcp
from satellite.adapters.room import RoomHooks, RoomLife
from satellite.backends.base import (
    ABNORMAL_CLOSURE,
    Action,
    BackendSession,
    CloseSocket,
    HttpFailed,
    HttpRequest,
    HttpResponse,
    OpenRoom,
    OpenSocket,
    SendAudio,
    SendBytes,
    SendPing,
    SendText,
    SocketClosed,
)
from satellite.core.events import VoiceEvent
from satellite.errors import ErrorCategory, LocalMisuse
from satellite.ports import Clock

if TYPE_CHECKING:
    from satellite.adapters.websocket import Connection

_log = logging.getLogger(__name__)


@functools.cache
def shared_tls() -> ssl.SSLContext:
    """The process's one TLS context: certificates and host names are always verified."""
    return ssl.create_default_context()


class SessionDriver:
    """Drives one BackendSession (ports.VoiceLink): feed one input, drain, perform in order, re-arm one timer.

    The session is started by its owner, before `run()` or during it. Sends leave synchronously with the call that
    caused them; tasks exist only for requests, connections and endings.
    """

    def __init__(
        self,
        session: BackendSession,
        on_event: Callable[[VoiceEvent], None],
        clock: Clock,
        tls: ssl.SSLContext | None = None,
        *,
        session_id: str = "",
        send_deadline_s: float = 10.0,
    ) -> None:
        self._session = session
        self._on_event = on_event
        self._clock = clock
        self._tls = tls
        self._log = logging.LoggerAdapter(_log, {"session_id": session_id})
        self._name = session_id[:8]
        self._send_deadline_s = send_deadline_s
        self._group: asyncio.TaskGroup | None = None
        self._kick = asyncio.Event()
        self._alarm = _Alarm(clock, self._kick.set)
        self._is_draining = False
        self._is_winding_up = False
        self._requests = _Requests(tls, self._answered, self._kick.set)
        self._socket: _SocketLife | RoomLife | None = None

    async def run(self) -> None:
        """Drive the session until it is final and its socket is gone. Cancelling closes the socket at once."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._drain()
                while not self._is_over():
                    await self._kick.wait()
                    self._kick.clear()
                    self._pass_deadline()
        finally:
            self._group = None
            self._alarm.cancel()

    def wake(self) -> None:
        """The session was called from outside: perform what it wants done, and re-arm the timer."""
        self._drain()

    def _is_over(self) -> bool:
        return self._session.state.is_final and self._socket is None and self._requests.are_done

    def _feed(self, give: Callable[[float], None]) -> None:
        # A final session has said all it will: what still comes in belongs to nobody.
        if not self._session.state.is_final:
            give(self._clock.monotonic())
        self._drain()

    def _drain(self) -> None:
        if self._group is None or self._is_draining:  # draining: called back from on_event, picked up below
            return
        self._is_draining = True
        try:
            while self._drain_once(self._group):
                pass
        finally:
            self._is_draining = False
        self._alarm.set(self._session.next_deadline())
        if self._session.state.is_final:
            if self._socket is not None:
                self._socket.close(CloseSocket())
            self._kick.set()

    def _drain_once(self, group: asyncio.TaskGroup) -> bool:
        """Perform and report what there is; whether there was anything."""
        actions, events = self._session.actions(), self._session.events()
        if self._session.state.is_final and not self._is_winding_up:
            # Nobody waits for what was asked before the end; what the end itself asks for is still done.
            self._is_winding_up = True
            self._requests.give_up()
        for action in actions:
            self._perform(action, group)
        if actions and self._socket is not None:
            self._socket.flush()
        for event in events:
            self._on_event(event)
        return bool(actions or events)

    def _perform(self, action: Action, group: asyncio.TaskGroup) -> None:
        match action:
            case SendBytes(payload) | SendText(payload):
                if self._socket is not None:
                    self._socket.send(payload)
            case SendPing(number):
                if self._socket is not None:
                    self._socket.ping(number)
            case HttpRequest():
                self._requests.begin(action, group)
            case SendAudio(pcm):
                if isinstance(self._socket, RoomLife):
                    self._socket.audio(pcm)
            case OpenSocket() | OpenRoom():
                self._open(action, group)
            case CloseSocket() if self._socket is not None:
                self._socket.close(action)

    def _answered(self, action: HttpRequest, answer: HttpResponse | HttpFailed) -> None:
        if isinstance(answer, HttpResponse):
            self._log.debug("session %s: %s request answered with %d", self._name, action.method, answer.status)
            if self._session.state.is_final and action.disown is not None:
                self._disown(action.disown(answer))
                return
            timed = httpcall.with_wait_in_seconds(answer, self._clock)
            self._feed(functools.partial(self._session.http_response, timed))
        else:
            self._log.info("session %s: %s request failed: %s", self._name, action.method, answer.detail)
            self._feed(functools.partial(self._session.http_failed, answer))

    def _disown(self, farewell: HttpRequest | None) -> None:
        """The answer came too late for the session: give back what it brought."""
        if farewell is not None and self._group is not None:
            self._requests.begin(farewell, self._group)

    def _open(self, action: OpenSocket | OpenRoom, group: asyncio.TaskGroup) -> None:
        if self._socket is not None:
            raise LocalMisuse(f"{type(action).__name__} while a socket is open")
        if isinstance(action, OpenRoom):
            session = self._session
            hooks = RoomHooks(
                lambda: self._feed(session.socket_opened),
                self._message,
                lambda track, pcm: self._feed(functools.partial(session.track_audio, track, pcm)),
            )
            room = self._socket = RoomLife(hooks)
            live = functools.partial(room.live, action)
        else:
            dialled = self._socket = _SocketLife(group)
            live = functools.partial(dialled.live, action, self._tls or shared_tls(), self._opened, self._message)
        group.create_task(self._converse(action.url, live), name="satellite.link.socket")

    async def _converse(self, url: str, live: Callable[[], Awaitable[SocketClosed]]) -> None:
        objection = _objection(url, "ws", "wss")
        if objection is not None:
            closed = SocketClosed(was_open=False, reason=objection)
        else:
            closed = await live()
        how = "closed" if closed.was_open else "not connected"
        # the peer's own words may hold a secret, which the session takes out of what it tells
        why = closed.reason if closed.code in (None, ABNORMAL_CLOSURE) else "by the service"
        self._log.info("session %s: %s: code %s, %s", self._name, how, closed.code, why)
        self._socket = None
        self._feed(functools.partial(self._session.socket_closed, closed))
        self._kick.set()

    def _opened(self, connection: "Connection") -> None:
        connection.send_deadline_s = self._send_deadline_s
        tcp.limit_silence(connection.transport.get_extra_info("socket"), self._send_deadline_s)
        connection.on_pong = self._pong
        self._log.info("session %s: connected", self._name)
        self._feed(self._session.socket_opened)

    def _pong(self, number: int) -> None:
        self._feed(functools.partial(self._session.pong, number))

    def _message(self, data: str | bytes) -> None:
        self._feed(functools.partial(self._session.message, data))

    def _pass_deadline(self) -> None:
        deadline = self._session.next_deadline()
        if deadline is not None and deadline <= self._clock.monotonic():
            self._feed(self._session.deadline_reached)
        else:
            self._alarm.set(deadline)


class _Requests:
    """The HTTP requests that are under way."""

    def __init__(
        self,
        tls: ssl.SSLContext | None,
        on_answer: Callable[[HttpRequest, HttpResponse | HttpFailed], None],
        on_done: Callable[[], None],
    ) -> None:
        self._tls = tls
        self._on_answer = on_answer
        self._on_done = on_done
        self._tasks: dict[asyncio.Task[None], HttpRequest] = {}

    @property
    def are_done(self) -> bool:
        """True when none is under way."""
        return not self._tasks

    def begin(self, action: HttpRequest, group: asyncio.TaskGroup) -> None:
        """Make a request."""
        task = group.create_task(self._exchange(action), name="satellite.link.request")
        self._tasks[task] = action
        task.add_done_callback(self._done)

    def give_up(self) -> None:
        """Nobody waits for an answer any more; where the peer keeps something for us it is waited for all the same."""
        for task, action in self._tasks.items():
            if action.disown is None:
                task.cancel()

    async def _exchange(self, action: HttpRequest) -> None:
        objection = _objection(action.url, "http", "https")
        answer: HttpResponse | HttpFailed
        if objection is not None:
            answer = HttpFailed(objection, was_sent=False, category=ErrorCategory.INVALID_REQUEST)
        else:
            answer = await httpcall.perform(action, self._tls or shared_tls())
        self._on_answer(action, answer)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task)
        self._on_done()


class _Alarm:
    """One timer that rings no later than the deadline; ringing early is allowed and spares re-arming at every send."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0

    def set(self, deadline: float | None) -> None:
        """Ring at this moment (monotonic seconds) at the latest; None asks for nothing."""
        if deadline is None or (self._timer is not None and self._due_at <= deadline):
            return
        self.cancel()
        self._due_at = deadline
        delay_s = max(0.0, deadline - self._clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._rang)

    def cancel(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rang(self) -> None:
        self._timer = None
        self._ring()


class _SocketLife:
    """One socket from dial to its end; can be closed at any point of it."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._connection: Connection | None = None
        self._tasks = tasks
        self._dialling: asyncio.Timeout | None = None
        self._is_closing = False

    async def live(
        self,
        action: OpenSocket,
        tls: ssl.SSLContext,
        on_open: Callable[["Connection"], None],
        on_message: Callable[[str | bytes], None],
    ) -> SocketClosed:
        """Dial, report, receive, and leave nothing behind."""
        from satellite.adapters import websocket  # noqa: PLC0415 - loaded only when used

        given_up = SocketClosed(was_open=False, reason="given up while connecting")
        if self._is_closing:
            return given_up
        try:
            async with asyncio.timeout(None) as self._dialling:
                connection = await websocket.dial(action, tls)
        except websocket.DialError as failure:
            return failure.closed
        except TimeoutError:
            return given_up
        try:
            self._connection = connection
            on_open(connection)
            return await connection.receive(on_message)
        finally:
            await connection.cut("the link ended")

    def send(self, payload: str | bytes) -> None:
        """Make one message ready for `flush`; dropped while there is no connection."""
        if self._connection is not None:
            self._connection.put(payload)

    def ping(self, number: int) -> None:
        """Make a ping ready for `flush`; dropped while there is no connection."""
        if self._connection is not None:
            self._connection.put_ping(number)

    def flush(self) -> None:
        """Hand over what was made ready, without waiting."""
        if self._connection is not None:
            self._connection.flush()

    def close(self, action: CloseSocket) -> None:
        """Begin the ending; while still dialling, give the dial up. The first call counts."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._connection is not None and action.at_once:
            self._tasks.create_task(self._connection.cut(action.reason), name="satellite.link.close")
        elif self._connection is not None:
            self._tasks.create_task(self._connection.end(action.code, action.reason), name="satellite.link.close")
        elif self._dialling is not None:
            self._dialling.reschedule(0.0)


def _objection(url: str, plain: str, secure: str) -> str | None:
    """Why this address must not be used: secrets go in plain text to this machine only."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"not a {secure}:// address"
    if parts.scheme == secure or (parts.scheme == plain and _is_loopback(parts.hostname or "")):
        return None
    if parts.scheme == plain:
        return f"{plain}:// is for this machine only, use {secure}://"
    return f"not a {secure}:// address"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
