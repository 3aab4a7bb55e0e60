"""Run-time actions of the backend: from a command to the session, and one answer for each."""

from collections.abc import Mapping
from typing import Any

import pytest

from satellite.app.parts import read_arguments
from satellite.backends.base import RuntimeAction
from satellite.core.events import ActionAnswered
from satellite.core.section import Section
from satellite.homeassistant.commands import RunBackendAction
from satellite.runtime.actions import UNANSWERED_MAX, ActionPorts, Actions
from tests.fakes.stage import Jump, Stage, Tune
from tests.fakes.virtual_time import pass_time, virtual
from tests.fakes.voice import Fate


def asks(stage: Stage, action: str, **arguments: object) -> None:
    stage.control.handle(RunBackendAction(action, arguments))


def results(stage: Stage, action: str) -> list[Any]:
    return stage.of(f"backend/{action}/result")


def answer(action: str, result: dict[str, object] | None = None, reason: str | None = None) -> dict[str, object]:
    return {"action": action, "ok": reason is None, "reason": reason, "result": result or {}}


@virtual
async def test_the_running_session_is_asked_and_answers() -> None:
    stage = Stage()
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(2)
        asks(stage, "jump", height_m=2)
        assert stage.service.session.asked == [("jump", Jump(height_m=2.0))]
        assert results(stage, "jump") == []
        stage.service.says(ActionAnswered("jump", {"landed": True}))
    assert results(stage, "jump") == [answer("jump", {"landed": True})]
    assert stage.of("command_error") == []


@virtual
async def test_without_a_session_an_action_is_refused() -> None:
    stage = Stage()
    asks(stage, "jump", height_m=2)
    reason = "no session with the voice service is open; one opens when somebody speaks"
    assert results(stage, "jump") == [answer("jump", reason=reason)]
    assert [refused["reason"] for refused in stage.of("command_error")] == [reason]


@virtual
async def test_what_outlasts_a_session_waits_for_the_next() -> None:
    stage = Stage()
    asks(stage, "tune", level=3)
    assert results(stage, "tune") == [answer("tune", {"applies": "with the next session"})]
    assert stage.actions.standing == {"tune": Tune(level=3)}


@virtual
async def test_only_what_was_carried_out_is_remembered() -> None:
    stage = Stage()
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(2)
        asks(stage, "tune", level=3)
        asks(stage, "tune", level=4)
        stage.service.says(ActionAnswered("tune"), ActionAnswered("tune", reason="out of range"))
    assert stage.actions.standing == {"tune": Tune(level=3)}
    assert results(stage, "tune") == [answer("tune"), answer("tune", reason="out of range")]


@pytest.mark.parametrize(
    ("action", "arguments", "reason"),
    [
        ("dance", {}, "this backend has no action dance; there are jump, tune"),
        ("jump", {}, "height_m: is missing"),
        ("jump", {"height_m": "high"}, 'height_m: must be a number, not "high"'),
        ("tune", {"level": 1, "pitch": 2}, "pitch: unknown key"),
    ],
)
@virtual
async def test_what_cannot_be_asked_for(action: str, arguments: dict[str, object], reason: str) -> None:
    stage = Stage()
    asks(stage, action, **arguments)
    assert results(stage, action) == [answer(action, reason=reason)]
    assert [refused["reason"] for refused in stage.of("command_error")] == [reason]


@virtual
async def test_a_session_that_ends_leaves_no_request_unanswered() -> None:
    stage = Stage([Fate(idle_close_s=5.0)])
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(3)
        asks(stage, "jump", height_m=1)
        await pass_time(20)
    assert results(stage, "jump") == [answer("jump", reason="the session ended before it answered")]


@virtual
async def test_no_more_requests_wait_than_can_be_kept_apart() -> None:
    stage = Stage()
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(2)
        for _ in range(UNANSWERED_MAX + 1):
            asks(stage, "jump", height_m=1)
        assert len(stage.service.session.asked) == UNANSWERED_MAX
        assert results(stage, "jump") == [answer("jump", reason="16 requests for jump wait for an answer")]


def test_an_answer_that_nobody_waits_for_is_passed_on() -> None:
    stage = Stage()
    stage.actions.answered(ActionAnswered("jump"))
    stage.actions.answered(ActionAnswered("unheard_of"))
    assert results(stage, "jump") == [answer("jump")]
    assert stage.actions.standing == {}


class Voice(Section, frozen=True):
    """Arguments of which some may be left out."""

    pitch: int | None = None
    name: str | None = None


class Place(Section, frozen=True):
    """Arguments that are about one of several."""

    seat: int
    language: str = "en"


class Told:
    """ActionReport: the answers."""

    def __init__(self) -> None:
        self.answers: list[str] = []

    def action_result(self, action: str, reason: str | None, result: Mapping[str, object]) -> None:
        self.answers.append(action)


def unattended() -> Actions:
    """Actions while no session is open."""
    declared = {
        "voice": RuntimeAction(Voice, outlasts_session=True),
        "place": RuntimeAction(Place, outlasts_session=True, part="seat", follows_languages=True),
    }
    return Actions(ActionPorts(declared, read_arguments, lambda _action, _arguments: False, Told()))


def test_what_is_left_out_stays_as_it_was_asked_for_before() -> None:
    actions = unattended()
    for arguments in ({"pitch": 3}, {"name": "Ann"}, {"pitch": 4}):
        assert actions.request("voice", arguments) is None
    assert actions.standing == {"voice": Voice(pitch=4, name="Ann")}


def test_each_part_has_an_effect_of_its_own() -> None:
    actions = unattended()
    for seat, language in ((1, "de"), (2, "fr"), (1, "it")):
        assert actions.request("place", {"seat": seat, "language": language}) is None
    assert actions.standing == {"place/1": Place(seat=1, language="it"), "place/2": Place(seat=2, language="fr")}


def test_other_languages_make_void_what_was_about_languages() -> None:
    actions = unattended()
    actions.request("voice", {"pitch": 3})
    actions.request("place", {"seat": 1})
    actions.languages_changed()
    assert actions.standing == {"voice": Voice(pitch=3)}
