import json
from typing import Any

import pytest

from satellite.backends.base import SendText, SessionState
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.palabra.commands import Commands
from satellite.backends.palabra.messages import ServiceError
from satellite.backends.palabra.steering import NEVER, Steering, TaskState
from satellite.core.events import SessionEnded, SessionFailed
from satellite.errors import ErrorCategory

TASK: dict[str, Any] = {"pipeline": {"x": 1}}


class Scene:
    """A steering whose steps are taken when they are due."""

    def __init__(self) -> None:
        self.life = Lifecycle()
        self.life.state = SessionState.STREAMING
        self.steering = Steering(TASK, self.life, Commands())

    def until(self, now: float) -> list[tuple[float, str]]:
        """What was sent by then."""
        sent: list[tuple[float, str]] = []
        while (due := self.steering.next_step())[0] <= now and not self.life.is_final:
            due[1](due[0])
            for action in self.life.take_actions():
                assert isinstance(action, SendText)
                sent.append((round(due[0], 3), json.loads(action.text)["message_type"]))
        return sent

    def ask(self, now: float) -> "Scene":
        self.steering.ask(now)
        return self


def running() -> Scene:
    scene = Scene().ask(0.0)
    scene.steering.next_step()[1](0.0)
    assert scene.steering.told("running")
    scene.life.take_actions()
    return scene


def paused() -> Scene:
    scene = running()
    scene.steering.pause(10.0)
    scene.life.take_actions()
    scene.until(13.0)
    scene.steering.told("paused")
    return scene


def test_nothing_is_due_before_it_is_asked_for() -> None:
    assert Scene().steering.next_step()[0] == NEVER


def test_a_task_is_looked_up_until_it_runs() -> None:
    scene = Scene().ask(-0.5)
    scene.steering._commands.take("get_task", {}, -2.1)
    assert scene.until(6.0) == [(0.0, "set_task"), (2.1, "get_task"), (4.2, "get_task")]
    assert scene.steering.refused(ServiceError("NOT_FOUND", "no active task"))
    assert not scene.steering.told("paused")
    assert scene.steering.state is TaskState.ASKED
    assert scene.steering.told("running")
    assert not scene.steering.told("running")
    assert scene.until(100.0) == []


def test_an_answer_from_before_is_none() -> None:
    scene = Scene().ask(0.0)
    assert not scene.steering.told("running")
    assert scene.steering.state is TaskState.ASKED


def test_a_task_that_never_runs_is_given_up() -> None:
    scene = Scene().ask(0.0)
    scene.steering.next_step()[1](0.0)
    scene.until(30.0)
    (event,) = scene.life.take_events()
    assert isinstance(event, SessionFailed)
    assert (event.category, event.detail) == (ErrorCategory.SERVER, "the task did not run within 20 s")


def test_a_refused_task_is_not_asked_for_again() -> None:
    scene = Scene().ask(0.0)
    assert scene.steering.refused(ServiceError("VALIDATION_ERROR", "[{'loc': ['pipeline'], 'msg': 'no'}]"))
    (event,) = scene.life.take_events()
    assert isinstance(event, SessionFailed)
    assert event.category is ErrorCategory.INVALID_REQUEST
    assert event.detail == "the task was refused: VALIDATION_ERROR [{'loc': ['pipeline'], 'msg': 'no'}]"


def test_a_pause_is_verified() -> None:
    scene = running()
    scene.steering.pause(10.0)
    assert scene.steering.is_resting
    scene.life.take_actions()
    assert scene.until(60.0) == [(12.1, "get_task")]
    assert not scene.steering.told("paused")
    assert scene.steering.state is TaskState.PAUSED
    assert scene.until(600.0) == []


def test_a_pause_that_was_not_taken_leaves_the_task_running() -> None:
    scene = running()
    scene.steering.pause(10.0)
    scene.steering.told("unknown")
    assert scene.steering.is_resting
    scene.steering.told("running")
    assert scene.steering.state is TaskState.RUNNING
    assert not scene.steering.may_pause
    scene.ask(20.0)
    assert scene.steering.may_pause


def test_after_a_pause_it_is_asked_for_anew() -> None:
    scene = paused().ask(30.0)
    scene.steering.next_step()[1](30.0)
    scene.life.take_actions()
    assert scene.until(32.2) == [(32.1, "get_task")]
    assert scene.steering.told("running")


@pytest.mark.parametrize("code", ["VALIDATION_ERROR", "SERVICE_TIMEOUT", "X"])
def test_other_errors_of_a_running_task_are_not_its_business(code: str) -> None:
    assert not running().steering.refused(ServiceError(code, ""))


def test_a_task_that_is_gone_takes_the_session_with_it() -> None:
    scene = running()
    assert scene.steering.refused(ServiceError("NOT_FOUND", "x"))
    (event,) = scene.life.take_events()
    assert isinstance(event, SessionFailed)
    assert event.category is ErrorCategory.SERVER


def test_a_paused_task_that_is_gone_is_an_end() -> None:
    scene = paused()
    assert scene.steering.refused(ServiceError("NOT_FOUND", "x"))
    assert scene.life.take_events() == [SessionEnded("the paused task is gone", expected=True)]
