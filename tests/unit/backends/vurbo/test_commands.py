"""Commands: one at a time, each answered, and no wait without an end."""

import pytest

from satellite.backends.vurbo.commands import (
    EXPECTED,
    LONGEST_S,
    MAX_QUEUED,
    REPLY_S,
    Command,
    Commander,
    Outcome,
    told,
)
from satellite.backends.vurbo.messages import ServiceError


class Desk:
    """A commander with what it sent and what came of it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.done: list[tuple[str, Outcome]] = []
        self.commander = Commander(lambda command, _now: self.sent.append(command.action))
        self.commander.open(0.0)

    def command(self, action: str, sid: int | None = None) -> Command:
        return Command(action, {}, lambda outcome, _now: self.done.append((action, outcome)), sid)

    def ask(self, action: str, sid: int | None = None) -> bool:
        return self.commander.ask(self.command(action, sid), 0.0)

    def command_is_under_way(self) -> bool:
        return self.commander.is_busy

    def error(self, code: str, severity: str = "error", sid: int | None = None) -> bool:
        return self.commander.refused(ServiceError(code, severity, sid), 0.0)


def test_the_next_goes_when_the_one_before_is_answered() -> None:
    desk = Desk()
    desk.ask("pause")
    desk.ask("set_name")
    assert desk.sent == ["pause"]
    assert desk.command_is_under_way()
    assert desk.commander.replied("status", {"action": "status", "message": "x"}, 1.0)
    assert desk.sent == ["pause", "set_name"]
    assert desk.done == [("pause", Outcome())]
    assert desk.commander.replied("status", {}, 1.0)
    assert not desk.command_is_under_way()
    assert not desk.commander.replied("status", {}, 1.0), "nobody asked"


def test_nothing_goes_before_there_is_a_connection_and_what_is_urgent_goes_first() -> None:
    desk = Desk()
    desk.commander = Commander(lambda command, _now: desk.sent.append(command.action))
    desk.ask("pause")
    desk.commander.insist(desk.command("start"), 0.0)
    desk.commander.insist(desk.command("config"), 0.0)
    assert desk.sent == []
    assert desk.commander.holds_audio
    desk.commander.open(1.0)
    assert desk.sent == ["start"]
    desk.commander.replied("session_started", {}, 1.0)
    assert desk.sent == ["start", "config"]


def test_audio_waits_while_the_recogniser_is_being_changed() -> None:
    desk = Desk()
    assert not desk.commander.holds_audio
    desk.ask("set_name")
    assert not desk.commander.holds_audio
    desk.ask("set_speaker_language")
    assert desk.commander.holds_audio


def test_there_is_an_end_to_what_may_wait() -> None:
    desk = Desk()
    assert all(desk.ask("set_name") for _ in range(MAX_QUEUED + 1))
    assert not desk.ask("set_name")


@pytest.mark.parametrize("action", EXPECTED)
def test_every_wait_ends(action: str) -> None:
    desk = Desk()
    desk.ask(action)
    expected = EXPECTED[action]
    assert desk.commander.deadline == expected.timeout_s
    desk.commander.deadline_reached(expected.timeout_s - 0.1)
    assert desk.done == []
    desk.commander.deadline_reached(expected.timeout_s)
    reason = None if expected.is_silence_consent else "the service did not answer in time"
    assert desk.done == [(action, Outcome(reason=reason))]
    desk.commander.deadline_reached(99.0)
    assert len(desk.done) == 1


def test_an_answer_is_the_expected_one() -> None:
    desk = Desk()
    desk.ask("tts_mode")
    assert not desk.commander.replied("status", {}, 0.0)
    assert desk.commander.replied("tts_mode_changed", {"action": "tts_mode_changed", "tts_mode": "async"}, 0.0)
    assert desk.done == [("tts_mode", Outcome({"tts_mode": "async"}))]


def test_a_broadcast_that_is_live_already_says_so_by_a_status() -> None:
    for reply in ("broadcast_phase_changed", "status"):
        desk = Desk()
        desk.ask("broadcast_go_live")
        assert desk.commander.replied(reply, {}, 0.0)


def test_a_translation_anew_is_that_of_its_sentence() -> None:
    desk = Desk()
    desk.ask("retranslate", sid=4)
    assert not desk.commander.replied("translation", {}, 0.0, sid=5)
    assert desk.commander.replied("translation", {"sid": 4}, 0.0, sid=4)


def test_a_switch_goes_on_as_long_as_it_goes_on_but_not_for_ever() -> None:
    desk = Desk()
    desk.ask("switch_language")
    at = 0.0
    while desk.commander.deadline is not None and at < LONGEST_S:
        at = desk.commander.deadline - 1.0
        if not desk.commander.replied("batch_retranslation", {}, at) or desk.commander.deadline == LONGEST_S:
            break
        assert desk.commander.deadline == at + REPLY_S
    desk.commander.deadline_reached(LONGEST_S)
    assert desk.done == [("switch_language", Outcome(reason="the service did not answer in time"))]


def test_speech_that_cannot_be_made_is_told() -> None:
    desk = Desk()
    desk.ask("tts_play")
    assert desk.commander.replied("tts_error", {}, 0.0)
    assert desk.done == [("tts_play", Outcome(reason="the speech could not be made"))]


def test_an_error_of_the_command_s_own_is_its_answer() -> None:
    desk = Desk()
    desk.ask("set_name")
    assert desk.error("set_name_too_long")
    reason = "the name has more than 60 characters (set_name_too_long)"
    assert desk.done == [("set_name", Outcome(reason=reason, code="set_name_too_long"))]


def test_what_is_as_was_asked_is_a_yes() -> None:
    desk = Desk()
    desk.ask("pause")
    assert desk.error("session_already_paused", "warning")
    note = "it is paused already (session_already_paused)"
    assert desk.done == [("pause", Outcome({"note": note}, code="session_already_paused"))]


@pytest.mark.parametrize(
    ("code", "severity", "sid", "is_answer"),
    [
        ("audio_decode_failed", "error", None, False),
        ("speaker_not_found", "error", None, False),
        ("brand_new", "error", None, True),
        ("brand_new", "fatal", None, True),
        ("brand_new", "warning", None, False),
        ("brand_new", "fatal", 3, False),
    ],
)
def test_an_unknown_error_is_an_answer_unless_it_is_about_a_sentence(
    code: str, severity: str, sid: int | None, is_answer: bool
) -> None:
    desk = Desk()
    assert not desk.error(code, severity, sid), "nobody asked"
    desk.ask("set_name")
    assert desk.error(code, severity, sid) is is_answer
    assert bool(desk.done) is is_answer


def test_what_is_told_of_a_reply_is_plain_and_bounded() -> None:
    data = {
        "action": "x",
        "message": "in any language",
        "sid": 3,
        "rate": 1.5,
        "is": True,
        "none": None,
        "text": "x" * 1000,
        "list": [1, None, ["a", [2]]],
        "map": {"1": "it-IT", "deep": {"a": {"b": 1}}},
        "many": list(range(1000)),
    }
    assert told(data) == {
        "sid": 3,
        "rate": 1.5,
        "is": True,
        "text": "x" * 500,
        "list": [1, ["a"]],
        "map": {"1": "it-IT", "deep": {}},
        "many": list(range(200)),
    }
