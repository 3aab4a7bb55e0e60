"""One WebSocket of Deepgram Flux: takes audio, judges it, says what is heard (Flux reference §3-§11)."""

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from satellite.emulator.deepgram.controls import Control
from satellite.emulator.deepgram.dress import dress
from satellite.emulator.deepgram.hearing import Hearing
from satellite.emulator.deepgram.intake import Intake, Verdict
from satellite.emulator.deepgram.orders import Orders
from satellite.emulator.deepgram.service import Service, Session
from satellite.emulator.deepgram.struck import Struck
from satellite.emulator.report import ConnectionLog
from satellite.emulator.stalls import TICK_S
from satellite.emulator.trouble import Trouble, usual_code

UNPARSABLE = "UNPARSABLE_CLIENT_MESSAGE"


class NotedConnection(ServerConnection):
    """A connection that knows when anything came, pings included."""

    heard_s = float("inf")

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self.heard_s = self.loop.time()
        super().data_received(data)


class Stream:
    """Serves one admitted connection until it is over; used once."""

    def __init__(self, service: Service, session: Session, socket: ServerConnection) -> None:
        self._service = service
        self._session = session
        self.socket = socket
        self.log = ConnectionLog(len(session.connections) + 1, service.clock())
        exact = session.config.media.startswith("audio/pcm")
        recogniser = service.truth.recogniser(service.settings, exact=exact)
        self._hearing = Hearing(recogniser, session.script, service.settings.limits.latency_s)
        self._intake = Intake(service, session, self.log, self._hearing)
        self._trouble = Trouble(service.faults, service.stalls, service.clock, Struck(self))
        self._record = functools.partial(service.ledger.record, session=session.number)
        self._sequence = 0
        self._orders = Orders(service, session)
        self._is_dangling = False
        self.is_stalled = False
        self.is_dead = False
        """A fatal error was sent: what still comes is not read any more."""

    async def serve(self) -> None:
        """Run the connection to its end."""
        self._session.connections.append(self.log)
        self._service.live[self._session.number] = self
        try:
            refusal = self._service.faults.take("accept_close")
            if refusal is not None:
                await self.close(usual_code(refusal), "")
            else:
                await self._run()
        finally:
            self.log.closed_s = self._service.clock()
            self.log.close_code = self.socket.close_code
            self._service.live.pop(self._session.number, None)

    async def _run(self) -> None:
        jobs: list[Callable[[], Awaitable[None]]] = [self._greet, self._understand, self._write, self._watch]
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(_quietly(job)) for job in jobs]
            await self._read()
            for helper in helpers:
                helper.cancel()

    async def close(self, code: int, reason: str) -> None:
        """Close from the server's side; a stalled connection is cut."""
        if self.is_stalled:
            self.socket.transport.abort()
            self._trouble.let_go()
        else:
            await self.socket.close(code, reason)

    async def fail(self, code: str, description: str) -> None:
        """The fatal error, and an end without a status."""
        self.is_dead = True
        name = "FatalError" if self._service.settings.variants.fatal_error_name else "Error"
        await self._send({"type": name, "code": code, "description": description}, has_request_id=False)
        self._drop()

    def _drop(self) -> None:
        """End the connection without a close status, behind all that was sent."""
        self.socket.transport.close()

    # ---- upstream

    async def _read(self) -> None:
        while True:
            try:
                frame = await self.socket.recv()
            except ConnectionClosed:
                return
            if self.is_dead:
                continue
            came = self._intake.take(frame, self._service.clock())
            if isinstance(came, Verdict):
                await self._refuse(came)
            elif came is not None:
                await self._obey(came)
            await self._trouble.act()

    async def _refuse(self, verdict: Verdict) -> None:
        self._record(verdict.rule, verdict.detail)
        if verdict.is_noted:
            return
        if verdict.close_code is None:
            await self.fail(UNPARSABLE, verdict.detail)
        else:
            self.is_dead = True
            await self.close(verdict.close_code, "DATA-0000")

    async def _obey(self, control: Control) -> None:
        variants = self._service.settings.variants
        unknown = {"Configure": variants.no_configure, "ForceEndTurn": variants.no_force}
        if unknown.get(control.type, False):
            await self.fail(UNPARSABLE, "control message not understood")
        elif control.type == "Configure":
            self._orders.expect_configure()
            self._hearing.order(functools.partial(self._orders.configure, control))
        elif control.type == "ForceEndTurn":
            self._hearing.order(self._orders.force)
        elif (withheld := self._service.faults.take("no_end")) is not None:
            self._trouble.is_excused = True
            await self.close(usual_code(withheld), "")
        else:
            self._hearing.order(self._hearing.conclude)

    async def _understand(self) -> None:
        while True:
            for resent in await self._hearing.understand():
                detail = (
                    f"{resent.duration_ms} ms at {resent.stream_ms} ms were sent before at {resent.first_stream_ms} ms"
                )
                self._record("audio_resent", detail)

    # ---- downstream

    async def _greet(self) -> None:
        await asyncio.sleep(self._service.settings.limits.connected_s)
        if not self._service.settings.variants.no_connected:
            self._intake.is_connected = True
            await self._send({"type": "Connected"})

    async def _write(self) -> None:
        variants = self._service.settings.variants
        while (event := await self._hearing.next_message()) is not None:
            if event["type"].startswith("Configure"):
                self._orders.answered_configure()
            if variants.no_events and event["type"] == "TurnInfo":
                continue
            await self._send(event)
            if variants.unknown_messages:
                await self._send({"type": "Statistics", "messages": self._sequence})
        if variants.close_lingers:
            return
        if variants.close_status:
            await self.close(1000, "")
        else:
            self._drop()

    async def _send(self, message: dict[str, Any], *, has_request_id: bool = True) -> None:
        await self._trouble.flow.wait()
        is_sparing = self._service.settings.variants.no_request_id and message["type"] != "Connected"
        ids = {"request_id": self._session.request_id} if has_request_id and not is_sparing else {}
        whole = dress({**message, **ids, "sequence_id": self._sequence}, self._service.settings.variants)
        self._sequence += 1
        await self.socket.send(json.dumps(whole, ensure_ascii=False))
        if self._service.settings.keep_audio:
            self.log.sent.append(whole)

    # ---- timers and faults

    async def _watch(self) -> None:
        limits = self._service.settings.limits
        self._service.stalls.start(self._service.clock())
        while True:
            await asyncio.sleep(TICK_S)
            now = self._service.clock()
            self._service.stalls.beat(now)
            await self._trouble.act()
            if self.is_stalled or self.is_dead or self._intake.is_over:
                continue
            heard_s = self.socket.heard_s if isinstance(self.socket, NotedConnection) else now
            if now - heard_s > limits.inactivity_s:
                self._record("inactivity", f"neither audio nor a ping for {limits.inactivity_s:g} s")
                self.is_dead = True
                await self.close(1011, "NET-0001")
            self._check_dangling(now)

    def _check_dangling(self, now: float) -> None:
        """A turn that is open when audio stops never ends: nobody may wait for that (§8, §14)."""
        is_late = now - self._intake.last_s > self._service.settings.limits.dangling_s
        is_dangling = is_late and self._session.script.is_open
        if is_dangling and not self._is_dangling and not self._trouble.is_excused:
            self._record("audio_stopped_in_turn", "no audio came while a turn was open, and its end was not forced")
        self._is_dangling = is_dangling


async def _quietly(job: Callable[[], Awaitable[None]]) -> None:
    """Run a helper whose connection may go away under it; the reader sees that too."""
    try:
        await job()
    except ConnectionClosed:
        return
