"""One WebSocket of the emulated Vurbo service: from the handshake to its end (Vurbo reference §1.4, §1.5, §2, §13)."""

import asyncio
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from satellite.emulator.report import ConnectionLog
from satellite.emulator.stalls import TICK_S
from satellite.emulator.trouble import Trouble, usual_code
from satellite.emulator.vurbo.control import check_config
from satellite.emulator.vurbo.line import SERVICE, EnvelopeError, Wire, read
from satellite.emulator.vurbo.schema import Course, Refusal, check_start
from satellite.emulator.vurbo.service import Service, Session
from satellite.emulator.vurbo.stage import Stage, quietly, started
from satellite.emulator.vurbo.struck import Struck
from satellite.emulator.vurbo.texts import STARTED, status_text


class Stream:
    """Serves one connection until it is over; used once."""

    def __init__(self, service: Service, socket: ServerConnection, refusal: str | None) -> None:
        self._service = service
        self._refusal = refusal
        self.socket = socket
        self.log = ConnectionLog(1, service.clock())
        self.last_heartbeat_s = self.log.opened_s
        self.is_stalled = False
        self._wire = Wire(service, socket, self.log)
        self._trouble = Trouble(service.faults, service.stalls, service.clock, Struck(self))
        self._wire.trouble = self._trouble
        self._session: Session | None = None
        self._stage: Stage | None = None
        self._group = asyncio.TaskGroup()
        self._has_failed = False

    async def serve(self) -> None:
        """Run the connection to its end and judge how it ended."""
        self._service.live.add(self)
        try:
            refusal = self._service.faults.take("accept_close")
            if refusal is not None:
                await self.close(usual_code(refusal), "")
            elif self._refusal is not None:
                await self._wire.error(self._refusal, "bad ticket", "fatal")
                await self.close(1008, "ticket")
            else:
                await self._run()
        except ConnectionClosed:
            pass  # it went away while it was told something
        finally:
            self.log.closed_s = self._service.clock()
            self._service.live.discard(self)
            self._judge_close()

    async def _run(self) -> None:
        async with self._group:
            helpers = [self._group.create_task(quietly(self._watch))]
            await self._read(helpers)
            for helper in helpers:
                helper.cancel()

    async def close(self, code: int, reason: str) -> None:
        """Close from the server's side; a stalled connection is cut."""
        self._has_failed = True
        if self.is_stalled:
            self.socket.transport.abort()
            self._trouble.let_go()
        else:
            await self.socket.close(code, reason)

    async def fail(self, code: str, text: str) -> None:
        """A fatal error of the whole session."""
        self._has_failed = True
        await self._wire.error(code, text, "fatal")
        await self.close(1011, "error")

    # ---- upstream

    async def _read(self, helpers: list[asyncio.Task[None]]) -> None:
        while True:
            try:
                frame = await self.socket.recv()
                if not self._has_failed:
                    await self._take(frame, helpers)
            except ConnectionClosed:
                return
            await self._trouble.act()

    async def _take(self, frame: str | bytes, helpers: list[asyncio.Task[None]]) -> None:
        try:
            service, data = read(frame)
        except EnvelopeError as fault:
            self._record(fault.rule, str(fault))
            return
        if service == "health":
            self._service.heartbeats += 1
            self.last_heartbeat_s = self._service.clock()
            await self._wire.pong()
        elif service != SERVICE:
            self._record("unknown_service", f"type {service:.40}")
        elif data.get("action") == "start":
            await self._start(data, helpers)
        elif self._stage is None:
            await self._too_early(data)
        else:
            await self._pass(self._stage, data)

    async def _too_early(self, data: dict[str, Any]) -> None:
        """Only `config` may come before `start`."""
        action = str(data.get("action"))
        if action == "config":
            refusal = check_config(data)
            if refusal is None:
                await self._wire.event({"action": "config_updated", "updated": [], "message": "Settings updated"})
            else:
                await self._wire.error(refusal.code, refusal.detail)
            return
        self._record("audio_before_start" if action == "audio" else "command_before_start", action)
        code = "set_name_not_ready" if action == "set_name" else "session_not_started"
        await self._wire.error(code, "no session")

    async def _start(self, data: dict[str, Any], helpers: list[asyncio.Task[None]]) -> None:
        if self._session is not None:
            self._record("second_start", "a session is a connection's only one")
            return
        service = self._service
        course = check_start(data, service.settings.channel)
        await asyncio.sleep(service.settings.limits.reply_s)
        if isinstance(course, Refusal):
            if course.rule is not None:
                self._record(course.rule, course.detail)
            await self._wire.error(course.code, course.detail)
        elif self._is_spent():
            await self._wire.error("auth_budget_exceeded", "the month's budget is spent", "fatal")
        else:
            await self._begin(course, helpers)

    def _is_spent(self) -> bool:
        service, now = self._service, self._service.clock()
        budget_s = service.settings.limits.budget_s
        if budget_s is None or service.billed_ms < budget_s * 1000:
            return False
        refused_s = service.refused_start_s
        if refused_s is not None and now - refused_s < service.settings.limits.no_retry_s:
            self._record("retry_after_budget", "started again with a budget that is spent")
        service.refused_start_s = now
        return True

    async def _begin(self, course: Course, helpers: list[asyncio.Task[None]]) -> None:
        service = self._service
        session = self._session = service.begin(course, self.log)
        stage = self._stage = Stage(service, session, self._wire)
        stage.withhold_end = self._withhold
        helpers += [self._group.create_task(quietly(job)) for job in stage.jobs]
        variants = service.settings.variants
        message = status_text(STARTED, is_chinese=variants.chinese_messages)
        await self._wire.event(started(session, message, without_task_id=variants.no_task_id))

    async def _pass(self, stage: Stage, data: dict[str, Any]) -> None:
        action, now = str(data.get("action")), self._service.clock()
        session = self._session
        assert session is not None  # noqa: S101 - tells the type checker that a stage has its session
        if action == "audio":
            refusal = stage.intake.take(data.get("payload"), now)
            if refusal is not None:
                await stage.desk.refuse(refusal)
        elif session.stopped_s is not None:
            self._record("command_after_stop", action)
            await self._wire.error("session_not_started", "stopped")
        else:
            if action == "stop":
                session.stopped_s = now
            stage.desk.command(action, data)

    async def _withhold(self) -> bool:
        """True when a fault wants no `task_complete`."""
        withheld = self._service.faults.take("no_end")
        if withheld is None:
            return False
        self._trouble.is_excused = True
        await self.close(usual_code(withheld), "")
        return True

    # ---- timers

    async def _watch(self) -> None:
        limit_s = self._service.settings.limits.heartbeat_s
        self._service.stalls.start(self._service.clock())
        while True:
            await asyncio.sleep(TICK_S)
            now = self._service.clock()
            self._service.stalls.beat(now)
            await self._trouble.act()
            allowance_s = self._service.stalls.between(self.last_heartbeat_s, now)
            if not self.is_stalled and now - self.last_heartbeat_s > limit_s + allowance_s:
                self._record("no_heartbeat", f"none for {now - self.last_heartbeat_s:.0f} s")
                self.last_heartbeat_s = now

    def _judge_close(self) -> None:
        """A clean close by the client is judged; a lost connection is nobody's fault."""
        close = self.socket.protocol.close_rcvd
        self.log.close_code = self.socket.close_code
        is_theirs = close is not None and bool(self.socket.protocol.close_rcvd_then_sent)
        session = self._session
        if not is_theirs or close is None or session is None or self._trouble.is_excused or self._has_failed:
            return
        if session.stopped_s is None:
            self._record("closed_without_stop", "closed while the session went on")
        elif not session.is_complete:
            waited_s = self._service.clock() - self._wire.last_sent_s
            if waited_s < self._service.settings.limits.drain_patience_s:
                self._record("closed_before_task_complete", f"closed {waited_s:.1f} s after the last message")
        elif close.code != 1000:
            self._record("close_code", f"closed with {close.code}, not 1000")

    def _record(self, rule: str, detail: str) -> None:
        self._service.ledger.record(rule, detail, None if self._session is None else self._session.number)
