"""Rooms of sessions on a LiveKit server, where there is one (reference §5)."""

from satellite.emulator.palabra.book import Session
from satellite.emulator.palabra.service import Service

NO_ROOMS = "https://media.invalid/livekit/"


class Rooms:
    """Has the translator join the room of each session."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def url(self) -> str:
        """Where clients are sent."""
        return self._service.settings.livekit_url or NO_ROOMS

    def open(self, session: Session) -> None:
        """A session was made."""

    def close(self, session: Session) -> None:
        """A session was deleted."""
