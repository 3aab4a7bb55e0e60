"""DeepL Voice on loopback, strict as published: REST on one port, WebSocket on another."""

import asyncio
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve

from satellite.emulator.admission import Admission
from satellite.emulator.conversation import Truth
from satellite.emulator.faults import Fault
from satellite.emulator.http import HttpServer
from satellite.emulator.report import Ledger, Spoken, Violation
from satellite.emulator.rest import Rest
from satellite.emulator.service import CONNECT_PATH, Service, tls_context
from satellite.emulator.settings import EmulatorSettings
from satellite.emulator.speech import Synthesiser
from satellite.emulator.stream import Stream
from satellite.emulator.tokens import Session

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
CLOSE_TIMEOUT_S = 1.0

_socket_log = logging.getLogger("websockets.emulator")
# below errors the library writes request lines, and these carry tokens
_socket_log.setLevel(logging.ERROR)


class DeepLEmulator:
    """The emulated service, used by `async with`; MediaError on files that cannot be used."""

    def __init__(self, settings: EmulatorSettings | None = None) -> None:
        self._settings = settings or EmulatorSettings()
        self._tls = tls_context(self._settings)
        truth = Truth.load(self._settings)
        synthesiser = Synthesiser(self._settings.speech, self._settings.speech_wav)
        self._service = Service(self._settings, _now, truth, synthesiser, Ledger(_now))
        self._admission = Admission(self._service)
        self._rest = HttpServer(Rest(self._service).handle, self._settings.host, self._tls)
        self._socket: Server | None = None
        self._socket_port = self._settings.ws_port
        self._group = asyncio.TaskGroup()
        self._outages: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        await self._rest.listen(self._settings.http_port)
        await self._listen_socket()
        scheme = "ws" if self._tls is None else "wss"
        where = self._settings.advertised or f"{self._settings.host}:{self._socket_port}"
        self._service.streaming_url = f"{scheme}://{where}{CONNECT_PATH}"
        for fault in self._settings.faults:
            self.inject(fault)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for outage in self._outages:
            outage.cancel()
        self._rest.close()
        for session in self._service.book.live():
            await self._service.disconnect(session, 1001, "going away")
        if self._socket is not None:
            self._socket.close()
            await self._socket.wait_closed()
        for session in self.sessions:
            self._service.settle(session)
        await self._group.__aexit__(None, None, None)

    @property
    def base_url(self) -> str:
        """Where the REST half answers."""
        return f"{'http' if self._tls is None else 'https'}://{self._settings.host}:{self._rest.port}"

    @property
    def socket_port(self) -> int:
        """Where the WebSocket half listens."""
        return self._socket_port

    @property
    def api_key(self) -> str:
        """The only key that is let in."""
        return self._settings.api_key

    @property
    def violations(self) -> list[Violation]:
        """Every published rule broken so far."""
        return self._service.ledger.violations

    @property
    def sessions(self) -> Sequence[Session]:
        """Every session ever opened, with its connections and their audio."""
        return self._service.book.sessions

    @property
    def spoken(self) -> list[Spoken]:
        """Every segment that was synthesised, in order."""
        return self._service.spoken

    @property
    def billed_ms(self) -> int:
        """Playback time of all source audio received, which is what is billed."""
        return round(sum(session.audio_ms for session in self.sessions))

    def report(self) -> dict[str, object]:
        """Everything that was seen, ready for JSON."""
        return self._service.report()

    def inject(self, fault: Fault) -> None:
        """Arm a fault; `refuse` acts at once (`at_s` later when given), the others at their occasion."""
        if fault.kind == "refuse":
            self._outages.append(self._group.create_task(self._refuse(fault)))
        else:
            self._service.faults.add(fault)

    async def _refuse(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at_s or 0)
        self._rest.refuse()
        if self._socket is not None:
            self._socket.close(close_connections=False)
            await self._socket.wait_closed()
        await asyncio.sleep(fault.for_s)
        await self._rest.listen(self._rest.port)
        await self._listen_socket()

    async def _listen_socket(self) -> None:
        self._socket = await serve(
            self._serve,
            self._settings.host,
            self._socket_port,
            ssl=self._tls,
            process_request=self._admission.judge,
            compression=None,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_MESSAGE_BYTES,
            logger=_socket_log,
        )
        self._socket_port = next(iter(self._socket.sockets)).getsockname()[1]

    async def _serve(self, connection: ServerConnection) -> None:
        await Stream(self._service, self._admission.session_of(connection), connection).serve()


def _now() -> float:
    return asyncio.get_running_loop().time()
