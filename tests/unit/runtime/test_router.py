"""The whole satellite as plays: what is said in the room, what the service says, what is published and heard."""

from datetime import datetime
from typing import Any

import pytest

from satellite.core.audio import AudioChunk
from satellite.core.events import (
    AudioLost,
    ConnectionLost,
    Segment,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    SpeechCancelled,
    SpeechEnded,
    Stream,
    TranscriptUpdated,
    UtteranceSettled,
)
from satellite.core.gate import EndReason, GateSettings
from satellite.core.transcript import BookSettings, TranscriptBook
from satellite.core.turn import TurnPolicy, TurnSettings
from satellite.errors import ErrorCategory
from satellite.runtime.floor import Floor
from satellite.runtime.router import Router
from tests.fakes.stage import Stage, spoken
from tests.fakes.virtual_time import pass_time, virtual
from tests.fakes.voice import REFUSED, Fate

BAD_KEY = SessionFailed(ErrorCategory.AUTHENTICATION, "the key is not known", "check voice.deepl.api_key")


def at(stage: Stage, time: str) -> float:
    """A published time, in seconds since the beginning of the play."""
    return round(datetime.fromisoformat(time).timestamp() - stage.clock.wall_s, 2)


def brief(record: Any) -> tuple[str, str, bool, str]:
    """An utterance in short."""
    return record["id"], record["source"]["text"], record["complete"], record["reason"]


# --- text ---------------------------------------------------------------------------------------------------------


@virtual
async def test_what_is_said_is_published_with_the_time_it_was_spoken() -> None:
    stage = Stage()
    stage.room.speak(2.0, in_s=1.0)
    async with stage.on():
        await pass_time(6)
        stage.service.concludes("Hello.")
        await pass_time()
    assert [segment["text"] for segment in stage.of("transcript")] == ["Hello."]
    assert stage.of("transcript")[0]["session_id"] == "s1"
    (utterance,) = stage.of("utterance")
    assert brief(utterance) == ("u1", "Hello.", True, "silence")
    assert (at(stage, utterance["start"]), at(stage, utterance["end"])) == (0.6, 3.0)
    assert stage.of("state") == ["idle", "listening", "idle"]


@virtual
async def test_an_utterance_starts_with_its_first_words() -> None:
    stage = Stage()
    stage.room.speak(2.0, in_s=1.0)
    async with stage.on():
        await pass_time(6)
        wall_s = stage.clock.wall_s
        words = Segment("Hello.", "en", wall_s + 0.85, wall_s + 2.9, "u1")
        stage.service.says(TranscriptUpdated(Stream.SOURCE, None, (words,), ()), UtteranceSettled("u1"))
        await pass_time()
    (utterance,) = stage.of("utterance")
    assert at(stage, utterance["start"]) == at(stage, stage.of("transcript")[0]["start"]) == 0.85


@virtual
async def test_homeless_text_may_lie_in_the_pre_roll() -> None:
    stage = Stage()
    stage.room.speak(2.0, in_s=1.0)
    async with stage.on():
        await pass_time(6)
        wall_s = stage.clock.wall_s
        for start_s in (0.8, 0.2):
            words = Segment("Hello.", "en", wall_s + start_s, wall_s + 2.0, None)
            stage.service.says(TranscriptUpdated(Stream.SOURCE, None, (words,), ()))
    assert [at(stage, segment["start"]) for segment in stage.of("transcript")] == [0.8, 0.6]


@virtual
async def test_tentative_text_comes_and_goes_with_the_session() -> None:
    stage = Stage()
    stage.room.speak(2.0, in_s=1.0)
    async with stage.on():
        await pass_time(2)
        words = Segment("Hel", "en", stage.clock.wall(), stage.clock.wall(), "u1")
        stage.service.says(TranscriptUpdated(Stream.SOURCE, None, (), (words,)))
        stage.service.ends(REFUSED)
        await pass_time()
    assert [tail["text"] for tail in stage.of("transcript/tentative")] == ["Hel", ""]


@virtual
async def test_an_utterance_that_nobody_settles_is_completed_in_bounded_time() -> None:
    stage = Stage(book=BookSettings(("de",), None))
    stage.room.speak(2.0, in_s=1.0)
    async with stage.on():
        await pass_time(5)
        words = Segment("Hello.", "en", stage.clock.wall_s + 1.0, stage.clock.wall_s + 2.9, "u1")
        stage.service.says(TranscriptUpdated(Stream.SOURCE, None, (words,), ()))
        await pass_time(10.9)
        assert stage.of("utterance") == []
        await pass_time(0.2)
    (utterance,) = stage.of("utterance")
    assert brief(utterance) == ("u1", "Hello.", False, "silence")


@virtual
async def test_speech_longer_than_allowed_is_one_activity() -> None:
    stage = Stage(gate=GateSettings(max_utterance_s=3.0), turn=TurnSettings("simultaneous", barge_in=True))
    stage.room.speak(7.0, in_s=1.0)
    async with stage.on():
        await pass_time(2)
        stage.service.says(spoken(4.0, "Ja."))
        await pass_time(10)
    assert stage.of("state") == ["idle", "listening", "speaking", "listening", "idle"]
    assert [event["event"] for event in stage.of("speech")] == ["started", "finished"], "the same person still speaks"


# --- what is lost -------------------------------------------------------------------------------------------------


@virtual
async def test_audio_of_an_outage_longer_than_the_backlog_is_told_with_its_utterances() -> None:
    stage = Stage([Fate(failure=REFUSED)] * 4, backlog_s=5.0)
    stage.room.speak(2.1, in_s=1.0)
    stage.room.speak(3.7, in_s=6.0)
    async with stage.on():
        await pass_time(14.9)
        (lost,) = stage.of("utterance")
        await pass_time(3)
        stage.service.concludes("Second.")
        await pass_time()
    assert brief(lost) == ("u1", "", False, "silence")
    assert lost["lost_ms"] == 3400
    second = stage.of("utterance")[1]
    assert (second["source"]["text"], second["complete"], second["lost_ms"]) == ("Second.", True, 0)
    assert [problem.get("code") for problem in stage.of("problem")] == ["unreachable", "audio_lost"]
    assert stage.reporter.standing.lost_ms == 3400


@virtual
async def test_a_parked_satellite_goes_on_telling_what_was_lost() -> None:
    stage = Stage([Fate(failure=BAD_KEY)], backlog_s=5.0)
    async with stage.on():
        for _ in range(20):
            stage.room.speak(2.0, in_s=1.0)
            await pass_time(10)
        assert [record["id"] for record in stage.of("utterance")] == [f"u{number}" for number in range(1, 19)]
        assert all(record["lost_ms"] == 3300 and not record["complete"] for record in stage.of("utterance"))
        assert stage.of("state") == ["idle", "listening", "parked"]
        assert [problem["code"] for problem in stage.of("problem")] == ["auth"]


@virtual
async def test_audio_on_its_way_when_the_connection_broke() -> None:
    stage = Stage()
    stage.room.speak(2.0, in_s=1.0)
    async with stage.on():
        await pass_time(6)
        stage.service.says(ConnectionLost("reset"), AudioLost("u1", 8000), SessionOpened(resumed=True))
        stage.service.concludes("Hello.")
        await pass_time()
    (utterance,) = stage.of("utterance")
    assert (utterance["lost_ms"], utterance["complete"]) == (500, False)
    assert [problem["code"] for problem in stage.of("problem")] == ["audio_lost"]


@virtual
async def test_the_end_of_an_utterance_whose_audio_a_failed_session_had_needs_no_session() -> None:
    stage = Stage()
    stage.room.speak(2.0, in_s=1.0)
    async with stage.on():
        await pass_time(3.85)
        stage.service.session.say(AudioLost("u1", 16000))
        stage.service.ends(REFUSED)
        await pass_time(20)
        assert len(stage.service.sessions) == 2, "the last of its audio came after the failure"
        assert brief(stage.of("utterance")[0]) == ("u1", "", False, "silence")


# --- the session --------------------------------------------------------------------------------------------------


@virtual
async def test_the_life_of_a_session_is_told() -> None:
    stage = Stage([Fate(failure=REFUSED)])
    stage.room.speak(2.0, in_s=1.0)
    async with stage.on():
        await pass_time(5)
        stage.service.says(ConnectionLost("reset"), SessionOpened(resumed=True), SpeechEnded("de"))
        stage.service.ends(SessionEnded("idle", expected=True))
        await pass_time()
    events = [(event["event"], event["session_id"], event["reason"]) for event in stage.of("session")]
    assert events == [
        ("failed", "s1", "connection refused"),
        ("opened", "s2", None),
        ("lost", "s2", "reset"),
        ("resumed", "s2", None),
        ("closed", "s2", "idle"),
    ]
    assert [problem.get("code") for problem in stage.of("problem")] == ["unreachable", None]


@virtual
async def test_parked_until_somebody_acts() -> None:
    stage = Stage([Fate(failure=BAD_KEY)])
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(60)
        assert stage.of("state") == ["idle", "listening", "parked"]
        stage.uplink.restart_session()
        await pass_time(1)
        stage.service.concludes("Hello.")
        await pass_time()
    assert stage.of("state")[3:] == ["idle"]
    assert brief(stage.of("utterance")[0]) == ("u1", "Hello.", True, "silence")
    (problem, solved) = stage.of("problem")
    assert (problem["code"], problem["hint"], solved) == ("auth", "check voice.deepl.api_key", {"active": False})


@virtual
async def test_what_is_still_open_at_the_very_end_is_published_as_it_is() -> None:
    stage = Stage([Fate(is_hungry=False)])
    stage.room.speak(9.0, in_s=1.0)
    async with stage.on():
        await pass_time(3)
        stage.listener.stop()
        await pass_time(1)
        assert stage.of("utterance") == []
        stage.book.audio_lost("u1", 2400)
        stage.router.finish()
    assert brief(stage.of("utterance")[0]) == ("u1", "", False, "stopped")


# --- speech -------------------------------------------------------------------------------------------------------


@virtual
async def test_the_microphone_is_deaf_from_the_first_sound_to_the_end_of_the_tail_and_no_longer() -> None:
    stage = Stage()
    stage.room.speak(1.0, in_s=1.0)
    stage.room.speak(60.0, in_s=5.0)
    async with stage.on():
        await pass_time(4)
        stage.service.concludes("Hello.")
        stage.service.says(spoken(2.0, "Hallo."))
        await pass_time(4)
    heard = stage.sink.heard[0]
    assert (round(heard.start - 1000, 2), round(heard.end - 1000, 2)) == (4.0, 6.0)
    assert stage.of("state") == ["idle", "listening", "idle", "speaking", "idle", "listening", "idle"]
    heard_again = next(
        piece for piece in stage.service.session.taken if isinstance(piece, AudioChunk) and piece.utterance_id == "u2"
    )
    assert heard_again.start_s - stage.clock.wall_s == pytest.approx(6.3, abs=0.021), "to a frame"


@virtual
async def test_speech_that_suppresses_ends_what_was_being_said_by_a_cough() -> None:
    stage = Stage()
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(4)
        stage.service.says(spoken(2.0, "Hallo."))
        await pass_time(0.1)
        stage.listener.hold(is_held=True)
        await pass_time(3)
        stage.listener.hold(is_held=False)
        await pass_time(3)
    assert stage.listener.utterances == 2, "held during playback it opens after the tail"


@virtual
async def test_speech_waits_while_somebody_speaks() -> None:
    stage = Stage()
    stage.room.speak(1.0, in_s=1.0)
    stage.room.speak(5.0, in_s=3.5)
    async with stage.on():
        await pass_time(4.5)
        stage.service.says(spoken(1.0, "Hallo."))
        await pass_time(20)
    assert round(stage.sink.heard[0].start - 1000, 2) == pytest.approx(3.5 + 5.0 + 0.9, abs=0.11)


@virtual
async def test_barge_in() -> None:
    stage = Stage(turn=TurnSettings("simultaneous", barge_in=True))
    stage.room.speak(1.0, in_s=1.0)
    stage.room.speak(1.0, in_s=5.0)
    async with stage.on():
        await pass_time(4)
        stage.service.says(spoken(5.0, "Hallo."))
        await pass_time(10)
    events = [(event["event"], event["duration_ms"]) for event in stage.of("speech")]
    assert events == [("started", 5000), ("cut", pytest.approx(1100, abs=101))]


@virtual
async def test_speech_that_is_not_wanted_any_more_is_cut() -> None:
    stage = Stage()
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(4)
        stage.service.says(spoken(5.0, "Hallo."))
        await pass_time(1)
        stage.service.says(SpeechCancelled("cancelled on request"))
        await pass_time(1)
    assert [event["event"] for event in stage.of("speech")] == ["started", "cut"]


@virtual
async def test_speech_refused_leaves_the_transcripts_alone() -> None:
    stage = Stage()
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(4)
        for _ in range(90):
            stage.service.says(spoken(1.0))
        stage.service.concludes("Hello.")
        await pass_time()
        assert brief(stage.of("utterance")[0]) == ("u1", "Hello.", True, "silence")
    assert stage.of("utterance")[0]["speech"] == {"language": "de", "duration_ms": 90_000}
    assert [problem.get("code") for problem in stage.of("problem")] == ["speaker", None], "until sound comes out again"


# --- mute ---------------------------------------------------------------------------------------------------------


@virtual
async def test_mute_discards_what_waits_and_ends_the_utterance() -> None:
    stage = Stage([Fate(opens_after_s=30.0)])
    stage.room.speak(9.0, in_s=1.0)
    async with stage.on():
        await pass_time(3)
        stage.listener.mute(is_muted=True)
        await pass_time(60)
    assert stage.backlog.is_empty
    assert stage.service.heard_ms == 0
    (utterance,) = stage.of("utterance")
    assert brief(utterance) == ("u1", "", False, "muted")
    assert utterance["lost_ms"] == 2400
    assert stage.of("problem") == [], "the user wished so"


@virtual
async def test_mute_in_the_middle_keeps_what_the_service_has() -> None:
    stage = Stage()
    stage.room.speak(9.0, in_s=1.0)
    async with stage.on():
        await pass_time(3)
        stage.listener.mute(is_muted=True)
        await pass_time(1)
        stage.service.concludes("Hello wo")
        await pass_time()
    (utterance,) = stage.of("utterance")
    assert brief(utterance) == ("u1", "Hello wo", True, "muted")


# --- alone --------------------------------------------------------------------------------------------------------


@virtual
async def test_a_router_that_nobody_is_wired_to_keeps_its_book() -> None:
    stage = Stage()
    router = Router(
        TranscriptBook(BookSettings((), None)),
        Floor(TurnPolicy(TurnSettings()), stage.clock),
        stage.reporter,
        stage.clock,
    )
    router.utterance_started("u1", 0.0, 0.0)
    router.audio(AudioChunk(bytes(2), 0.0, "u1"))
    router.session_event("s1", spoken(1.0, "Ja."))
    router.utterance_ended("u1", 1.0, EndReason.SILENCE)
    router.session_over("s1")
    router.finish()
    assert stage.of("utterance") == []
