"""Inbox: what the service says, led to whom it concerns (Flux reference §4)."""

from satellite.backends.base import SessionState
from satellite.backends.deepgram.admission import Admission
from satellite.backends.deepgram.conversation import Conversation
from satellite.backends.deepgram.failures import NO_ACTIVE_TURN, UNPARSABLE, Source, failure
from satellite.backends.deepgram.messages import (
    ConfigureFailure,
    ConfigureSuccess,
    Connected,
    Malformed,
    Message,
    ServiceError,
    ServiceWarning,
    TurnInfo,
    decode,
)
from satellite.backends.deepgram.sender import Sender
from satellite.backends.flood import Flood
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory


class Inbox:
    """Reads messages; ends or fails the session when the service says so."""

    def __init__(self, shared: Conversation, admission: Admission, sender: Sender) -> None:
        self._shared = shared
        self._admission = admission
        self._sender = sender
        self._life = shared.line.life
        self._flood = Flood(shared.line.counters)

    def take(self, data: str | bytes, now: float) -> None:
        """One message as it arrived."""
        message = decode(data)
        if isinstance(message, Malformed):
            self._shared.line.counters.ignored_messages += 1
            self._life.fail(SessionFailed(ErrorCategory.SERVER, f"the service sent {message.detail}"))
        elif isinstance(message, ServiceError):
            self._failed(message)
        elif not self._take(message, now) and (flood := self._flood.ignored(now)) is not None:
            self._life.fail(flood)

    def _take(self, message: Message, now: float) -> bool:
        """Use a message; False when it is of no use."""
        is_connected = self._life.state is not SessionState.CONNECTING
        match message:
            case Connected() if not is_connected:
                self._admission.connected(message.request_id)
                self._sender.opened(now)
            case TurnInfo() if is_connected:
                return self._turned(message, now)
            case ConfigureSuccess():
                return self._shared.tuning.confirmed()
            case ConfigureFailure():
                return self._shared.tuning.refused(message.said)
            case ServiceWarning() if message.code == NO_ACTIVE_TURN:
                self._shared.force.refused(is_turn_open=self._shared.turns.is_open)
            case _:
                return False
        return True

    def _turned(self, info: TurnInfo, now: float) -> bool:
        turns = self._shared.turns
        was_open = turns.is_open
        is_used = turns.take(info, now)
        if was_open and not turns.is_open:
            self._shared.force.ended()
        return is_used

    def _failed(self, error: ServiceError) -> None:
        """The connection is dead. A message that the deployment does not know is not sent to it again."""
        is_unparsable = error.code in (UNPARSABLE, None)
        if is_unparsable and self._shared.force.misunderstood():
            self._shared.end("the service cannot be asked to end a turn")
        elif is_unparsable and self._shared.tuning.misunderstood():
            self._shared.end("the service takes no settings while it listens")
        else:
            said = f": {error.said}" if error.said else ""
            self._life.fail(failure(Source.ERROR, error.code, f"the service reported an error{said}"))
