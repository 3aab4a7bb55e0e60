"""Vurbo voice-translation on loopback: REST on one port, WebSocket on another."""

import asyncio
from collections.abc import Sequence

from websockets.asyncio.server import ServerConnection

from satellite.emulator.base import Emulator
from satellite.emulator.conversation import Truth
from satellite.emulator.doors import Doors
from satellite.emulator.registry import Double
from satellite.emulator.report import Ledger, Spoken
from satellite.emulator.speech import Synthesiser
from satellite.emulator.vurbo.admission import Admission
from satellite.emulator.vurbo.rest import API_PATH, Rest
from satellite.emulator.vurbo.service import SOCKET_PATH, Service, Session
from satellite.emulator.vurbo.settings import VurboLimits, VurboSettings, VurboVariants
from satellite.emulator.vurbo.stream import Stream


class VurboEmulator(Emulator):
    """The emulated Vurbo service."""

    name = "vurbo"
    title = "Vurbo service"

    def __init__(self, settings: VurboSettings | None = None) -> None:
        self._settings = settings or VurboSettings()
        truth = Truth.load(self._settings)
        synthesiser = Synthesiser(self._settings.speech, self._settings.speech_wav)
        self._service = Service(self._settings, _now, truth, synthesiser, Ledger(_now))
        self._admission = Admission(self._service)
        rest = Rest(self._service)
        doors = Doors(self._settings, rest.handle, self._admission.judge, self._serve, self._admission.choose)
        super().__init__(doors, self._service.ledger, self._service.faults, self._settings.faults)

    @property
    def options(self) -> dict[str, object]:
        """Key and both addresses."""
        return {
            "api_key": self._settings.api_key,
            "rest_url": f"{self.doors.http_url}{API_PATH}",
            "ws_url": f"{self.doors.socket_url}{SOCKET_PATH}",
        }

    @property
    def sessions(self) -> Sequence[Session]:
        """Every session ever started."""
        return self._service.sessions

    @property
    def spoken(self) -> list[Spoken]:
        """Every sentence that was synthesised, in order."""
        return self._service.spoken

    @property
    def billed_ms(self) -> int:
        """Playback time of all audio received."""
        return self._service.billed_ms

    def report(self) -> dict[str, object]:
        """Everything that was seen, ready for JSON."""
        return self._service.report()

    async def disconnect(self) -> None:
        """Close every open socket."""
        for connection in list(self._service.live):
            await connection.close(1001, "going away")

    async def _serve(self, connection: ServerConnection) -> None:
        await Stream(self._service, connection, self._admission.refusal_of(connection)).serve()


def _now() -> float:
    return asyncio.get_running_loop().time()


DOUBLE = Double(VurboSettings, VurboLimits, VurboVariants, VurboEmulator)
