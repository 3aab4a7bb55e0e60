"""What the satellite says about itself, as messages."""

import logging

import pytest

from satellite.core.events import SessionFailed, Stream
from satellite.core.transcript import SegmentConcluded, TentativeChanged, UtteranceCompleted, UtteranceRecord
from satellite.errors import ErrorCategory
from satellite.homeassistant.commands import CommandRefused
from satellite.homeassistant.messages import Delivery
from satellite.runtime.intake import Passage
from satellite.runtime.reporter import PROBLEM_CODES, Reporter, ReporterOptions
from satellite.runtime.standing import SEVERITY
from tests.fakes.publisher import TOPICS, RecordingPublisher
from tests.fakes.stage import SETTINGS
from tests.fakes.virtual_time import VirtualClock, virtual

NOON = 1_795_262_400.0
SEGMENT = SegmentConcluded("u1-source-1", "u1", Stream.SOURCE, "en", "A secret.", NOON, NOON + 1, None)
TENTATIVE = TentativeChanged("u1", Stream.TARGET, "de", "Ein Geh", NOON, NOON + 1)
RECORD = UtteranceRecord(
    "u1", NOON, NOON + 1, "en", "A secret.", (("de", "Ein Geheimnis."),), None, 0, 0.0, complete=True, reason="silence"
)


class Play:
    """A reporter and what it published."""

    def __init__(self, *, tentative: bool = True, retain: bool = False, log_text: bool = False) -> None:
        self.publisher = RecordingPublisher()
        options = ReporterOptions("deepl", tentative, retain, log_text)
        self.reporter = Reporter(TOPICS, self.publisher, VirtualClock(), options)

    def problems(self) -> list[str | None]:
        return [problem.get("code") for problem in self.publisher.of("problem")]


def test_text_goes_to_its_topics() -> None:
    play = Play()
    for output in (TENTATIVE, SEGMENT, UtteranceCompleted(RECORD)):
        play.reporter.transcript(output, "session")
    assert play.publisher.names() == ["translation/de/tentative", "transcript", "utterance"]
    assert play.publisher.of("transcript")[0]["session_id"] == "session"
    assert play.publisher.of("utterance")[0]["translations"] == {"de": "Ein Geheimnis."}
    assert [message.retain for message in play.publisher.messages] == [False] * 3
    assert [message.delivery for message in play.publisher.messages][1:] == [Delivery.CONCLUDED] * 2


def test_tentative_text_can_be_left_out() -> None:
    play = Play(tentative=False)
    play.reporter.transcript(TENTATIVE, "session")
    assert play.publisher.messages == []


def test_concluded_text_is_retained_when_configured() -> None:
    play = Play(retain=True)
    for output in (TENTATIVE, SEGMENT, UtteranceCompleted(RECORD)):
        play.reporter.transcript(output, "session")
    assert [message.retain for message in play.publisher.messages] == [False, True, True]


@pytest.mark.parametrize("log_text", [True, False])
def test_text_reaches_the_log_only_when_wished(log_text: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    play = Play(log_text=log_text)
    for output in (TENTATIVE, SEGMENT, UtteranceCompleted(RECORD)):
        play.reporter.transcript(output, "session")
    assert ("secret" in caplog.text) is log_text
    assert "Geh" not in caplog.text


def test_the_log_says_which_session_and_which_utterance_it_is_about(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reporter = Play(log_text=True).reporter
    reporter.transcript(SEGMENT, "s1")
    reporter.transcript(UtteranceCompleted(RECORD), "s1")
    reporter.session_event("opened", "s1", None, None)
    ids = [(vars(record)["session_id"], vars(record).get("utterance_id")) for record in caplog.records]
    assert ids == [("s1", SEGMENT.utterance_id), ("s1", RECORD.id), ("s1", None)]


def test_speech_and_sound() -> None:
    play = Play()
    play.reporter.standing.started()
    play.reporter.playing(is_heard=True)
    play.reporter.speech_event("started", Passage("u1", "de", "Ja.", 900), 900)
    play.reporter.speech_event("finished", Passage("u1", "de", "Ja.", 900), 1000)
    play.reporter.playing(is_heard=False)
    assert play.publisher.of("state") == ["idle", "speaking", "idle"]
    assert play.publisher.of("speech") == [
        {"event": "started", "utterance_id": "u1", "language": "de", "text": "Ja.", "duration_ms": 900},
        {"event": "finished", "utterance_id": "u1", "language": "de", "text": "Ja.", "duration_ms": 1000},
    ]


def test_the_life_of_a_session() -> None:
    play = Play()
    play.reporter.session_event("opened", "s1", None, "trace")
    play.reporter.session_event("closed", "s1", "idle", None)
    assert play.publisher.of("session") == [
        {"event": "opened", "session_id": "s1", "backend": "deepl", "reason": None, "trace_id": "trace"},
        {"event": "closed", "session_id": "s1", "backend": "deepl", "reason": "idle", "trace_id": None},
    ]


@virtual
async def test_a_failure_is_a_problem_until_there_is_a_session_again() -> None:
    play = Play()
    play.reporter.session_problem(SessionFailed(ErrorCategory.QUOTA, "spent", "buy more"))
    play.reporter.session_problem(SessionFailed(ErrorCategory.CONNECTIVITY, "no route"))
    play.reporter.session_problem(SessionFailed(ErrorCategory.SERVER, "internal error"))
    play.reporter.session_problem(None)
    play.reporter.session_problem(None)
    assert play.problems() == ["quota", "unreachable", "unreachable", None]
    assert play.publisher.of("problem")[0]["hint"] == "buy more"


def test_every_failure_has_a_code_that_can_be_shown() -> None:
    assert set(PROBLEM_CODES) == set(ErrorCategory)
    assert set(PROBLEM_CODES.values()) <= set(SEVERITY)


@virtual
async def test_devices() -> None:
    play = Play()
    play.reporter.speaker_failed("busy")
    play.reporter.microphone_failed("pulled out")
    play.reporter.microphone_works()
    play.reporter.speaker_works()
    play.reporter.speaker_works()
    assert play.problems() == ["speaker", "microphone", "speaker", None]


@virtual
async def test_states_that_others_tell() -> None:
    play = Play()
    play.reporter.standing.started()
    play.reporter.voice_activity(is_open=True)
    play.reporter.parked(is_parked=True)
    play.reporter.parked(is_parked=False)
    play.reporter.voice_activity(is_open=False)
    play.reporter.audio_lost(100.0)
    play.reporter.settings_changed(SETTINGS)
    assert play.publisher.of("state") == ["idle", "listening", "parked", "listening", "idle"]
    assert play.problems() == ["audio_lost"]
    assert len(play.publisher.of("settings")) == 1


def test_a_refused_command_is_answered() -> None:
    play = Play()
    play.reporter.command_refused(CommandRefused("volume", "eleven", "expected a number from 0 to 100"))
    assert play.publisher.of("command_error") == [
        {"command": "volume", "payload": "eleven", "reason": "expected a number from 0 to 100"}
    ]


@virtual
async def test_the_daily_limit_is_a_problem_until_it_is_lifted() -> None:
    play = Play()
    play.reporter.daily_limit(is_reached=True)
    play.reporter.daily_limit(is_reached=False)
    told = play.publisher.of("problem")
    assert [body.get("code") for body in told] == ["daily_limit", None]
