"""Admission: how a Palabra session gets its one connection (reference §2-§5).

A key opens a WebSocket by itself. Everything else takes a session from the API first, which is ours to delete: it
counts against the plan's limit for as long as it is there. A connection that is lost is never rejoined: the service
keeps nothing for it, so the next session begins anew with what waits.
"""

from urllib.parse import quote

from satellite.backends.base import HttpFailed, HttpResponse, SessionSetup, SessionState, SocketClosed
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.palabra.failures import Source, failure_of_answer, verdict
from satellite.backends.palabra.options import PalabraOptions
from satellite.backends.palabra.requests import (
    Unusable,
    create_request,
    delete_request,
    direct_dial,
    session_dial,
    session_id_of,
    ticket_of,
)
from satellite.core.events import SessionFailed


class Admission:
    """Asks, dials, and sees to it that our session is deleted."""

    def __init__(self, options: PalabraOptions, setup: SessionSetup, life: Lifecycle) -> None:
        self._options = options
        self._setup = setup
        self._life = life
        life.keep_secret(*options.secrets, *(_escaped(secret) for secret in options.secrets))

    def request(self) -> None:
        """Ask for a session, or dial at once where none is needed."""
        self._life.move(SessionState.REQUESTING)
        key = self._options.api_key
        if self._options.dials_directly and key is not None:
            self._life.move(SessionState.CONNECTING)
            self._life.act(direct_dial(self._options, key.get_secret_value(), self._setup.unique_id))
        else:
            self._life.act(create_request(self._options))

    def answered(self, response: HttpResponse) -> None:
        """Dial, or give up."""
        self._adopt(session_id_of(response.body))
        if not 200 <= response.status < 300:
            self._life.fail(failure_of_answer(response.status, response.headers, response.body))
            return
        ticket = ticket_of(response.body, self._options)
        if isinstance(ticket, Unusable):
            self._life.fail(ticket.failure)
            return
        dial = session_dial(ticket, self._options)
        self._life.keep_token(ticket.token, _escaped(ticket.token), dial.url)
        self._life.move(SessionState.CONNECTING)
        self._life.act(dial)

    def unanswered(self, failure: HttpFailed) -> None:
        """Nothing came; the back-off decides when to ask again."""
        detail = f"the request for a session got no answer: {failure.detail}"
        self._life.fail(SessionFailed(failure.category, detail, failure.hint))

    def dial_failed(self, closed: SocketClosed) -> None:
        """The stream could not be opened."""
        source = Source.KEY_DIAL if self._options.dials_directly else Source.TOKEN_DIAL
        found = verdict(source, closed.http_status)
        answer = closed.reason if closed.http_status is None else f"answered {closed.http_status}"
        detail = f"the stream could not be opened: {answer}"
        self._life.fail(SessionFailed(found.category, detail, closed.hint or found.hint))

    def _adopt(self, session_id: str | None) -> None:
        """A session is there for us: whatever happens from here on, it is deleted at the end."""
        if session_id is not None:
            self._life.farewell = delete_request(self._options, session_id)
            self._life.keep_token(session_id, _escaped(session_id))


def _escaped(secret: str) -> str:
    """As it stands in an address."""
    return quote(secret, safe="")
