"""What every session does alike: with inputs that it never asked for, and when it is drained or looked at."""

from satellite.backends.base import Action, HttpFailed, HttpResponse, SessionState, SocketClosed
from satellite.backends.lifecycle import Lifecycle
from satellite.core.events import ActionAnswered, VoiceEvent
from satellite.core.section import Section


class UnaskedInputs:
    """Answers to requests that were never made: LocalMisuse, unless they come when the session is over already."""

    def __init__(self, life: Lifecycle) -> None:
        self._life = life

    @property
    def state(self) -> SessionState:
        """Where in its life the session is."""
        return self._life.state

    def http_response(self, response: HttpResponse, now: float) -> None:  # noqa: ARG002 - the interface
        """Nothing was asked."""
        self._life.require("http_response")

    def http_failed(self, failure: HttpFailed, now: float) -> None:  # noqa: ARG002 - the interface
        """Nothing was asked."""
        self._life.require("http_failed")

    def socket_opened(self, now: float) -> None:  # noqa: ARG002 - the interface
        """Nothing was dialled."""
        self._life.require("socket_opened")

    def message(self, data: str | bytes, now: float) -> None:  # noqa: ARG002 - the interface
        """Nobody is there to send one."""
        self._life.require("message")

    def pong(self, number: int, now: float) -> None:  # noqa: ARG002 - the interface
        """Nobody was asked."""
        self._life.require("pong")

    def socket_closed(self, closed: SocketClosed, now: float) -> None:  # noqa: ARG002 - the interface
        """Nothing was dialled."""
        self._life.require("socket_closed")

    def track_audio(self, track: str, pcm: bytes, now: float) -> None:  # noqa: ARG002 - the interface
        """No room was opened."""
        self._life.require("track_audio")

    def run_action(self, action: str, arguments: Section, now: float) -> None:  # noqa: ARG002 - the interface
        """There is none."""
        self._life.report(ActionAnswered(action, reason=f"this backend has no action {action}"))

    def actions(self) -> list[Action]:
        """What is to be done, in order."""
        return self._life.take_actions()

    def events(self) -> list[VoiceEvent]:
        """What happened, in order."""
        return self._life.take_events()
