"""Palabra on loopback: REST on one port, WebSocket on another, and rooms where there is a LiveKit server."""

import asyncio
from collections.abc import Sequence
from typing import Self

from websockets.asyncio.server import ServerConnection

from satellite.emulator.base import Emulator
from satellite.emulator.conversation import Truth
from satellite.emulator.doors import Doors
from satellite.emulator.palabra.admission import Admission
from satellite.emulator.palabra.book import Session
from satellite.emulator.palabra.rest import Rest
from satellite.emulator.palabra.room import Rooms
from satellite.emulator.palabra.service import HOST_PATH, Service
from satellite.emulator.palabra.settings import PalabraLimits, PalabraSettings, PalabraVariants
from satellite.emulator.palabra.stream import Stream
from satellite.emulator.registry import Double
from satellite.emulator.report import Ledger, Spoken
from satellite.emulator.speech import Synthesiser


class PalabraEmulator(Emulator):
    """The emulated Palabra service."""

    name = "palabra"
    title = "Palabra service"

    def __init__(self, settings: PalabraSettings | None = None) -> None:
        self._settings = settings or PalabraSettings()
        truth = Truth.load(self._settings)
        synthesiser = Synthesiser(self._settings.speech, self._settings.speech_wav)
        ledger = Ledger(_now)
        self._service = Service(self._settings, _now, truth, synthesiser, ledger)
        self._rooms = Rooms(self._service)
        self._admission = Admission(self._service)
        doors = Doors(self._settings, Rest(self._service, self._rooms).handle, self._admission.judge, self._serve)
        super().__init__(doors, ledger, self._service.faults, self._settings.faults)
        self._rooms.adopt(self._group)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._service.socket_url = self.doors.socket_url
        return self

    @property
    def options(self) -> dict[str, object]:
        """Credentials and addresses."""
        settings = self._settings
        options: dict[str, object] = {"api_key": settings.api_key}
        if settings.variants.application:
            options = {"client_id": settings.client_id, "client_secret": settings.client_secret}
        options |= {"base_url": self.doors.http_url, "stream_url": f"{self.doors.socket_url}{HOST_PATH}"}
        return {**options, "transport": "webrtc"} if settings.variants.webrtc else options

    @property
    def sessions(self) -> Sequence[Session]:
        """Every session ever made, with its connections and their audio."""
        return self._service.book.sessions

    @property
    def spoken(self) -> list[Spoken]:
        """Everything that was synthesised, in order."""
        return self._service.spoken

    @property
    def billed_ms(self) -> int:
        """The time for which tasks ran."""
        return round(sum(session.running_s for session in self.sessions) * 1000)

    def report(self) -> dict[str, object]:
        """Everything that was seen, ready for JSON."""
        return self._service.report()

    async def disconnect(self) -> None:
        """Close every connection."""
        for connection in list(self._service.live.values()):
            await connection.close(1001, "going away")
        self._rooms.close_all()

    def settle(self) -> None:
        """Judge sessions that were left behind."""
        self._service.settle()

    async def _serve(self, connection: ServerConnection) -> None:
        await Stream(self._service, self._admission.session_of(connection), connection).serve()


def _now() -> float:
    return asyncio.get_running_loop().time()


DOUBLE = Double(PalabraSettings, PalabraLimits, PalabraVariants, PalabraEmulator)
