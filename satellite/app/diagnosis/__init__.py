"""The diagnosis of `doctor`: the real things tried one by one, for a person or a fleet to read."""

from collections.abc import Callable

import satellite
from satellite.adapters.clock import SystemClock
from satellite.app.diagnosis.course import Course
from satellite.app.diagnosis.patient import TITLES, Patient, Request
from satellite.app.diagnosis.report import Outcome, Report, Result, Verdict
from satellite.config.fields import secrets_in
from satellite.config.loader import Loaded, load_all
from satellite.config.model import Config
from satellite.core.section import MASK
from satellite.errors import ConfigError

__all__ = ["TITLES", "Outcome", "Report", "Request", "Result", "Verdict", "diagnose"]


async def diagnose(request: Request, on_result: Callable[[Result], None]) -> Report:
    """Try everything; `on_result` is told each result when it is there."""
    loaded = _load(request)
    config = loaded.config if isinstance(loaded, Loaded) else None
    clock = SystemClock()
    course = Course(clock, on_result, _scrubber(config))
    results = await course.run(Patient(request, loaded, clock).chains())
    ordered = tuple(results[name] for name in TITLES)
    return Report(satellite.__version__, None if config is None else config.satellite.id, ordered)


def _load(request: Request) -> Loaded | ConfigError:
    try:
        return load_all(request.config_file, request.environment)
    except ConfigError as error:
        return error


def _scrubber(config: Config | None) -> Callable[[str], str]:
    """Takes every secret of a configuration out of a text."""
    secrets = [] if config is None else sorted((text for _, text in secrets_in(config)), key=len, reverse=True)

    def scrub(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MASK)
        return text

    return scrub
