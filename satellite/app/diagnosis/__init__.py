"""The diagnosis of `doctor`: the real things tried one by one, for a person or a fleet to read."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

import satellite
from satellite.adapters.clock import SystemClock
from satellite.adapters.inspection import try_place, waiting_in, written_at
from satellite.adapters.neighbours import running_satellite
from satellite.adapters.servicemanager import time_properties, unit_properties
from satellite.adapters.settings import state_directory
from satellite.app.diagnosis import clock as wall_clock
from satellite.app.diagnosis import files, running, service
from satellite.app.diagnosis.broker import NOT_REACHED, BrokerVisit
from satellite.app.diagnosis.cloud import ServiceVisit
from satellite.app.diagnosis.course import Attempt, Chain, Check, Course
from satellite.app.diagnosis.loudspeaker import try_loudspeaker
from satellite.app.diagnosis.microphone import try_microphone
from satellite.app.diagnosis.report import Outcome, Report, Result, Verdict, skipped
from satellite.app.voice import VoiceRoom
from satellite.config.loader import DEFAULT_PATH, Loaded, load_all
from satellite.config.model import Config
from satellite.core.section import MASK, Secret, Section
from satellite.errors import ConfigError

__all__ = ["TITLES", "Outcome", "Report", "Request", "Result", "Verdict", "diagnose"]

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

DEADLINES_S = {"microphone": 7.0, "loudspeaker": 7.0, "voice": 11.0, "broker": 6.0, "access": 7.0}
"""Together no chain takes more than fifteen."""
DEADLINE_S = 5.0
NEEDS_CONFIGURATION = "needs a configuration that can be used"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be diagnosed."""

    config_file: str
    environment: Mapping[str, str]
    with_tone: bool = True


async def diagnose(request: Request, on_result: Callable[[Result], None]) -> Report:
    """Try everything; `on_result` is told each result when it is there."""
    loaded = _load(request)
    config = loaded.config if isinstance(loaded, Loaded) else None
    patient = _Patient(request, loaded, config)
    course = Course(patient.clock, on_result, _scrubber(config))
    results = await course.run(patient.chains())
    ordered = tuple(results[name] for name in TITLES)
    return Report(satellite.__version__, None if config is None else config.satellite.id, ordered)


def _load(request: Request) -> Loaded | ConfigError:
    try:
        return load_all(request.config_file, request.environment)
    except ConfigError as error:
        return error


class _Patient:
    """One satellite with all that is tried of it."""

    def __init__(self, request: Request, loaded: Loaded | ConfigError, config: Config | None) -> None:
        self.clock = SystemClock()
        self._request = request
        self._loaded = loaded
        self._config = config
        self._state = state_directory(request.environment)
        self._running = running_satellite(Path(request.config_file), str(DEFAULT_PATH))
        self._service: ServiceVisit | None = None

    def chains(self) -> tuple[Chain, ...]:
        """What waits for each other is in one chain."""
        if self._config is None:
            names = ("microphone", "loudspeaker", "broker", "access", "satellite", "voice")
            return self._local(), Chain(tuple(_check(name, _unconfigured) for name in names)), self._clock_chain()
        self._service = ServiceVisit(self._config, self.clock)
        voice = _check("voice", self._service.ask)
        return self._local(), self._sound(self._config), self._broker(self._config), self._clock_chain(voice)

    def _local(self) -> Chain:
        file = self._request.config_file
        return Chain(
            (
                _check("config", lambda: asyncio.to_thread(files.judge_configuration, file, self._loaded)),
                _check("secrets", lambda: asyncio.to_thread(files.check_secrets, file, self._loaded)),
                _check("state", self._try_state),
                _check("spool", self._try_spool),
                _check("service", self._try_unit),
            )
        )

    def _sound(self, config: Config) -> Chain:
        """One after the other: a card may be both, and a microphone would hear the tone."""
        beside, with_tone = self._running, self._request.with_tone
        return Chain(
            (
                _check("microphone", lambda: try_microphone(config, self.clock, beside)),
                _check("loudspeaker", lambda: try_loudspeaker(config, self.clock, beside, with_tone=with_tone)),
            )
        )

    def _broker(self, config: Config) -> Chain:
        visit = BrokerVisit(config, VoiceRoom(config, self.clock).targets_max, self.clock)

        async def judge_satellite() -> Outcome:
            if not visit.is_connected:
                return skipped(NOT_REACHED)
            said = running.Said.of(visit.topics, visit.retained)
            return running.judge(said, self._running, satellite.__version__)

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
        return wall_clock.judge(self.clock.wall(), installed_s, off_s, await time_properties())


def _check(name: str, attempt: Attempt) -> Check:
    return Check(name, TITLES[name], DEADLINES_S.get(name, DEADLINE_S), attempt)


async def _unconfigured() -> Outcome:
    return skipped(NEEDS_CONFIGURATION)


def _scrubber(config: Config | None) -> Callable[[str], str]:
    """Takes every secret of a configuration out of a text."""
    secrets = [] if config is None else sorted(_secrets(config), key=len, reverse=True)

    def scrub(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MASK)
        return text

    return scrub


def _secrets(section: Section) -> set[str]:
    found: set[str] = set()
    for value in msgspec.structs.asdict(section).values():
        if isinstance(value, Section):
            found |= _secrets(value)
        elif isinstance(value, Secret) and value.get_secret_value():
            found.add(value.get_secret_value())
    return found
