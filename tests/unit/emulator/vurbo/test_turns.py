"""Turns and languages by themselves."""

from satellite.emulator.report import ConnectionLog
from satellite.emulator.vurbo.desk import STATUS_ANSWERED
from satellite.emulator.vurbo.schema import Course, Refusal, check_start
from satellite.emulator.vurbo.script import Script
from satellite.emulator.vurbo.service import Session
from satellite.emulator.vurbo.settings import Channel, VurboVariants
from satellite.emulator.vurbo.stage import started
from satellite.emulator.vurbo.turns import Turns
from tests.fakes.rawvurbo import CONVERSATION


def session() -> Session:
    course = check_start(CONVERSATION, Channel())
    assert isinstance(course, Course)
    return Session(1, "task", course, ConnectionLog(1, 0.0), 0.0)


def test_whoever_speaks_is_named_and_stops() -> None:
    one = session()
    turns = Turns(one, Script(one.course, "en", VurboVariants(), 0, lambda: 0.0), is_chinese=False)
    assert turns.handles("start_speaking")
    assert not turns.handles("pause")
    assert isinstance(turns.stop_speaking_refusal(), Refusal)
    assert turns.answer("start_speaking", {"speaker": 2}) == [{"action": "status", "message": "Started speaking"}]
    assert one.course.speaking == 2
    assert turns.stop_speaking_refusal() is None
    assert "stop_speaking" not in STATUS_ANSWERED


def test_a_session_introduces_itself() -> None:
    event = started(session(), "hello", without_task_id=False)
    assert (event["task_id"], event["recording_id"], event["recording_type"]) == ("task", "task", "conversation")
    assert "task_id" not in started(session(), "hello", without_task_id=True)
