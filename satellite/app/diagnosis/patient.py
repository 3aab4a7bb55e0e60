"""One satellite with all that is tried of it, in chains of what waits for each other."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import satellite
from satellite.adapters.clock import SystemClock
from satellite.adapters.inspection import try_place, waiting_in, written_at
from satellite.adapters.neighbours import running_satellite
from satellite.adapters.servicemanager import time_properties, unit_properties
from satellite.adapters.settings import SettingsStore, state_directory
from satellite.app import parts
from satellite.app.diagnosis import clock as wall_clock
from satellite.app.diagnosis import files, running, service
from satellite.app.diagnosis.broker import NOT_REACHED, BrokerVisit
from satellite.app.diagnosis.cloud import ServiceVisit
from satellite.app.diagnosis.course import Attempt, Chain, Check
from satellite.app.diagnosis.loudspeaker import try_loudspeaker
from satellite.app.diagnosis.microphone import try_microphone
from satellite.app.diagnosis.report import Outcome, skipped
from satellite.app.voice import VoiceRoom
from satellite.config.loader import DEFAULT_PATH, Loaded
from satellite.config.model import Config
from satellite.errors import ConfigError

TITLES = {
    "config": "configuration",
    "secrets": "secrets",
    "state": "state directory",
    "spool": "waiting text",
    "microphone": "microphone",
    "loudspeaker": "loudspeaker",
    "broker": "broker",
    "access": "access list",
    "satellite": "running satellite",
    "voice": "voice service",
    "clock": "clock",
    "service": "service",
}
"""Every check by its id, which fleets go by, in the order in which they are shown."""

DEADLINES_S = {"microphone": 7.0, "loudspeaker": 7.0, "voice": 10.0, "broker": 6.0, "access": 6.0, "satellite": 1.0}
DEADLINE_S = 3.5
"""No chain may take more than fourteen seconds."""
NEEDS_CONFIGURATION = "needs a configuration that can be used"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be diagnosed."""

    config_file: str
    environment: Mapping[str, str]
    with_tone: bool = True


class Patient:
    """What there is to try of one satellite."""

    def __init__(self, request: Request, loaded: Loaded | ConfigError, clock: SystemClock) -> None:
        self._clock = clock
        self._request = request
        self._loaded = loaded
        self._config = loaded.config if isinstance(loaded, Loaded) else None
        self._state = state_directory(request.environment)
        self._running = running_satellite(Path(request.config_file), str(DEFAULT_PATH))
        self._service: ServiceVisit | None = None

    def chains(self) -> tuple[Chain, ...]:
        """What waits for each other is in one chain."""
        if self._config is None:
            names = ("microphone", "loudspeaker", "broker", "access", "satellite", "voice")
            untried = Chain(tuple(_check(name, _unconfigured) for name in names))
            return self._local(), self._unit(), untried, self._clock_chain()
        self._service = ServiceVisit(self._config, self._clock)
        voice = _check("voice", self._service.ask)
        sound, broker = self._sound(self._config), self._broker(self._config)
        return self._local(), self._unit(), sound, broker, self._clock_chain(voice)

    def _local(self) -> Chain:
        file = self._request.config_file
        return Chain(
            (
                _check("config", lambda: asyncio.to_thread(files.judge_configuration, file, self._loaded)),
                _check("secrets", lambda: asyncio.to_thread(files.check_secrets, file, self._loaded)),
                _check("state", self._try_state),
                _check("spool", self._try_spool),
            )
        )

    def _unit(self) -> Chain:
        return Chain((_check("service", self._try_unit),))

    def _sound(self, config: Config) -> Chain:
        """One after the other: a card may be both, and a microphone would hear the tone."""
        beside, with_tone = self._running, self._request.with_tone
        is_muted = SettingsStore(self._state).load(parts.configured_settings(config)).mute
        return Chain(
            (
                _check("microphone", lambda: try_microphone(config, self._clock, beside, is_muted=is_muted)),
                _check("loudspeaker", lambda: try_loudspeaker(config, self._clock, beside, with_tone=with_tone)),
            )
        )

    def _broker(self, config: Config) -> Chain:
        visit = BrokerVisit(config, VoiceRoom(config, self._clock).targets_max, self._clock)

        async def judge_satellite() -> Outcome:
            if not visit.has_listened:
                return skipped(NOT_REACHED)
            said = running.Said.of(visit.topics, visit.retained)
            return running.judge(said, self._running, satellite.__version__, may_read=visit.may_read)

        checks = _check("broker", visit.login), _check("access", visit.access), _check("satellite", judge_satellite)
        return Chain(checks, visit.close)

    def _clock_chain(self, *before: Check) -> Chain:
        return Chain((*before, _check("clock", self._try_clock)))

    async def _try_state(self) -> Outcome:
        return files.judge_place(await asyncio.to_thread(try_place, self._state))

    async def _try_spool(self) -> Outcome:
        return files.judge_waiting(await asyncio.to_thread(waiting_in, self._state))

    async def _try_unit(self) -> Outcome:
        return service.judge(await unit_properties(service.UNIT, service.PROPERTIES))

    async def _try_clock(self) -> Outcome:
        visit, off_s = self._service, None
        if visit is not None and visit.date_s is not None and visit.asked_at is not None:
            off_s = visit.asked_at - visit.date_s
        installed_s = written_at(Path(satellite.__file__))
        return wall_clock.judge(self._clock.wall(), installed_s, off_s, await time_properties())


def _check(name: str, attempt: Attempt) -> Check:
    return Check(name, TITLES[name], DEADLINES_S.get(name, DEADLINE_S), attempt)


async def _unconfigured() -> Outcome:
    return skipped(NEEDS_CONFIGURATION)
