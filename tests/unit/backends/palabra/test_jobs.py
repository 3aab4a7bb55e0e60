import json
from typing import Any

import pytest

from satellite.backends.base import SendText
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.palabra.commands import Commands
from satellite.backends.palabra.jobs import MAX_WAITING, Cancel, Jobs, Say
from satellite.backends.palabra.messages import ServiceError
from satellite.core.events import ActionAnswered
from satellite.core.section import Section
from tests.fakes.sections import made


class Scene:
    def __init__(self, source: str = "en", spoken: str | None = "de") -> None:
        self.life = Lifecycle()
        self.jobs = Jobs(self.life, Commands(), source, spoken)

    def asks(self, arguments: Section) -> "Scene":
        self.jobs.ask(arguments)
        return self

    def says(self, text: str = "Hallo.", **more: Any) -> "Scene":
        return self.asks(made(Say, {"text": text, **more}))

    def sent(self) -> list[tuple[str, dict[str, Any]]]:
        texts = [json.loads(action.text) for action in self.life.take_actions() if isinstance(action, SendText)]
        return [(text["message_type"], text["data"]) for text in texts]

    def answers(self) -> list[tuple[str, str | None]]:
        return [(event.action, event.reason) for event in self.life.take_events() if isinstance(event, ActionAnswered)]


def test_text_is_said_in_the_spoken_language() -> None:
    scene = Scene(spoken="en").says()
    assert scene.jobs.wants_task
    assert scene.jobs.ready_at < 0
    assert not scene.jobs.step(5.0)
    assert scene.sent() == [("tts_task", {"text": "Hallo.", "language": "en-us", "translate_text": False})]
    assert scene.answers() == []
    assert (scene.jobs.deadline, scene.jobs.ready_at, scene.jobs.is_idle) == (7.0, float("inf"), False)
    scene.jobs.deadline_reached(6.9)
    assert scene.answers() == []
    scene.jobs.deadline_reached(7.0)
    assert scene.answers() == [("tts_task", None)]
    assert (scene.jobs.deadline, scene.jobs.is_idle) == (None, True)


def test_text_to_be_translated_is_in_the_source_language() -> None:
    scene = Scene(source="en-GB").says(translate_text=True)
    scene.jobs.step(5.0)
    assert scene.sent() == [("tts_task", {"text": "Hallo.", "language": "en", "translate_text": True})]


@pytest.mark.parametrize(
    ("scene", "wish", "reason"),
    [
        (Scene(spoken=None), {"text": "x"}, "nothing is spoken: voice.speech_language is null"),
        (Scene(), {"text": " "}, "text: must not be empty"),
        (Scene(source="auto"), {"text": "x", "translate_text": True}, "language: name the language of the text"),
    ],
)
def test_what_cannot_be_said_is_answered_at_once(scene: Scene, wish: dict[str, Any], reason: str) -> None:
    assert scene.says(**wish).answers() == [("tts_task", reason)]
    assert scene.jobs.is_idle


def test_a_complaint_is_the_answer() -> None:
    scene = Scene().says(language="fr")
    assert not scene.jobs.refused(ServiceError("X", ""), 0.0)
    scene.jobs.step(5.0)
    assert scene.jobs.refused(ServiceError("VALIDATION_ERROR", "no such target"), 5.5)
    assert scene.answers() == [("tts_task", "the service refused it: VALIDATION_ERROR no such target")]


def test_a_complaint_without_a_word_is_an_answer_too() -> None:
    scene = Scene().says()
    scene.jobs.step(5.0)
    assert scene.jobs.refused(ServiceError("", ""), 5.5)
    assert scene.answers() == [("tts_task", "the service refused it")]


def test_one_after_the_other() -> None:
    scene = Scene().says().says()
    scene.jobs.step(5.0)
    assert scene.jobs.ready_at == float("inf")
    scene.jobs.deadline_reached(7.0)
    assert scene.jobs.ready_at == 6.1


@pytest.mark.parametrize(("wish", "languages"), [({}, ["global"]), ({"languages": ["en", "DE"]}, ["en-us", "de"])])
def test_cancelling_has_two_names(wish: dict[str, Any], languages: list[str]) -> None:
    scene = Scene().asks(made(Cancel, wish))
    assert scene.jobs.step(5.0)
    assert scene.sent() == [("flush_task", {"languages": languages, "pause_task": False})]
    assert scene.jobs.refused(ServiceError("VALIDATION_ERROR", "unknown"), 5.2)
    assert scene.sent() == [("interrupt_task", {"languages": languages, "pause_task": False})]
    assert scene.answers() == []
    assert scene.jobs.refused(ServiceError("VALIDATION_ERROR", ""), 5.4)
    assert scene.answers() == [("flush_task", "the service refused it: VALIDATION_ERROR")]


def test_nothing_is_carried_out_after_the_end() -> None:
    scene = Scene().says().asks(Cancel())
    scene.jobs.step(5.0)
    scene.jobs.over("the session ends")
    assert scene.answers() == [("tts_task", "the session ends"), ("flush_task", "the session ends")]
    scene.jobs.over("again")
    scene.jobs.deadline_reached(100.0)
    assert scene.answers() == []


def test_no_more_wait_than_is_bearable() -> None:
    scene = Scene()
    for _ in range(MAX_WAITING + 1):
        scene.says()
    assert scene.answers() == [("tts_task", "too many requests wait")]


def test_other_arguments_are_nobodys() -> None:
    assert Scene().asks(Section()).jobs.is_idle
