"""DeepL Voice on loopback: REST on one port, WebSocket on another."""

import asyncio
from collections.abc import Sequence
from typing import Self

from websockets.asyncio.server import ServerConnection

from satellite.emulator.base import Emulator
from satellite.emulator.conversation import Truth
from satellite.emulator.deepl.admission import Admission
from satellite.emulator.deepl.rest import Rest
from satellite.emulator.deepl.service import CONNECT_PATH, Service
from satellite.emulator.deepl.settings import DeepLLimits, DeepLSettings, DeepLVariants
from satellite.emulator.deepl.stream import Stream
from satellite.emulator.deepl.tokens import Session
from satellite.emulator.doors import Doors
from satellite.emulator.registry import Double
from satellite.emulator.report import Ledger, Spoken
from satellite.emulator.speech import Synthesiser


class DeepLEmulator(Emulator):
    """The emulated DeepL Voice service."""

    name = "deepl"
    title = "DeepL Voice service"

    def __init__(self, settings: DeepLSettings | None = None) -> None:
        self._settings = settings or DeepLSettings()
        truth = Truth.load(self._settings)
        synthesiser = Synthesiser(self._settings.speech, self._settings.speech_wav)
        self._service = Service(self._settings, _now, truth, synthesiser, Ledger(_now))
        self._admission = Admission(self._service)
        doors = Doors(self._settings, Rest(self._service).handle, self._admission.judge, self._serve)
        super().__init__(doors, self._service.ledger, self._service.faults, self._settings.faults)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._service.streaming_url = f"{self.doors.socket_url}{CONNECT_PATH}"
        return self

    @property
    def base_url(self) -> str:
        """Where the REST half answers."""
        return self.doors.http_url

    @property
    def api_key(self) -> str:
        """The only key that is let in."""
        return self._settings.api_key

    @property
    def options(self) -> dict[str, object]:
        """Key and address."""
        return {"api_key": self.api_key, "base_url": self.base_url}

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

    async def disconnect(self) -> None:
        """Close every open socket."""
        for session in self._service.book.live():
            await self._service.disconnect(session, 1001, "going away")

    def settle(self) -> None:
        """Judge clients that left before the end of their stream."""
        for session in self.sessions:
            self._service.settle(session)

    async def _serve(self, connection: ServerConnection) -> None:
        await Stream(self._service, self._admission.session_of(connection), connection).serve()


def _now() -> float:
    return asyncio.get_running_loop().time()


DOUBLE = Double(DeepLSettings, DeepLLimits, DeepLVariants, DeepLEmulator)
