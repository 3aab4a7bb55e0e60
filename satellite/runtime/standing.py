"""Standing: what holds at the moment (state, problem, settings, health), published retained and again on demand."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, get_args

from satellite.homeassistant import payloads
from satellite.homeassistant.bodies import Link, ProblemCode, State
from satellite.homeassistant.commands import printable
from satellite.homeassistant.payloads import PEER_CHARACTERS_MAX, HealthFigures, ProblemNote
from satellite.homeassistant.topics import Topics
from satellite.ports import Publisher, SleeplessClock
from satellite.runtime.moments import Moments
from satellite.runtime.settings import RuntimeSettings

log = logging.getLogger(__name__)

SEVERITY: tuple[ProblemCode, ...] = get_args(ProblemCode)
"""One problem is shown at a time: the first of these that is active."""

LOST_SHOWN_S = 300.0
"""How long lost audio is shown as a problem after the last of it."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is wrong, and from which moment on."""

    code: ProblemCode
    message: str
    hint: str | None
    since: float


class Shown(NamedTuple):
    """What the world is told of the present."""

    state: State
    cloud: Link
    problem: ProblemNote | None


class Standing:
    """Remembers what a broker that was away must be told again."""

    def __init__(self, topics: Topics, publisher: Publisher, clock: SleeplessClock) -> None:
        self._topics = topics
        self._publisher = publisher
        self._clock = clock
        self._moments = Moments(clock)
        self._problems: dict[ProblemCode, _Problem] = {}
        self._shown: ProblemNote | None = None
        self._state: State = "starting"
        self._conditions: set[State] = {"starting"}
        self._settings: RuntimeSettings | None = None
        self._cloud: Link = "idle"
        self._lost_at: float | None = None
        self.lost_ms = 0.0
        self.health: Callable[[], HealthFigures] | None = None
        self.usage: Callable[[], tuple[str, float]] | None = None
        """Today, and the seconds streamed on it."""

    @property
    def state(self) -> State:
        """What the satellite does now."""
        return self._state

    @property
    def link(self) -> Link:
        """How the link to the voice service stands."""
        return self._cloud

    @property
    def is_muted(self) -> bool:
        """The microphone is closed by command, whatever weightier state is told."""
        return "muted" in self._conditions

    @property
    def problems(self) -> frozenset[ProblemCode]:
        """Everything that is wrong, not only the most serious."""
        return frozenset(self._problems)

    def republish(self) -> None:
        """Tell a broker that has just come (back) all that holds."""
        self._publisher.publish(payloads.state(self._topics, self._state))
        self._publisher.publish(payloads.cloud(self._topics, self._cloud))
        self._publisher.publish(payloads.problem(self._topics, self._shown))
        self.settings()
        self.publish_health()

    def settings(self, changed: RuntimeSettings | None = None) -> None:
        """These settings hold from now on; without any, say again which ones do."""
        settings = changed or self._settings
        if settings is None:
            return
        self._settings = settings
        self._condition("muted", settings.mute)
        self._publisher.publish(
            payloads.settings(
                self._topics,
                mute=settings.mute,
                volume=settings.volume,
                source_language=settings.source_language,
                target_languages=settings.target_languages,
                speech_language=settings.speech_language,
            )
        )

    def publish_health(self) -> None:
        """Publish the figures, and bring what is told of lost audio up to date: it goes away after a while."""
        self._publish_problem()
        if self.health is not None:
            self._publisher.publish(payloads.health(self._topics, self.health()))
        if self.usage is not None:
            day, streamed_s = self.usage()
            self._publisher.publish(payloads.usage(self._topics, day, streamed_s, streamed_s))

    def cloud(self, name: Link) -> None:
        """How the link to the voice service stands."""
        if name != self._cloud:
            self._cloud = name
            self._publisher.publish(payloads.cloud(self._topics, name))

    # --- conditions ----------------------------------------------------------------------------------------------

    def started(self) -> None:
        """Start-up is done."""
        self._condition("starting", False)

    def listening(self, is_open: bool) -> None:
        """The gate opened or closed."""
        self._condition("listening", is_open)

    def speaking(self, is_heard: bool) -> None:
        """Playback is heard, or has ended."""
        self._condition("speaking", is_heard)

    def parked(self, is_parked: bool) -> None:
        """The voice service waits for a person."""
        self._condition("parked", is_parked)

    def _condition(self, name: State, holds: bool) -> None:
        if holds == (name in self._conditions):
            return
        self._conditions ^= {name}
        state: State = next((state for state in _STATES if state in self._conditions), "idle")
        if state != self._state:
            self._state = state
            self._publisher.publish(payloads.state(self._topics, state))

    # --- problems ------------------------------------------------------------------------------------------------

    def problem(
        self, code: ProblemCode, message: str, hint: str | None, instead_of: Iterable[ProblemCode] = ()
    ) -> None:
        """Something is wrong, and these others are not any longer; `since` stays that of its first report."""
        known = self._problems.get(code)
        _end(self._problems, (other for other in instead_of if other != code))
        since = self._moments.now() if known is None else known.since
        _keep(self._problems, _Problem(code, message, hint, since))
        self._show()

    def solved(self, *codes: ProblemCode) -> None:
        """These are not wrong any longer."""
        _end(self._problems, codes)
        self._show()

    def lost(self, lost_ms: float) -> None:
        """Audio that will never be transcribed; the sum, which grows all through an outage, is told with the health."""
        self.lost_ms += lost_ms
        self._lost_at = self._clock.monotonic()
        if "audio_lost" not in self._problems:
            self._show()

    @property
    def shown(self) -> Shown:
        """State, link to the voice service, and the problem, as they were published last."""
        return Shown(self._state, self._cloud, self._shown)

    def _note_loss(self) -> None:
        """Bring what is told of lost audio up to date."""
        if self._lost_at is None:
            return
        if self._clock.monotonic() - self._lost_at > LOST_SHOWN_S:
            self._lost_at = None
            _end(self._problems, ("audio_lost",))
            return
        known = self._problems.get("audio_lost")
        since = self._moments.now() if known is None else known.since
        message = f"{self.lost_ms / 1000:.1f} s of speech were lost since the start"
        hint = (
            "the link to the voice service broke with audio on its way or for longer than voice.outage_buffer_s, "
            "or the microphone or this machine did not keep up"
        )
        _keep(self._problems, _Problem("audio_lost", message, hint, since))

    def _show(self) -> None:
        """Tell what changed; health follows on a change of note."""
        if self._publish_problem():
            self.publish_health()

    def _publish_problem(self) -> bool:
        self._note_loss()
        worst = next((self._problems[code] for code in SEVERITY if code in self._problems), None)
        note = None
        if worst is not None:
            note = ProblemNote(worst.code, worst.message, worst.hint, self._moments.wall(worst.since))
        if note == self._shown:
            return False
        self._shown = note
        self._publisher.publish(payloads.problem(self._topics, note))
        return True


def _keep(problems: dict[ProblemCode, _Problem], problem: _Problem) -> None:
    """It holds; the log is told when it did not before."""
    if problem.code not in problems:
        sentence = problem.message if problem.hint is None else f"{problem.message} ({problem.hint})"
        log.warning(
            "problem %s: %s", problem.code, printable(sentence, PEER_CHARACTERS_MAX), extra={"code": problem.code}
        )
    problems[problem.code] = problem


def _end(problems: dict[ProblemCode, _Problem], codes: Iterable[ProblemCode]) -> None:
    """These hold no longer; the log is told of those that did."""
    for code in codes:
        if problems.pop(code, None) is not None:
            log.info("problem %s: over", code, extra={"code": code})


_STATES: tuple[State, ...] = ("starting", "parked", "muted", "speaking", "listening")
"""The first that holds is the state; `idle` when none does."""
