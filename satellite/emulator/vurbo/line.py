"""The wire of one connection: envelopes out, and what is wrong with those that come in (Vurbo reference §2)."""

import json
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.server import ServerConnection

from satellite.emulator.report import ConnectionLog
from satellite.emulator.trouble import Trouble
from satellite.emulator.vurbo.service import Service
from satellite.emulator.vurbo.texts import error_body

SERVICE = "voice-translation"


class EnvelopeError(ValueError):
    """A frame that is no message of this API."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule


def read(frame: str | bytes) -> tuple[str, dict[str, Any]]:
    """Service and data of a frame."""
    if not isinstance(frame, str):
        raise EnvelopeError("binary_frame", "messages are JSON text")
    try:
        content = json.loads(frame)
    except (ValueError, RecursionError) as fault:
        raise EnvelopeError("not_json", "a frame that is no JSON") from fault
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, dict) or set(content) != {"type", "data"}:
        raise EnvelopeError("bad_envelope", "a message is type and data")
    return str(content["type"]), data


class Wire:
    """Sends what the service has to say, as the variants have it."""

    def __init__(self, service: Service, socket: ServerConnection, log: ConnectionLog) -> None:
        self._service = service
        self._socket = socket
        self._log = log
        self.trouble: Trouble | None = None
        self.last_sent_s = log.opened_s

    async def event(self, data: Mapping[str, object]) -> None:
        """One event of the service."""
        variants = self._service.settings.variants
        body = dict(data)
        if variants.extra_fields:
            body["x_trace"] = {"emulated": True}
        await self._send({"type": SERVICE, "data": body})
        if variants.unknown_messages:
            await self._send({"type": SERVICE, "data": {"action": "mood_changed", "mood": 11}})
            await self._send({"type": "weather", "data": {"action": "rain"}})

    async def pong(self) -> None:
        """The answer to a heartbeat."""
        if not self._service.settings.variants.no_pong:
            await self._send({"type": "health", "data": {"action": "pong"}})

    async def error(self, code: str, message: str, severity: str = "", sid: int | None = None) -> None:
        """One error, in one of its two forms."""
        body = error_body(code, message, severity, sid, self._service.clock())
        if self._service.settings.variants.error_as_action:
            await self._send({"type": SERVICE, "data": {"action": "error", **body}})
        else:
            await self._send({"type": "error", "data": body})

    async def _send(self, message: dict[str, object]) -> None:
        if self.trouble is not None:
            await self.trouble.flow.wait()
        await self._socket.send(json.dumps(message, ensure_ascii=False))
        self.last_sent_s = self._service.clock()
        if self._service.settings.keep_audio:
            self._log.sent.append(message)
