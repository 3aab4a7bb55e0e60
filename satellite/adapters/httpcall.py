"""One HTTP request on a connection of its own: never retried, never redirected, no proxy, the answer capped."""

import asyncio
import email.utils
import http.client
import math
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from satellite.adapters import tcp
from satellite.backends.base import HttpFailed, HttpRequest, HttpResponse
from satellite.errors import ErrorCategory
from satellite.ports import Clock

MAX_ANSWER_BYTES = 1024 * 1024
CLOCK_HINT = "the certificate is out of its time: check this machine's clock (timedatectl)"
FOREIGN_HINT = "not the service answers: a network that wants a log-in first, a proxy on the way, or a wrong address"
_CERTIFICATE_HINTS = {9: CLOCK_HINT, 10: CLOCK_HINT}
"""By OpenSSL's numbers: X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED."""


class _AbortedError(OSError):
    """The call was given up while a thread was at work on it."""


class _AnswerTooLargeError(http.client.HTTPException):
    """The answer is larger than is allowed; the text says so."""


async def perform(
    request: HttpRequest, tls: ssl.SSLContext, max_answer_bytes: int = MAX_ANSWER_BYTES
) -> HttpResponse | HttpFailed:
    """The answer, or why there is none. Cancelling it frees the thread and the connection at once."""
    try:
        call = _Call(request, tls, max_answer_bytes)
    except ValueError:
        return HttpFailed("the address cannot be read", was_sent=False, category=ErrorCategory.INVALID_REQUEST)
    try:
        async with asyncio.timeout(request.timeout_s):
            async with asyncio.timeout(request.connect_timeout_s):
                call.adopt(await tcp.connect(call.host, call.port))
                await asyncio.to_thread(call.secure)
            return await asyncio.to_thread(call.exchange)
    except TimeoutError:
        wait = "no answer in time" if call.was_sent else "no connection in time"
        return HttpFailed(f"{call.host}: {wait}", call.was_sent)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return HttpFailed(f"{call.host}: {describe(error)}", call.was_sent, hint=mend(error))
    finally:
        call.abort()


def describe(error: Exception) -> str:
    """What failed, without anything that could carry an address, a header or the peer's own words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, _AnswerTooLargeError):
        return str(error)
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason}"
    if isinstance(error, socket.gaierror):
        return error.strerror or "the name cannot be resolved"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return type(error).__name__


def mend(error: Exception) -> str | None:
    """What a person can do about it, where that is known."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE_HINTS.get(error.verify_code, FOREIGN_HINT)
    if isinstance(error, ssl.SSLError):
        return FOREIGN_HINT
    if isinstance(error, socket.gaierror):
        return "check the network and its name server (resolvectl status)"
    return None


def with_wait_in_seconds(answer: HttpResponse, clock: Clock) -> HttpResponse:
    """The answer with `Retry-After` in seconds; a date is read by the clock that it was made with, if that is told."""
    wish = _unix_s(answer.headers.get("retry-after", ""))
    if wish is None:
        return answer
    told = _unix_s(answer.headers.get("date", ""))
    wait_s = wish - (clock.wall() if told is None else told)
    return replace(answer, headers={**answer.headers, "retry-after": str(max(0, math.ceil(wait_s)))})


def _unix_s(date: str) -> float | None:
    """An HTTP date; None when it is none."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


class _Call:
    """The blocking half of a request: `secure`, then `exchange`, each in a thread; `abort` from any other.

    Raises ValueError for an address that cannot be read.
    """

    def __init__(self, request: HttpRequest, tls: ssl.SSLContext, max_answer_bytes: int) -> None:
        self.was_sent = False
        self._max_answer_bytes = max_answer_bytes
        self._request = request
        self._tls = tls
        self._url: SplitResult = urlsplit(request.url)
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._is_working = False
        self._is_aborted = False

    @property
    def host(self) -> str:
        """Host to connect to."""
        return self._url.hostname or ""

    @property
    def port(self) -> int:
        """Port to connect to. Raises ValueError when the address has a bad one."""
        return self._url.port or (443 if self._is_secure else 80)

    @property
    def _is_secure(self) -> bool:
        return self._url.scheme == "https"

    def adopt(self, connected: socket.socket) -> None:
        """Take over a connected socket."""
        connected.settimeout(self._request.connect_timeout_s)
        self._socket = connected

    def secure(self) -> None:
        """Do the TLS handshake, if the address asks for one. Blocks. Raises OSError."""
        with self._work() as connected:
            if self._is_secure:
                # the handshake comes after the assignment so that `abort` can reach the socket during it
                wrapped = self._tls.wrap_socket(connected, server_hostname=self.host, do_handshake_on_connect=False)
                self._socket = wrapped
                wrapped.do_handshake()

    def exchange(self) -> HttpResponse:
        """Send the request and read the whole answer. Blocks. Raises OSError, HTTPException, ValueError."""
        with self._work() as connected:
            connected.settimeout(self._request.timeout_s)
            client = self._client(connected)
            target = self._url._replace(scheme="", netloc="", fragment="").geturl() or "/"
            self.was_sent = True
            client.request(
                self._request.method, target, self._request.body, {"Connection": "close", **self._request.headers}
            )
            with client.getresponse() as answer:
                body = answer.read(self._max_answer_bytes + 1)
                if len(body) > self._max_answer_bytes:
                    raise _AnswerTooLargeError(f"answer larger than {self._max_answer_bytes} bytes")
                headers = {name.lower(): value for name, value in answer.getheaders()}
                return HttpResponse(answer.status, headers, body)

    def abort(self) -> None:
        """Give the call up: a thread at work on it fails at once, and the connection is closed. Idempotent."""
        with self._lock:
            self._is_aborted = True
            if self._is_working:
                self._cut()
            else:
                self._close()

    def _client(self, connected: socket.socket) -> http.client.HTTPConnection:
        client: http.client.HTTPConnection
        if self._is_secure:
            client = http.client.HTTPSConnection(self.host, self.port, context=self._tls)
        else:
            client = http.client.HTTPConnection(self.host, self.port)
        client.sock = connected
        client.auto_open = 0
        return client

    @contextmanager
    def _work(self) -> Iterator[socket.socket]:
        with self._lock:
            if self._is_aborted or self._socket is None:
                raise _AbortedError
            self._is_working = True
        try:
            yield self._socket
        finally:
            self._stop_working()

    def _stop_working(self) -> None:
        with self._lock:
            self._is_working = False
            if self._is_aborted:
                self._close()

    def _cut(self) -> None:
        if self._socket is not None:
            try:
                # the plain socket's method: TLS's own would take the TLS state away from under the thread
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                return  # already disconnected

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
