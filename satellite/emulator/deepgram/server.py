"""Deepgram Flux on loopback: the grant of tokens on one port, the WebSocket on another."""

import asyncio
from collections.abc import Sequence

from websockets.asyncio.server import ServerConnection

from satellite.emulator.base import Emulator
from satellite.emulator.conversation import Truth
from satellite.emulator.deepgram.admission import Admission
from satellite.emulator.deepgram.rest import Rest
from satellite.emulator.deepgram.service import Service, Session
from satellite.emulator.deepgram.settings import DeepgramLimits, DeepgramSettings, DeepgramVariants
from satellite.emulator.deepgram.stream import NotedConnection, Stream
from satellite.emulator.doors import Doors
from satellite.emulator.registry import Double
from satellite.emulator.report import Ledger, Spoken


class DeepgramEmulator(Emulator):
    """The emulated Deepgram Flux service."""

    name = "deepgram"
    title = "Deepgram Flux service"

    def __init__(self, settings: DeepgramSettings | None = None) -> None:
        self._settings = settings or DeepgramSettings()
        self._service = Service(self._settings, _now, Truth.load(self._settings), Ledger(_now))
        self._admission = Admission(self._service)
        rest = Rest(self._service)
        doors = Doors(self._settings, rest.handle, self._admission.judge, self._serve, connection=NotedConnection)
        super().__init__(doors, self._service.ledger, self._service.faults, self._settings.faults)

    @property
    def api_key(self) -> str:
        """The only key that is let in."""
        return self._settings.api_key

    @property
    def options(self) -> dict[str, object]:
        """Key and addresses."""
        return {"api_key": self.api_key, "base_url": self.doors.socket_url, "rest_url": self.doors.http_url}

    @property
    def sessions(self) -> Sequence[Session]:
        """Every session ever opened, with its connection and its audio."""
        return self._service.sessions

    @property
    def spoken(self) -> list[Spoken]:
        """Nothing: the service only transcribes."""
        return []

    @property
    def billed_ms(self) -> int:
        """Playback time of all audio received, silence included, which is what is billed."""
        return round(sum(session.audio_ms for session in self.sessions))

    def report(self) -> dict[str, object]:
        """Everything that was seen, ready for JSON."""
        return self._service.report()

    async def disconnect(self) -> None:
        """Close every open socket."""
        for connection in list(self._service.live.values()):
            await connection.close(1001, "going away")

    async def _serve(self, connection: ServerConnection) -> None:
        await Stream(self._service, self._admission.session_of(connection), connection).serve()


def _now() -> float:
    return asyncio.get_running_loop().time()


DOUBLE = Double(DeepgramSettings, DeepgramLimits, DeepgramVariants, DeepgramEmulator)
