"""MqttConnection: one connection to the broker, used once. The only module that knows aiomqtt."""

import asyncio
import contextlib
import enum
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import aiomqtt
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import ConnectFlags, DisconnectFlags
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from satellite.adapters.clock import SystemClock
from satellite.adapters.fair_queue import FairQueue
from satellite.adapters.mqtt_settings import MqttSettings, tls_context
from satellite.errors import BrokerError, ErrorCategory, LocalMisuse
from satellite.homeassistant.messages import Message

INCOMING_MESSAGES_MAX = 64
INCOMING_BYTES_MAX = 64 * 1024
"""Told to MQTT 5 brokers, so that a huge command never reaches a small board's memory."""
PACKET_OVERHEAD_BYTES = 64
OUT_OF_TIME = (9, 10)
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED: a clock that is not set yet passes."""

# The library tells of every refused try at error level; what matters of it comes back as BrokerError.
_quiet = logging.getLogger("aiomqtt.wire")
_quiet.setLevel(logging.CRITICAL)


class _Reason(enum.IntEnum):
    """Reason codes of MQTT 5, section 2.4, that call for more than their own words."""

    UNSPECIFIED = 0x80
    UNSUPPORTED_PROTOCOL = 0x84
    BAD_LOGIN = 0x86
    NOT_AUTHORIZED = 0x87
    SESSION_TAKEN_OVER = 0x8E
    BAD_TOPIC_NAME = 0x90
    PACKET_TOO_LARGE = 0x95
    BAD_PAYLOAD_FORMAT = 0x99


_UNMENDABLE = (_Reason.BAD_TOPIC_NAME, _Reason.PACKET_TOO_LARGE, _Reason.BAD_PAYLOAD_FORMAT)
"""Refusals that are about the message itself: no change of the broker's rules lets it through."""


class ProtocolRefusedError(BrokerError):
    """The broker does not speak this version of MQTT."""


class PublishRefusedError(BrokerError):
    """The broker does not take this message: never, if it `is_final`, else not with the rules that it has now."""

    def __init__(self, category: ErrorCategory, detail: str, *, is_final: bool) -> None:
        super().__init__(category, detail)
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that arrived; `retained` also when its sender asked for it (MQTT 5)."""

    topic: str
    payload: bytes
    retained: bool


class MqttConnection:
    """Open, use and close; after any BrokerError but PublishRefusedError only `abort` is left."""

    def __init__(self, settings: MqttSettings, client_id: str, will: Message | None, *, is_version_5: bool) -> None:
        self._settings = settings
        self._client_id = client_id
        self._will = will
        self._is_version_5 = is_version_5
        self._client: _Client | None = None
        self._arrived = FairQueue(INCOMING_MESSAGES_MAX)

    async def open(self) -> None:
        """Connect. Raises BrokerError (ProtocolRefusedError when an older MQTT may do)."""
        tls = self._settings.tls
        context = await asyncio.to_thread(tls_context, tls) if tls else None
        client = self._client = self._make_client(context)
        try:
            await client.__aenter__()
            raise_if_cancelled()
        except asyncio.CancelledError:
            client.abandon()
            raise
        except (aiomqtt.MqttError, ValueError) as error:
            client.abort()
            raise self._explained(error) from error

    async def publish(self, message: Message) -> None:
        """Send and wait for the acknowledgement (QoS 0: for the socket). Raises BrokerError."""
        client = self._opened
        packet_bytes = len(message.topic.encode()) + len(message.payload) + PACKET_OVERHEAD_BYTES
        if packet_bytes > client.packet_bytes_max:
            reason_why = "the message is larger than the broker takes"
            raise PublishRefusedError(ErrorCategory.INVALID_REQUEST, reason_why, is_final=True)
        try:
            reason = await client.deliver(message)
            raise_if_cancelled()
        except (aiomqtt.MqttError, ValueError) as error:
            raise self._explained(error) from error
        if reason is None:
            raise self._explained(aiomqtt.MqttCodeError(None))
        if reason.is_failure:
            raise PublishRefusedError(ErrorCategory.AUTHORIZATION, str(reason), is_final=reason.value in _UNMENDABLE)

    async def subscribe(self, filters: tuple[str, ...], *, live_only: bool = False) -> list[str]:
        """Subscribe; returns the filters that the broker refuses. Raises BrokerError.

        An MQTT 5 broker leaves the retained mark on what its sender marked so; with `live_only` it instead sends
        nothing that was retained before.
        """
        retained = SubscribeOptions.RETAIN_DO_NOT_SEND if live_only else SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
        return await self._subscribe(
            filters, SubscribeOptions(qos=1, retainAsPublished=not live_only, retainHandling=retained)
        )

    async def look_on(self, filters: tuple[str, ...]) -> list[str]:
        """Subscribe to much without a say in it; returns the filters that the broker refuses. Raises BrokerError.

        What comes is marked retained only if it was said before; what the broker cannot get rid of is not kept for us.
        """
        return await self._subscribe(filters, SubscribeOptions(qos=0))

    async def _subscribe(self, filters: tuple[str, ...], options: SubscribeOptions) -> list[str]:
        wanted: Any = [(one, options if self._is_version_5 else options.QoS) for one in filters]
        try:
            answers: Sequence[int | ReasonCode] = await self._opened.subscribe(wanted)
            raise_if_cancelled()
        except (aiomqtt.MqttError, ValueError) as error:
            raise self._explained(error) from error
        if len(answers) != len(filters):
            detail = (
                f"the MQTT broker at {self._settings.where} answers {len(filters)} subscriptions {len(answers)} times"
            )
            raise BrokerError(ErrorCategory.SERVER, detail)
        return [one for one, answer in zip(filters, answers, strict=True) if _is_failure(answer)]

    async def messages(self) -> AsyncIterator[Incoming]:
        """What arrives, until the connection is lost: then raises BrokerError."""
        try:
            async for message in self._opened.messages:
                yield _incoming(message)
                while not self._arrived.empty():  # each round of the library's costs a task
                    yield _incoming(self._arrived.get_nowait())
        except aiomqtt.MqttError as error:
            raise self._explained(error.__cause__ or error) from error

    async def close(self) -> None:
        """Disconnect in order: the broker does not publish the last will."""
        with contextlib.suppress(aiomqtt.MqttError):
            await self._opened.__aexit__(None, None, None)
        self.abort()

    def abort(self) -> None:
        """Drop the connection: the broker publishes the last will. Idempotent."""
        if self._client is not None:
            self._client.abort()

    @property
    def _opened(self) -> "_Client":
        if self._client is None:
            raise LocalMisuse("open comes first")
        return self._client

    def _make_client(self, context: ssl.SSLContext | None) -> "_Client":
        settings, will = self._settings, self._will
        return _Client(
            settings.host,
            settings.port,
            username=settings.username,
            password=settings.password,
            identifier=self._client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if self._is_version_5 else aiomqtt.ProtocolVersion.V311,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None,
            keepalive=settings.keepalive_s,
            timeout=settings.timeout_s,
            queue_type=cast("type[FairQueue]", lambda maxsize: self._arrived),  # noqa: ARG005 - theirs
            max_queued_incoming_messages=INCOMING_MESSAGES_MAX,
            properties=_connect_properties() if self._is_version_5 else None,
            tls_context=context,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=_quiet,
        )

    def _explained(self, error: BaseException) -> BrokerError:
        """The library's error as a category and a sentence naming the cause and the mend."""
        ended = self._client.end_reason if self._client else None
        code = getattr(error, "rc", None) if ended is None else ended
        if isinstance(code, ReasonCode):
            return self._refused(code)
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        where = f"the MQTT broker at {self._settings.where}"
        match cause:
            case ssl.SSLCertVerificationError(verify_code=code) if code in OUT_OF_TIME:
                category = ErrorCategory.CONNECTIVITY
                detail = (
                    f"the certificate of {where} is out of its time: {cause.verify_message}; "
                    f"check this machine's clock (timedatectl), which says {SystemClock().day()}"
                )
            case ssl.SSLCertVerificationError():
                category = ErrorCategory.AUTHENTICATION
                detail = (
                    f"the certificate of {where} is not accepted: {cause.verify_message}; "
                    "check mqtt.tls.ca_file and that mqtt.host is a name in the certificate"
                )
            case ssl.SSLError():
                category = ErrorCategory.AUTHENTICATION
                detail = f"no TLS with {where}: {cause.reason or cause}; check mqtt.port and mqtt.tls"
            case socket.gaierror() | UnicodeError():
                category = ErrorCategory.CONNECTIVITY
                detail = f"the name {self._settings.host} in mqtt.host cannot be resolved: {_plain(cause)}"
            case TimeoutError():
                category = ErrorCategory.CONNECTIVITY
                detail = f"{where} does not answer"
            case OSError():
                category = ErrorCategory.CONNECTIVITY
                detail = f"{where} cannot be reached: {_plain(cause)}; is it running?"
            case aiomqtt.MqttCodeError():
                category = ErrorCategory.CONNECTIVITY
                detail = f"the connection to {where} was lost"
            case _:
                category = ErrorCategory.CONNECTIVITY
                detail = f"the connection to {where} was lost: {_plain(error)}"
        return BrokerError(category, detail)

    def _refused(self, code: ReasonCode) -> BrokerError:
        """The sentence for a reason that the broker gave, or that the library made up in its place."""
        where = f"the MQTT broker at {self._settings.where}"
        match code.value:
            case _Reason.UNSUPPORTED_PROTOCOL:
                return ProtocolRefusedError(ErrorCategory.SERVER, f"{where} does not speak this version of MQTT")
            case _Reason.BAD_LOGIN | _Reason.NOT_AUTHORIZED:
                mend = "check" if self._settings.username else "it wants a login: set"
                detail = f"{where} refuses the login ({code}); {mend} mqtt.username and mqtt.password"
                return BrokerError(ErrorCategory.AUTHENTICATION, detail)
            case _Reason.SESSION_TAKEN_OVER:
                detail = (
                    f"another client called {self._client_id} is on {where}; each satellite needs its own satellite.id"
                )
                return BrokerError(ErrorCategory.AUTHORIZATION, detail)
            case _Reason.UNSPECIFIED:
                return BrokerError(ErrorCategory.CONNECTIVITY, f"the connection to {where} was lost")
        return BrokerError(ErrorCategory.SERVER, f"{where} ended the connection: {code}")


class _Client(aiomqtt.Client):
    """aiomqtt's client, which also tells why, and whose connection can be dropped at any moment."""

    end_reason: ReasonCode | None = None
    packet_bytes_max = 268_435_455
    _is_abandoned = False
    _publish_reason: ReasonCode | None = None

    async def deliver(self, message: Message) -> ReasonCode | None:
        """Publish; returns the broker's answer, None when the connection ended before it came."""
        self._publish_reason = None
        await self.publish(message.topic, message.payload, message.qos, message.retain)
        return self._publish_reason

    def abandon(self) -> None:
        """Give up a connection attempt whose thread may still run; it closes when the thread is done."""
        self._is_abandoned = True
        self._shut_down()

    def abort(self) -> None:
        """Close the socket now, without DISCONNECT."""
        if self._shut_down():
            # On a socket that was shut down this cannot write anything: it fails and tidies up at once.
            self._client.disconnect()

    def _shut_down(self) -> bool:
        """End both directions of the socket, if there is one; its reader then sees the end and closes it."""
        opened = self._client.socket()
        if not isinstance(opened, socket.socket):
            return False
        with contextlib.suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)
        return True

    def _client_connect(self) -> None:
        super()._client_connect()
        if self._is_abandoned:
            self._shut_down()

    def _on_connect(
        self,
        client: PahoClient,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.packet_bytes_max = getattr(properties, "MaximumPacketSize", self.packet_bytes_max)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: PahoClient,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.end_reason = reason_code
        if not self._connected.done():
            # Without this the caller would wait its whole time-out for an answer that cannot come.
            self._connected.set_exception(aiomqtt.MqttError("closed before it answered; is this an MQTT port?"))
        if not self._connected.cancelled():  # else nobody waits, and the library would stumble over it
            super()._on_disconnect(client, userdata, flags, reason_code, properties)
        self._release_waiting()

    def _release_waiting(self) -> None:
        """Let those who wait for an answer go on now instead of after their time-out: none comes any more."""
        for confirmation in self._pending_publishes.values():
            confirmation.set()
        for answer in self._pending_subscribes.values():
            if not answer.done():
                answer.set_exception(aiomqtt.MqttCodeError(None))
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()  # looked at: the event loop need not complain that nobody did

    def _on_socket_register_write(self, client: PahoClient, userdata: Any, sock: Any) -> None:  # noqa: ARG002 - theirs
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # the thread in which the library connects
            self._loop.call_soon_threadsafe(self._write, client, sock)
        else:
            self._loop.call_soon(self._write, client, sock)

    def _write(self, client: PahoClient, sock: Any) -> None:
        """Write at once, which is nearly always possible; what the socket does not take waits until it can."""
        if sock.fileno() > -1:  # it may have been closed since it asked for that
            client.loop_write()
        if sock.fileno() > -1 and client.want_write():
            self._loop.add_writer(sock.fileno(), client.loop_write)

    def _on_publish(
        self, client: PahoClient, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        self._publish_reason = reason_code
        super()._on_publish(client, userdata, mid, reason_code, properties)


def raise_if_cancelled() -> None:
    """Raise a cancellation that was swallowed.

    Before Python 3.12 `asyncio.wait_for`, which aiomqtt uses, forgets one that meets the awaited result; before
    Python 3.13 a TaskGroup forgets one that meets a failure.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _connect_properties() -> Properties:
    """What an MQTT 5 broker is told at the start."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # it has no annotations
    properties.MaximumPacketSize = INCOMING_BYTES_MAX
    return properties


def _is_failure(answer: int | ReasonCode) -> bool:
    return answer >= 0x80 if isinstance(answer, int) else bool(answer.is_failure)


def _plain(error: BaseException) -> str:
    """The library's own words, short and on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _incoming(message: aiomqtt.Message) -> Incoming:
    return Incoming(message.topic.value, bytes(message.payload), message.retain)
