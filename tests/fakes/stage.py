"""A whole satellite in virtual time: all of ours is real; the devices, the service and the broker are scripted."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from satellite.adapters.decoder import make_decoder
from satellite.app.parts import read_arguments
from satellite.backends.base import RuntimeAction
from satellite.core.audio import RATE_HZ
from satellite.core.backlog import Backlog
from satellite.core.backoff import Backoff
from satellite.core.events import SpeechChunk
from satellite.core.gate import GateSettings, VadGate
from satellite.core.section import Section
from satellite.core.transcript import BookSettings, TranscriptBook
from satellite.core.turn import TurnPolicy, TurnSettings
from satellite.runtime.actions import ActionPorts, Actions
from satellite.runtime.answers import Answers
from satellite.runtime.control import Control, ControlPorts, Rooms
from satellite.runtime.floor import Floor
from satellite.runtime.listener import Listener, ListenerParts
from satellite.runtime.reporter import Reporter, ReporterOptions
from satellite.runtime.router import Router
from satellite.runtime.settings import RuntimeSettings
from satellite.runtime.speaker import Speaker, SpeakerSettings
from satellite.runtime.uplink import Uplink, UplinkParts
from tests.fakes.loudspeaker import ScriptedSink
from tests.fakes.publisher import TOPICS, RecordingPublisher
from tests.fakes.room import LoudDetector, Room
from tests.fakes.virtual_time import VirtualClock, running
from tests.fakes.voice import Fate, Service

SETTINGS = RuntimeSettings(mute=False, volume=100, source_language="en", target_languages=("de",), speech_language=None)
GATE = GateSettings(onset_ms=60, pre_roll_ms=400, hang_over_ms=900, max_utterance_s=120)
PCM_TYPE = f"audio/pcm;encoding=s16le;rate={RATE_HZ}"


class Jump(Section, frozen=True):
    """Arguments of an action that only a running session can carry out."""

    height_m: float


class Tune(Section, frozen=True):
    """Arguments of an action that outlasts a session."""

    level: int = 1
    tone: int | None = None


def pcm(seconds: float, rate_hz: int = RATE_HZ, level: int = 1000) -> bytes:
    """Sound of one level."""
    return level.to_bytes(2, "little") * round(seconds * rate_hz)


def spoken(seconds: float, text: str | None = None, **changes: Any) -> SpeechChunk:
    """Synthesised speech."""
    values: dict[str, Any] = {
        "language": "de",
        "content_type": PCM_TYPE,
        "headers": (),
        "data": (pcm(seconds),),
        "duration_ms": round(seconds * 1000),
        "text": text,
    }
    return SpeechChunk(**(values | changes))


class Stage:
    """Wired as the application wires it."""

    def __init__(
        self,
        fates: Sequence[Fate] = (),
        turn: TurnSettings | None = None,
        gate: GateSettings = GATE,
        backlog_s: float = 30.0,
        book: BookSettings | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.room = Room()
        self.sink = ScriptedSink()
        self.service = Service(*fates)
        self.publisher = RecordingPublisher()
        self.stored: list[RuntimeSettings] = []
        self.played: list[str] = []
        self.restarts = 0
        self.declared: dict[str, RuntimeAction] = {
            "jump": RuntimeAction(Jump),
            "tune": RuntimeAction(Tune, outlasts_session=True),
        }
        self.objection: str | None = None
        self.reporter = Reporter(
            TOPICS,
            self.publisher,
            self.clock,
            ReporterOptions("loopback", publish_tentative=True, retain_transcripts=False, log_transcripts=False),
        )
        self.floor = Floor(TurnPolicy(turn or TurnSettings()), self.clock)
        self.book = TranscriptBook(book or BookSettings((), None))
        self.router = Router(self.book, self.floor, self.reporter, self.clock)
        self.backlog = Backlog(round(backlog_s * RATE_HZ))
        self.listener = Listener(self._listener_parts(gate), self.router, self.reporter)
        self.uplink = Uplink(self._uplink_parts(), self.router)
        self.speaker = Speaker(self.sink, make_decoder, self.floor, self.reporter, SpeakerSettings())
        answers = Answers(TOPICS, self.publisher)
        self.actions = Actions(ActionPorts(self.declared, read_arguments, self.uplink.run_action, answers))
        rooms = Rooms(self.listener, self.uplink, self.speaker, self.floor)
        self.control = Control(SETTINGS, rooms, self._control_ports())
        self._wire()

    @asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        """The satellite runs."""
        self.reporter.standing.started()
        async with running(self.listener.run, self.uplink.run, self.speaker.run):
            yield

    def of(self, topic: str) -> list[Any]:
        """What was published on a topic."""
        return self.publisher.of(topic)

    def _wire(self) -> None:
        self.router.uplink, self.router.speaker, self.router.actions = self.uplink, self.speaker, self.actions
        self.floor.on_suppress = self.listener.suppress
        self.floor.on_release = self.listener.release
        self.floor.on_start_playback = self.speaker.start
        self.floor.on_cut_playback = self.speaker.cut
        self.speaker.volume_percent = SETTINGS.volume

    def _listener_parts(self, gate: GateSettings) -> ListenerParts:
        numbers = itertools.count(1)
        return ListenerParts(
            open_capture=self.room.open_capture,
            detector=LoudDetector(),
            gate=VadGate(gate),
            clock=self.clock,
            backoff=Backoff(lambda: 1.0, cap_s=10.0),
            new_id=lambda: f"u{next(numbers)}",
        )

    def _uplink_parts(self) -> UplinkParts:
        numbers = itertools.count(1)
        return UplinkParts(
            backlog=self.backlog,
            make_session=self.service.make_session,
            make_link=self.service.make_link,
            backoff=Backoff(lambda: 1.0),
            clock=self.clock,
            new_id=lambda: f"s{next(numbers)}",
        )

    def _control_ports(self) -> ControlPorts:
        return ControlPorts(
            report=self.reporter,
            store=self.stored.append,
            check=lambda _: self.objection,
            restart=self._restart,
            play=self._play,
            run_action=self.actions.request,
        )

    def _restart(self) -> None:
        self.restarts += 1

    def _play(self, source: str) -> str | None:
        if not source.startswith("/sounds/"):
            return "not from there"
        self.played.append(source)
        return None
