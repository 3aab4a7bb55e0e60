"""The way to Palabra as in the daemon: uplink, session, driver, a bad relay, and the emulated service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from satellite.adapters.clock import SystemClock
from satellite.adapters.encoder import PcmEncoder
from satellite.adapters.link import SessionDriver
from satellite.app.parts import cloud_backoff, new_id
from satellite.backends.base import BackendSession, SessionSetup
from satellite.backends.palabra.options import PalabraOptions
from satellite.backends.palabra.session import PalabraSession
from satellite.core.audio import RATE_HZ
from satellite.core.backlog import Backlog
from satellite.emulator.palabra.server import PalabraEmulator
from satellite.emulator.palabra.settings import PalabraSettings
from satellite.runtime.uplink import Uplink, UplinkParts
from tests.fakes.rawdeepl import DATA
from tests.fakes.relay import Relay, relay
from tests.fakes.sections import made
from tests.fakes.virtual_time import running
from tests.fakes.voice_link import Heard, Speaking

SETTINGS = PalabraSettings(recording=DATA / "demo.wav", labels=DATA / "demo.labels.json", speech="tones")


@dataclass
class PalabraWay(Speaking):
    """One run: say something, hurt the relay, look at what came of it."""

    emulator: PalabraEmulator
    relay: Relay
    uplink: Uplink
    heard: Heard

    @property
    def backlog(self) -> Backlog:
        return self.uplink._backlog

    def received(self) -> bytes:
        return b"".join(bytes(log.pcm_16k) for session in self.emulator.sessions for log in session.connections)


@asynccontextmanager
async def palabra_way(settings: PalabraSettings = SETTINGS, **options: Any) -> AsyncIterator[PalabraWay]:
    """Everything running; the relay lies between the driver and the service's WebSocket."""
    async with relay(0) as between:
        settings = replace(settings, advertised=f"127.0.0.1:{between.port}")
        async with PalabraEmulator(settings) as emulator:
            between.target_port = emulator.doors.socket_port
            given = made(PalabraOptions, {**emulator.options, **options})

            def make_session(waiting: Backlog) -> BackendSession:
                setup = SessionSetup(
                    waiting, PcmEncoder(), "en", ("de",), "de", None, 60.0, unique_id=new_id() + new_id()
                )
                return PalabraSession(given, setup)

            clock, heard = SystemClock(), Heard()
            parts = UplinkParts(
                backlog=Backlog(30 * RATE_HZ),
                make_session=make_session,
                make_link=lambda session, on_event, _: SessionDriver(session, on_event, clock),
                backoff=cloud_backoff(),
                clock=clock,
                new_id=new_id,
            )
            uplink = Uplink(parts, heard)
            async with running(uplink.run):
                yield PalabraWay(emulator, between, uplink, heard)
