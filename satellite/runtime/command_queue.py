"""CommandQueue: commands on their way to be obeyed; a flood of them is thinned before it costs anything."""

import itertools
import logging
from collections.abc import Callable

from satellite.homeassistant.commands import Command, CommandRefused, Play, RunBackendAction, SetMute
from satellite.ports import Clock
from satellite.runtime.alarm import Alarm

log = logging.getLogger(__name__)

BURST = 20
"""So many are obeyed at once."""
GAP_S = 0.1
"""And after those one in this time."""
IN_ORDER_MAX = 16
"""Sounds and actions of the backend that may wait; more are dropped."""
TELL_EVERY_S = 60.0
TIMER_TOLERANCE_S = 0.001
"""A timer may ring this early."""


class CommandQueue:
    """Obeys BURST commands at once and then one each GAP_S.

    Of what waits, each kind counts as it came last, but for sounds and actions of the backend, of which each counts.
    Mute goes first. What was passed over is counted, and told once in a while.
    """

    def __init__(self, obey: Callable[[Command | CommandRefused], None], clock: Clock) -> None:
        self.passed_over = 0
        self._obey = obey
        self._clock = clock
        self._alarm = Alarm(self._serve)
        self._waiting: dict[object, Command | CommandRefused] = {}
        self._numbers = itertools.count()
        self._next_at = float("-inf")
        self._told_at = float("-inf")

    def put(self, command: Command | CommandRefused) -> None:
        """Obey now, or soon."""
        key: object = type(command)
        if isinstance(command, Play | RunBackendAction):
            if sum(isinstance(other, Play | RunBackendAction) for other in self._waiting.values()) >= IN_ORDER_MAX:
                self._pass_over()
                return
            key = next(self._numbers)
        if key in self._waiting:
            self._pass_over()
        self._waiting[key] = command
        self._serve()

    def _serve(self) -> None:
        now = self._clock.monotonic()
        self._next_at = max(self._next_at, now - (BURST - 1) * GAP_S)
        while self._waiting and self._next_at <= now + TIMER_TOLERANCE_S:
            self._next_at += GAP_S
            self._obey(self._waiting.pop(SetMute if SetMute in self._waiting else next(iter(self._waiting))))
        self._alarm.set(self._next_at if self._waiting else None)

    def _pass_over(self) -> None:
        self.passed_over += 1
        now = self._clock.monotonic()
        if now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            log.warning("commands come in a flood: %d were passed over so far", self.passed_over)
