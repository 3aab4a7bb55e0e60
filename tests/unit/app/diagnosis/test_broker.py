from satellite.app.diagnosis.broker import judge_access
from satellite.app.diagnosis.report import Verdict
from satellite.homeassistant.topics import Topics

TOPICS = Topics("home/voice", "kitchen")
OWN, FLEET = TOPICS.command_filters
WANTED = "the access list has to allow it"


def test_what_is_forbidden_is_named_with_the_rule_that_is_needed() -> None:
    outcome = judge_access(WANTED, [TOPICS.command_error], [FLEET], is_told=True, may_read=False)
    assert outcome.verdict is Verdict.FAIL
    assert outcome.detail == "may not write home/voice/kitchen/command_error; may not read home/voice/all/set/#"
    assert outcome.mend == WANTED


def test_a_broker_that_does_not_say_what_it_forbids_is_doubted() -> None:
    assert judge_access(WANTED, [], [], is_told=False, may_read=False).verdict is Verdict.WARN
    assert judge_access(WANTED, [], [], is_told=False, may_read=True).verdict is Verdict.PASS
    assert judge_access(WANTED, [], [OWN], is_told=False, may_read=True).verdict is Verdict.FAIL


def test_that_it_may_not_read_its_own_words_is_no_fault() -> None:
    outcome = judge_access(WANTED, [], [], is_told=True, may_read=False)
    assert outcome.verdict is Verdict.PASS
    assert "may not read" in outcome.detail
