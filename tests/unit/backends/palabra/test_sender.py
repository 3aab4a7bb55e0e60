import itertools

import pytest

from satellite.backends.base import CloseSocket, SessionState
from satellite.backends.palabra.jobs import Cancel, Say
from satellite.core.events import (
    ActionAnswered,
    SessionEnded,
    SpeechCancelled,
    UtteranceSent,
    UtteranceSettled,
)
from tests.fakes.playbook import Playbook
from tests.unit.backends.palabra.stage import (
    BEAT,
    beats,
    commands,
    confirmed,
    error,
    guessed,
    heard,
    in_room,
    names,
    options,
    running,
    said,
    spoken,
    task_is,
    translated,
)

NEVER_PAUSED = options(pause_after_s=None)


def gaps(book: Playbook) -> set[float]:
    times = [beat.at for beat in beats(book)]
    return {round(after - before, 3) for before, after in itertools.pairwise(times)}


def audible(book: Playbook) -> bytes:
    """What was sent, without zeros (samples of plays are never zero)."""
    return b"".join(beat.audio for beat in beats(book)).replace(b"\0", b"")


# --- the beat ---------------------------------------------------------------------------------------------------


def test_while_the_task_runs_there_is_a_beat() -> None:
    book = running(NEVER_PAUSED).after(10.0)
    assert gaps(book) == {0.32}
    assert {len(beat.audio) for beat in beats(book)} == {BEAT}
    assert not any(any(beat.audio) for beat in beats(book))
    assert book.session.counters.sent_samples == len(beats(book)) * BEAT // 2


def test_speech_takes_the_place_of_zeros() -> None:
    book = running(NEVER_PAUSED).after(0.96)
    said(book, seconds=1.0)
    assert all(0.22 <= gap <= 0.42 for gap in gaps(book))
    assert len(audible(book)) == 32_000
    assert book.all(UtteranceSent) == [UtteranceSent("u1")]


def test_the_end_of_an_utterance_is_filled_up_with_zeros() -> None:
    book = running(NEVER_PAUSED).waits("u1", 400).falls_silent("u1").after(0.7)
    loud = [beat.audio for beat in beats(book) if any(beat.audio)]
    assert [len(audio) for audio in loud] == [BEAT, BEAT]
    assert loud[1].endswith(bytes(BEAT - 80 * 32))


def test_what_waited_goes_out_in_real_time_and_no_zeros_with_it() -> None:
    book = running(NEVER_PAUSED).waits("u1", 3000)
    book.backlog.end_utterance("u1")
    book.hears("u2", 1000).falls_silent("u2").after(6.0)
    loud = [beat for beat in beats(book) if any(beat.audio)]
    assert len(loud) == 13  # 4 s in beats of 0.32 s
    assert gaps(book) == {0.32}
    assert len(audible(book)) == 4 * 32_000
    assert b"".join(beat.audio for beat in loud[:12]).count(b"\0") == 0
    assert [event.utterance_id for event in book.all(UtteranceSent)] == ["u1", "u2"]


def test_less_than_a_beat_of_an_open_utterance_is_waited_for() -> None:
    book = running(NEVER_PAUSED).after(0.1).hears("u1", 100)
    before = len(beats(book))
    book.after(0.4)
    assert len(beats(book)) == before
    book.hears("u1", 300)
    assert len(beats(book)) == before + 1
    assert 0 not in beats(book)[-1].audio


def test_but_not_for_long() -> None:
    book = running(NEVER_PAUSED).hears("u1", 100)
    assert not any(beats(book)[-1].audio)
    book.after(0.65)
    assert beats(book)[-1].audio[:3200].count(0) == 0
    assert not any(beats(book)[-1].audio[3200:])
    book.after(0.6)
    count = len(beats(book))
    book.after(0.64)
    assert len(beats(book)) == count + 1


def test_a_late_timer_does_not_put_off_the_beat() -> None:
    book = running(NEVER_PAUSED).after(0.32)
    start = beats(book)[0].at
    book.stalls_until(start + 0.64 + 0.05)
    book.at(start + 0.961)
    assert [round(beat.at - start, 3) for beat in beats(book)] == [0.0, 0.32, 0.69, 0.96]


def test_missed_beats_are_not_made_good() -> None:
    book = running(NEVER_PAUSED).after(0.32)
    count = len(beats(book))
    book.stalls_until(book.now + 5.0)
    assert len(beats(book)) == count + 1
    assert gaps(book.after(1.0)) == {0.32, 5.0}


def test_in_a_room_the_beat_is_shorter() -> None:
    book = in_room(options(client_id="a", client_secret="b", transport="webrtc", pause_after_s=None)).after(2.0)
    assert gaps(book) == {0.1}
    assert book.pings == []


def test_ends_of_utterances_that_a_session_before_had_in_whole_are_passed_on() -> None:
    book = running(NEVER_PAUSED).ended_elsewhere("u0").after(0.4)
    assert book.all(UtteranceSent) == [UtteranceSent("u0")]


# --- pause and resumption ------------------------------------------------------------------------------------------


def quiet(book: Playbook) -> Playbook:
    """An utterance, its text, translation and speech: nothing more is to come."""
    said(book).says(confirmed("a", "Good.", (0.5, 1.2))).says(translated("a", "Gut."))
    return book.says(spoken("a", b"\x00\x10" * 4800, last=True))


def test_silence_is_not_billed_for_long() -> None:
    book = quiet(running()).after(7.5)
    last_speech = [beat for beat in beats(book) if any(beat.audio)][-1].at
    (pause,) = [at for at, name, _ in commands(book) if name == "pause_task"]
    assert pause - last_speech == pytest.approx(5.0)
    assert max(beat.at for beat in beats(book)) <= pause
    book.after(20.0).says(task_is("paused")).after(20.0)
    assert names(book) == ["set_task", "get_task", "pause_task", "get_task"]
    assert max(beat.at for beat in beats(book)) <= pause


def test_speech_ends_a_pause_and_waits_for_the_task() -> None:
    book = quiet(running()).after(7.5).says(task_is("paused")).after(3.0)
    count, before = len(beats(book)), len(audible(book))
    book.speaks("u2", 2.0)
    assert len(beats(book)) == count
    assert names(book)[-1] == "set_task"
    book.after(0.2).says(task_is("running"))
    book.falls_silent("u2").after(4.0)
    assert len(audible(book)) == before + 64_000
    assert gaps(book) <= {0.32} | {gap for gap in gaps(book) if gap > 2.0 or 0.2 < gap < 0.5}


def test_it_is_not_paused_while_anything_is_to_come() -> None:
    book = said(running()).says(heard("a", "Good")).after(8.0)
    assert "pause_task" not in names(book)
    book.says(confirmed("a", "Good.")).after(6.0)
    assert "pause_task" not in names(book)
    book.says(guessed("a", "Gut")).after(8.0)
    assert "pause_task" not in names(book)
    book.says(translated("a", "Gut.")).after(8.0)
    assert "pause_task" not in names(book), "its speech"
    book.says(spoken("a", b"", last=True)).after(0.4)
    assert names(book)[-1] == "pause_task"


def test_a_pause_that_is_not_taken_leaves_the_beat() -> None:
    book = quiet(running()).after(7.5)
    count = len(beats(book))
    book.says(task_is("running")).after(20.0)
    assert len(beats(book)) > count + 50
    assert names(book).count("pause_task") == 1


# --- what users ask for ------------------------------------------------------------------------------------------


def test_a_wish_wakes_a_paused_task() -> None:
    book = quiet(running()).after(7.5).says(task_is("paused")).after(3.0)
    book.asks("tts_task", Say(text="Hallo."))
    book.after(2.2).says(task_is("running")).after(2.5)
    assert names(book)[-3:] == ["set_task", "get_task", "tts_task"]
    assert book.all(ActionAnswered)[-1].reason is None


def test_cancelling_drops_what_is_being_said() -> None:
    book = said(running()).says(heard("a", "Good")).skip()
    book.asks("flush_task", Cancel())
    book.after(0.0)
    book.after(2.5)
    assert len(book.all(SpeechCancelled)) == 1
    assert [answer.action for answer in book.all(ActionAnswered)] == ["flush_task"]
    book.says(confirmed("a", "Good."))
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]


# --- the end -------------------------------------------------------------------------------------------------------


def test_an_idle_session_is_ended() -> None:
    book = quiet(running(NEVER_PAUSED, idle_close_s=20.0)).after(25.0)
    assert names(book)[-1] == "end_task"
    assert commands(book)[-1][2] == {"eos_timeout": 2}
    assert book.session.state is SessionState.ENDING
    assert max(beat.at for beat in beats(book)) <= commands(book)[-1][0]


def test_a_paused_one_at_once() -> None:
    book = quiet(running(idle_close_s=20.0)).after(8.0).says(task_is("paused")).skip().after(20.0)
    assert commands(book)[-1][1:] == ("end_task", {"force": True})
    assert book.all(SessionEnded) == [SessionEnded("idle", expected=True)]
    assert book.all(CloseSocket) == [CloseSocket()]


def test_an_open_utterance_without_audio_keeps_it_a_little_longer() -> None:
    book = running(NEVER_PAUSED, idle_close_s=5.0).speaks("u1", 1.0)
    assert "end_task" not in names(book.after(28.0))
    assert "end_task" in names(book.after(3.0))


def test_everything_that_waits_is_sent_before_the_end() -> None:
    book = running().waits("u1", 1000)
    book.backlog.end_utterance("u1")
    book.finish().after(0.9)
    assert len(audible(book)) < 32_000
    assert names(book)[-1] == "get_task"
    book.after(0.5)
    assert len(audible(book)) == 32_000
    assert names(book)[-1] == "end_task"


def test_the_end_keeps_its_distance_from_a_pause() -> None:
    book = quiet(running()).after(6.4)
    while names(book)[-1] != "pause_task":
        book.after(0.05)
    paused_at = commands(book)[-1][0]
    book.finish().after(4.0)
    assert commands(book)[-1][0] - paused_at >= 3.1 - 1e-6
    assert names(book)[-1] == "end_task"


def test_wishes_that_wait_at_the_end_are_answered() -> None:
    book = running()
    book.asks("tts_task", Say(text="x"))
    book.asks("tts_task", Say(text="y"))
    book.finish().after(0.1)
    assert [answer.reason for answer in book.all(ActionAnswered)] == ["the session ends"] * 2


def test_errors_that_concern_nobody_change_nothing() -> None:
    book = running(NEVER_PAUSED).says(error("X", "y")).after(1.0)
    assert book.session.state is SessionState.STREAMING
