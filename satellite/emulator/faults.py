"""Faults on request: what goes wrong, where, when and how often.

As text: KIND[:KEY=VALUE[,KEY=VALUE…]], for example `http:status=503,on=POST,count=2` or
`cut:after_chunks=10-50,how=rst`. A number given as LOW-HIGH is drawn from the seeded generator.

http            answers with a status: status, on, retry_after_s, body (message, error, text, none)
slow            answers after a delay: on (POST, GET, ws), delay_s
reset           cuts the TCP connection of a request or handshake: on (POST, GET, ws)
lose_answer     does what is asked, then cuts instead of answering: on (POST, GET)
refuse          listens on no port for a while: at_s, for_s
token           what=lost: GET answers 400; what=stale: gives a token that is no good: on (POST, GET)
handshake       fails the WebSocket handshake: status
cut             ends the socket: how=rst, or how=close with code; after_chunks or at_s
stall           stops reading, answering pings and sending: for_s; after_chunks or at_s
error           sends an `error` message: status; after_chunks or at_s
accept_close    accepts, then closes without a message: code
no_end          closes instead of sending end_of_stream: code
garbage         sends what=not_json, array, unknown, huge or wrong_frame; after_chunks or at_s
duration_limit  closes at a connection duration: at_s, code

`code` 0 is the kind's usual close code. `count` says how often (-1: always), `skip` how many occasions pass first.
"""

import random  # noqa: TID251 - the emulator draws its faults from a seeded generator of its own
from dataclasses import dataclass, field, fields
from typing import get_type_hints

HTTP_KINDS = frozenset({"http", "slow", "reset", "lose_answer", "token"})
STREAM_KINDS = frozenset({"cut", "stall", "error", "garbage", "duration_limit"})
OTHER_KINDS = frozenset({"refuse", "handshake", "accept_close", "no_end"})
KINDS = HTTP_KINDS | STREAM_KINDS | OTHER_KINDS


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to go wrong; see the list above for the keys that each kind uses."""

    kind: str
    on: str = "any"
    count: int = 1
    skip: int = 0
    after_chunks: int | None = None
    at_s: float | None = None
    status: int = 503
    retry_after_s: int | None = None
    body: str = "message"
    delay_s: float = 3.0
    for_s: float = 3600.0
    how: str = "rst"
    code: int = 0
    what: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; known: {', '.join(sorted(KINDS))}")


def parse_fault(spec: str, rng: random.Random) -> Fault:
    """Read one `--fault` text; ValueError names what cannot be understood."""
    kind, _, rest = spec.partition(":")
    hints = get_type_hints(Fault)
    known = {entry.name for entry in fields(Fault)} - {"kind"}
    values: dict[str, int | float | str] = {}
    for part in filter(None, rest.split(",")):
        key, separator, text = part.partition("=")
        if key not in known or not separator:
            raise ValueError(f"fault {spec!r}: {part!r} is not KEY=VALUE with KEY one of {', '.join(sorted(known))}")
        values[key] = _value(text, str(hints[key]), rng)
    return Fault(kind, **values)  # type: ignore[arg-type]  # _value made each value the field's own type


def _value(text: str, hint: str, rng: random.Random) -> int | float | str:
    if "int" not in hint and "float" not in hint:
        return text
    low, dash, high = text.partition("-") if not text.startswith("-") else (text, "", "")
    if "int" in hint:
        return rng.randint(int(low), int(high)) if dash else int(text)
    return rng.uniform(float(low), float(high)) if dash else float(text)


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: int
    skip: int
    first_connection: int
    hit: set[int] = field(default_factory=set)


class FaultBox:
    """Faults waiting for their occasion; each occasion uses one up."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self.connections = 0

    def add(self, fault: Fault) -> None:
        """Arm a fault; with `skip` it passes over that many coming occasions (for streams: coming connections)."""
        self._armed.append(_Armed(fault, fault.count, fault.skip, self.connections + 1 + fault.skip))

    def take(self, kind: str, on: str = "any") -> Fault | None:
        """Use up and return the first armed fault of a kind for this occasion, if any."""
        for armed in self._armed:
            if armed.fault.kind != kind or armed.left == 0 or armed.fault.on not in ("any", on):
                continue
            if armed.skip:
                armed.skip -= 1
                continue
            armed.left -= 1
            return armed.fault
        return None

    def peek(self, kind: str, on: str, what: str) -> bool:
        """True when the fault that `take` would use up next says `what`."""
        matching = (a for a in self._armed if a.fault.kind == kind and a.left and a.fault.on in ("any", on))
        first = next(matching, None)
        return first is not None and first.fault.what == what

    def due(self, connection: int, chunks: int, elapsed_s: float) -> Fault | None:
        """Use up and return a stream fault whose moment has come on this connection, if any."""
        for armed in self._armed:
            if armed.fault.kind in STREAM_KINDS and self._is_due(armed, connection, chunks, elapsed_s):
                armed.left -= 1
                armed.hit.add(connection)
                return armed.fault
        return None

    @staticmethod
    def _is_due(armed: _Armed, connection: int, chunks: int, elapsed_s: float) -> bool:
        fault = armed.fault
        if armed.left == 0 or connection in armed.hit:
            return False
        if fault.skip and connection < armed.first_connection:
            return False
        if fault.after_chunks is not None:
            return chunks >= fault.after_chunks
        return fault.at_s is None or elapsed_s >= fault.at_s
