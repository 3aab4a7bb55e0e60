"""Who may open the socket: one connection for each ticket, within a minute, by subprotocol (Vurbo reference §1.4)."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from satellite.emulator.trouble import strike_handshake
from satellite.emulator.vurbo.service import SOCKET_PATH, Service

PREFIX = "ticket."


class Admission:
    """Judges handshakes. With the variant for it, a bad ticket is let in and told in the first message."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._refused: dict[ServerConnection, str] = {}

    def refusal_of(self, connection: ServerConnection) -> str | None:
        """The code with which a connection that was let in is turned away, if it is."""
        return self._refused.pop(connection, None)

    async def judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets the handshake go on; else it is answered with a status."""
        fault = await strike_handshake(self._service.faults, connection)
        if fault is not None:
            return connection.respond(fault, "injected fault\n")
        url = urlsplit(request.path)
        if url.path != SOCKET_PATH:
            return connection.respond(404, "not found\n")
        self._check(request, url.query)
        code = self._ticket_fault(request.headers.get("Sec-WebSocket-Protocol", ""))
        if code is not None and not self._service.settings.variants.bad_ticket_in_band:
            return connection.respond(401, f"{code}\n")
        if code is not None:
            self._refused[connection] = code
        self._service.faults.connections += 1
        return None

    def choose(self, connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:  # noqa: ARG002 - the library's call-back
        """Echo the ticket, or not."""
        return offered[0] if offered and self._service.settings.variants.echo_subprotocol else None

    def _check(self, request: Request, query: str) -> None:
        """The key has no place on this connection."""
        has_key = "Authorization" in request.headers or "X-API-Key" in request.headers
        if has_key or self._service.settings.api_key in query:
            self._record("key_on_socket", "the API key was sent with the WebSocket")
        elif query:
            self._record("unexpected_query", "the WebSocket takes no parameters")

    def _ticket_fault(self, offered: str) -> str | None:
        """The error code of a bad ticket, None for a good one, which is used up by that."""
        if not offered.startswith(PREFIX):
            self._record("no_ticket", "no subprotocol ticket.<T>")
            return "ticket_invalid"
        ticket = self._service.tickets.get(offered.removeprefix(PREFIX))
        if ticket is None:
            self._record("unknown_ticket", "a ticket that was never given out")
            return "ticket_invalid"
        if ticket.is_used:
            self._record("ticket_reused", "a second connection with one ticket")
            return "ticket_already_used"
        age_s = self._service.clock() - ticket.made_s
        ticket.is_used = True
        if age_s > self._service.settings.limits.ticket_ttl_s:
            self._record("ticket_expired", f"a ticket {age_s:.0f} s old")
            return "ticket_expired"
        return None

    def _record(self, rule: str, detail: str) -> None:
        self._service.ledger.record(rule, detail)
