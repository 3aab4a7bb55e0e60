"""Steering: the task of a session: asked for, running, paused, and asked for again (reference §9, §10.3).

Nothing acknowledges a command, so what matters is looked up by `get_task`: that a task runs before audio is sent, and
that a pause was taken, for a task that runs without audio is closed after 10 s.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any

from satellite.backends.lifecycle import Lifecycle
from satellite.backends.palabra.commands import Commands
from satellite.backends.palabra.failures import Outcome, Source, verdict
from satellite.backends.palabra.messages import ServiceError
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory

START_WITHIN_S = 20.0
"""A task that does not run by then never will; two seconds are usual."""
NEVER = float("inf")

Step = Callable[[float], None]


class TaskState(enum.Enum):
    """Whether audio is wanted."""

    NONE = "none"
    ASKED = "asked"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"


class Steering:
    """Asks for the task, and follows what becomes of it."""

    def __init__(self, task: Mapping[str, Any], life: Lifecycle, commands: Commands) -> None:
        self._task = task
        self._life = life
        self._commands = commands
        self._is_set = False
        self._give_up_at = NEVER
        self._is_verified = False
        self.state = TaskState.NONE
        self.may_pause = True
        """False once a pause was not taken, until the task is asked for anew."""

    @property
    def is_resting(self) -> bool:
        """True while the task is paused, or about to be."""
        return self.state in (TaskState.PAUSING, TaskState.PAUSED)

    def ask(self, now: float) -> None:
        """Want the task to run: at first, and after a pause."""
        self.state = TaskState.ASKED
        self._is_set = False
        self._give_up_at = now + START_WITHIN_S
        self.may_pause = True

    def pause(self, now: float) -> None:
        """Want it not to run, nor to be billed."""
        self.state = TaskState.PAUSING
        self._is_verified = False
        self._life.act(self._commands.take("pause_task", {}, now))

    def next_step(self) -> tuple[float, Step]:
        """What is to be done next, and when."""
        if self.state is TaskState.ASKED and not self._is_set:
            return self._commands.ready_at("set_task"), self._set
        if self.state is TaskState.ASKED:
            poll_at = self._commands.ready_at("get_task")
            return (poll_at, self._poll) if poll_at < self._give_up_at else (self._give_up_at, self._give_up)
        if self.state is TaskState.PAUSING and not self._is_verified:
            # a pause takes effect after it was read: the look-up has the distance of two commands of one group
            return max(self._commands.ready_at("get_task"), self._commands.ready_at("pause_task") - 1.0), self._verify
        return NEVER, self._give_up

    def told(self, status: str) -> bool:
        """The service says how the task is; True when it runs now and did not before."""
        if self.state is TaskState.ASKED and self._is_set and status == "running":
            self.state = TaskState.RUNNING
            return True
        if self.state is TaskState.PAUSING and status == "running":
            self.state = TaskState.RUNNING
            self.may_pause = False
        elif self.state is TaskState.PAUSING and status == "paused":
            self.state = TaskState.PAUSED
        return False

    def refused(self, error: ServiceError) -> bool:
        """An error came; True when it was about the task and is dealt with."""
        if self.state is TaskState.ASKED:
            found = verdict(Source.START, error.code)
            if found.outcome is Outcome.OVER:
                detail = f"the task was refused: {error.code} {error.text}"
                self._life.fail(SessionFailed(found.category, detail, found.hint))
            return True
        found = verdict(Source.RUNNING, error.code)
        if found.outcome is not Outcome.OVER:
            return False
        if self.is_resting:
            self._life.end("the paused task is gone", expected=True)
        else:
            self._life.fail(SessionFailed(found.category, f"the task is gone: {error.text}", found.hint))
        return True

    def _set(self, now: float) -> None:
        self._is_set = True
        self._life.act(self._commands.take("set_task", self._task, now))

    def _poll(self, now: float) -> None:
        self._life.act(self._commands.take("get_task", {}, now))

    def _verify(self, now: float) -> None:
        self._is_verified = True
        self._poll(now)

    def _give_up(self, _: float) -> None:
        detail = f"the task did not run within {START_WITHIN_S:.0f} s"
        self._life.fail(SessionFailed(ErrorCategory.SERVER, detail))
