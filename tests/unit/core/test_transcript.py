"""The transcript book, as plays in virtual time: inputs, then exactly what is to be published."""

import pytest

from satellite.core.events import Stream
from satellite.core.transcript import (
    MAX_COMPLETED,
    MAX_OPEN,
    MAX_TENTATIVE_CHARACTERS,
    MAX_UNEXPECTED,
    BookSettings,
    SegmentConcluded,
    TentativeChanged,
)
from satellite.core.utterance import MAX_CHARACTERS
from tests.fakes.book import NOON, Play, record_of, segment, source, speech, target

# --- segments -----------------------------------------------------------------------------------------------------


def test_concluded_segments_are_published_whole() -> None:
    play = Play()
    play.talk()
    play.updated(source([segment(" Hello", (0.2, 0.9), who="A")]))
    play.updated(target("de", [segment("Hallo", (0.3, 0.8), language="DE-de")]))
    assert play.book.outputs() == [
        SegmentConcluded("u1-source-1", "u1", Stream.SOURCE, "en", "Hello", NOON + 0.2, NOON + 0.9, "A"),
        SegmentConcluded("u1-de-1", "u1", Stream.TARGET, "de", "Hallo", NOON + 0.3, NOON + 0.8, None),
    ]
    assert play.book.outputs() == []


def test_ids_count_per_utterance_and_stream() -> None:
    play = Play()
    play.talk("u1")
    play.talk("u2", at_s=5)
    play.updated(source([segment("a"), segment("b", (1, 2)), segment("c", (5, 6), "u2")]))
    play.updated(target("de", [segment("A"), segment("B", (1, 2)), segment("C", (5, 6), "u2")]))
    assert play.out() == [
        "u1-source-1: a",
        "u1-source-2: b",
        "u2-source-1: c",
        "u1-de-1: A",
        "u1-de-2: B",
        "u2-de-1: C",
    ]


def test_text_without_blanks_is_joined_without_blanks() -> None:
    play = Play(BookSettings(("ja",), None))
    play.talk()
    play.updated(source([segment("Turn"), segment(" on", (1, 2))]))
    play.updated(target("ja", [segment("電気を"), segment("つけて", (1, 2))]))
    play.settle()
    assert play.out()[-1] == "u1 complete: Turn on ja=電気をつけて"


def test_duplicates_and_blank_texts_produce_nothing() -> None:
    play = Play()
    play.talk()
    play.updated(source([segment("Hello"), segment(""), segment("Hello"), segment("  ", (1, 2))]))
    play.updated(source([segment("Hello")]))
    play.updated(source())
    assert play.out() == ["u1-source-1: Hello"]
    assert play.book.counters.duplicate_segments == 2


def test_the_same_words_again_are_no_duplicate() -> None:
    play = Play()
    play.talk()
    play.updated(source([segment("no", (0, 1)), segment("no", (1, 2))]))
    assert play.out() == ["u1-source-1: no", "u1-source-2: no"]


# --- tentative text -----------------------------------------------------------------------------------------------


def test_the_tail_is_replaced_as_a_whole() -> None:
    play = Play()
    play.book.utterance_started("u1", NOON, NOON)
    play.updated(source(tentative=[segment("Accendi la", (0.4, 1), language="it")]))
    play.updated(
        source(
            [segment("Accendi la luce", (0.4, 1.4), language="it")],
            [segment(" in", (1.4, 1.6), language="it"), segment(" cucina.", (1.6, 2.2), language="it")],
        )
    )
    play.updated(source([segment(" in cucina.", (1.4, 2.2), language="it")]))
    assert play.book.outputs() == [
        TentativeChanged("u1", Stream.SOURCE, "it", "Accendi la", NOON + 0.4, NOON + 1),
        SegmentConcluded("u1-source-1", "u1", Stream.SOURCE, "it", "Accendi la luce", NOON + 0.4, NOON + 1.4, None),
        TentativeChanged("u1", Stream.SOURCE, "it", "in cucina.", NOON + 1.4, NOON + 2.2),
        SegmentConcluded("u1-source-2", "u1", Stream.SOURCE, "it", "in cucina.", NOON + 1.4, NOON + 2.2, None),
        TentativeChanged("u1", Stream.SOURCE, "it", "", NOON + 1.4, NOON + 2.2),
    ]


def test_a_tail_that_did_not_change_is_not_published_again() -> None:
    play = Play()
    play.book.utterance_started("u1", NOON, NOON)
    for _ in range(3):
        play.updated(target("de", tentative=[segment("Licht", language="de-DE")]))
    for _ in range(3):
        play.updated(target("de"))
    assert play.out() == ["u1 de? Licht", "u1 de? "]


def test_a_blank_tail_is_no_tail_but_blanks_inside_count() -> None:
    play = Play()
    play.book.utterance_started("u1", NOON, NOON)
    play.updated(source(tentative=[segment(" ")]))
    play.updated(source(tentative=[segment(" ", (0, 1)), segment("a", (1, 2)), segment(" "), segment("b", (2, 3))]))
    assert play.book.outputs() == [TentativeChanged("u1", Stream.SOURCE, "en", "a b", NOON + 1, NOON + 3)]
    play.updated(source(tentative=[segment(" ")]))
    assert play.out() == ["u1 en? "]


def test_streams_do_not_touch_each_other() -> None:
    play = Play()
    play.book.utterance_started("u1", NOON, NOON)
    play.updated(source(tentative=[segment("yes")]))
    play.updated(target("de", tentative=[segment("ja")]))
    play.updated(target("fr", tentative=[segment("oui")]))
    play.updated(target("de"))
    assert play.out() == ["u1 en? yes", "u1 de? ja", "u1 fr? oui", "u1 de? "]


def test_a_tail_over_two_utterances_begins_in_the_first() -> None:
    play = Play()
    play.book.utterance_started("u1", NOON, NOON)
    play.book.utterance_started("u2", NOON + 5, NOON + 5)
    play.updated(source(tentative=[segment("one", (1, 2)), segment(" two", (5, 6), "u2")]))
    assert play.out() == ["u1 en? one two"]


# --- text without a home ------------------------------------------------------------------------------------------


def test_text_of_an_unknown_utterance_goes_to_the_nearest() -> None:
    play = Play()
    play.talk("u1")
    play.talk("u2", at_s=10)
    play.updated(source([segment("a", (2.5, 4), None), segment("b", (8, 9.5), "who?"), segment("c", (99, 100), None)]))
    assert [
        (output.id, output.start_s - NOON, output.end_s - NOON)
        for output in play.book.outputs()
        if isinstance(output, SegmentConcluded)
    ] == [("u1-source-1", 2, 2), ("u2-source-1", 10, 10), ("u2-source-2", 12, 12)]


def test_an_open_utterance_takes_what_comes_later_and_keeps_its_times() -> None:
    play = Play()
    play.talk("u1")
    play.book.utterance_started("u2", NOON + 10, NOON + 10)
    play.updated(source([segment("a", (50, 51), None), segment("b", (7, 8), None), segment("c", (-9, -8), None)]))
    assert [
        (output.id, output.start_s - NOON, output.end_s - NOON)
        for output in play.book.outputs()
        if isinstance(output, SegmentConcluded)
    ] == [("u2-source-1", 50, 51), ("u2-source-2", 10, 10), ("u1-source-1", 0, 0)]


def test_homeless_text_stays_within_what_was_sent_pre_roll_included() -> None:
    play = Play()
    play.book.utterance_started("u1", NOON - 0.4, NOON)
    play.book.utterance_ended("u1", NOON + 2, "silence", play.now)
    play.updated(source([segment("a", (-0.2, 1), None), segment("b", (-9, -8), None)]))
    times = [output.start_s - NOON for output in play.book.outputs() if isinstance(output, SegmentConcluded)]
    assert times == pytest.approx([-0.2, -0.4], abs=1e-6)


def test_text_before_anybody_spoke_is_counted_and_dropped() -> None:
    play = Play()
    play.updated(source([segment("ghost", uid=None)], [segment("ghost", uid="u0")]))
    assert play.out() == []
    assert play.book.counters.homeless_segments == 1


def test_inputs_for_unknown_utterances_are_ignored() -> None:
    play = Play()
    play.book.utterance_ended("u0", NOON, "silence", play.now)
    play.book.utterance_sent("u0", play.now)
    play.settle("u0")
    play.book.audio_lost("u0", 100)
    play.book.utterance_lost("u0", play.now)
    assert play.out() == []
    assert play.book.next_deadline() is None


def test_starting_twice_starts_once() -> None:
    play = Play()
    play.book.utterance_started("u1", NOON, NOON)
    play.talk("u1")
    play.updated(source([segment("a")]))
    play.settle()
    assert play.out() == ["u1-source-1: a", "u1 complete: a"]
    assert play.book.next_deadline() is None


# --- speech -------------------------------------------------------------------------------------------------------


def two_spoken() -> Play:
    play = Play(BookSettings(("de",), "de"))
    play.talk("u1")
    play.talk("u2", at_s=5)
    return play


def test_speech_finds_its_utterance_by_its_text() -> None:
    play = two_spoken()
    play.updated(target("de", [segment("Eins."), segment(" Zwei.", (5, 6), "u2")]))
    assert [play.spoke(text) for text in ("Eins.", None, "", " ", "Zwei.", None)] == ["u1"] * 4 + ["u2"] * 2


def test_speech_before_its_text_goes_to_the_oldest_without_speech() -> None:
    play = two_spoken()
    assert play.spoke("Eins.") == "u1"
    assert play.spoke(None) == "u1"
    assert play.spoke("Zwei.") == "u2"
    assert play.spoke("Drei.") == "u2", "all have speech: the newest"


def test_speech_before_its_text_prefers_an_utterance_with_words() -> None:
    play = two_spoken()
    play.updated(source([segment("two", (5, 6), "u2")]))
    assert play.spoke("Zwei.") == "u2"


def test_speech_that_begins_without_text() -> None:
    play = two_spoken()
    assert play.spoke(None) == "u1"


def test_speech_before_anybody_spoke() -> None:
    assert Play().spoke("Eins.") is None


def test_speech_in_a_language_nobody_asked_for_is_assigned_too() -> None:
    play = Play()
    play.talk()
    play.updated(target("de", [segment("Eins.")]))
    assert play.spoke("Eins.") == "u1"


# --- what no service ever had -------------------------------------------------------------------------------------


def test_an_utterance_no_session_had_is_completed_as_lost() -> None:
    play = Play(BookSettings(("de",), None))
    play.book.utterance_started("u1", NOON - 0.4, NOON)
    play.book.utterance_ended("u1", NOON + 2, "silence", play.now)
    play.book.audio_lost("u1", 2000)
    play.book.audio_lost("u1", 400)
    play.book.utterance_lost("u1", play.now)
    (record,) = [record_of(output) for output in play.book.outputs()]
    assert (record.id, record.start_s, record.end_s, record.source_text) == ("u1", NOON, NOON + 2, "")
    assert (record.lost_ms, record.complete, record.reason) == (2400, False, "silence")


def test_a_lost_utterance_waits_for_those_before_it() -> None:
    play = Play()
    play.book.utterance_started("u1", NOON, NOON)
    play.book.utterance_started("u2", NOON + 5, NOON + 5)
    play.book.utterance_ended("u2", NOON + 6, "muted", play.now)
    play.book.audio_lost("u2", 1000)
    play.book.utterance_lost("u2", play.now)
    assert play.out() == []
    play.book.utterance_ended("u1", NOON + 2, "silence", play.now)
    play.settle("u1")
    assert play.out() == ["u2 INCOMPLETE: "]


# --- the end of a session -----------------------------------------------------------------------------------------


def test_session_over_with_tentative_text_left() -> None:
    play = Play(BookSettings(("de",), "de"))
    play.talk("u1")
    play.updated(source([segment("Good")], [segment(" morning")]))
    play.updated(target("de", tentative=[segment("Guten")]))
    play.out()
    play.book.session_over(play.now)
    assert play.out() == ["u1 en? ", "u1 de? ", "u1 INCOMPLETE: Good"]
    assert play.book.next_deadline() is None


def test_session_over_with_everything_concluded() -> None:
    play = Play(BookSettings(("de",), "de"))
    play.talk("u1")
    play.updated(source([segment("Yes.")]))
    play.updated(target("de", [segment("Ja.")]))
    play.book.session_over(play.now)
    assert play.out()[-1] == "u1 complete: Yes. de=Ja."


def test_an_utterance_over_two_sessions() -> None:
    play = Play()
    play.book.utterance_started("u1", NOON, NOON)
    play.updated(source([segment("Good")], [segment(" morn", (1, 2))]))
    play.book.session_over(play.now)
    assert play.out() == ["u1-source-1: Good", "u1 en? morn", "u1 en? "]
    play.talk("u1", length_s=5)
    play.updated(source([segment("day", (2, 3))]))
    play.settle()
    assert play.out() == ["u1-source-2: day", "u1 INCOMPLETE: Goodday"]


def test_the_last_session_leaves_nothing_open() -> None:
    play = Play()
    play.talk("u1")
    play.updated(source([segment("one")]))
    play.book.utterance_started("u2", NOON + 5, NOON + 5)
    play.updated(source([segment("two", (5, 6), "u2")]))
    play.book.session_over(play.now, is_final=True)
    assert play.out()[-2:] == ["u1 complete: one", "u2 INCOMPLETE: two"]
    assert play.book.next_deadline() is None


def test_without_a_settled_event_silence_settles() -> None:
    play = Play()
    play.talk()
    play.updated(source([segment("Hello")]))
    play.now += 2
    play.updated(source([segment(" you", (1, 2))]))
    assert play.wait_for_deadline() == 3
    assert play.out() == ["u1-source-1: Hello", "u1-source-2: you", "u1 complete: Hello you"]


def test_settings_hold_for_utterances_begun_under_them() -> None:
    play = Play(BookSettings(("de",), None))
    play.talk("u1")
    play.book.configure(BookSettings((), None))
    play.talk("u2", at_s=5)
    play.updated(source([segment("one"), segment("two", (5, 6), "u2")]))
    play.settle("u1")
    play.settle("u2")
    assert play.out() == ["u1-source-1: one", "u2-source-1: two"]
    play.updated(target("de", [segment("eins")]))
    assert play.out() == ["u1-de-1: eins", "u1 complete: one de=eins", "u2 complete: two"]


# --- memory -------------------------------------------------------------------------------------------------------


def test_too_many_open_utterances_complete_as_they_are() -> None:
    play = Play()
    for number in range(MAX_OPEN + 1):
        play.book.utterance_started(f"u{number}", NOON + number, NOON + number)
    play.updated(source([segment("five", (5, 6), "u5")]))
    assert play.book.counters.silent_utterances == 1, "the oldest"


def test_completed_utterances_are_forgotten_in_the_end() -> None:
    play = Play()
    for number in range(MAX_COMPLETED + 1):
        play.talk(f"u{number}", at_s=number * 10)
        play.settle(f"u{number}")
    play.updated(source([segment("one", (10, 11), "u1"), segment("nought", (0, 1), "u0")]))
    assert play.out() == ["u1-source-1: one", "u1-source-2: nought"]


def test_text_in_ever_more_languages_is_not_taken() -> None:
    play = Play(BookSettings(("de",), "fr"))
    play.talk()
    for number in range(10_000):
        play.updated(target(f"x{number}", [segment("Ja.")], [segment("Nein")]))
        play.book.spoke(speech("Ja.", language=f"y{number}"), play.now)
    play.updated(target("de", [segment("Gut.")]))
    play.updated(source([segment("Good.")]))
    assert play.spoke("Gut.") == "u1"
    assert len(play.out()) == MAX_UNEXPECTED // 2 * 2 + 2
    assert play.book.counters.unexpected_updates == 2 * 10_000 - MAX_UNEXPECTED


def test_another_session_may_have_other_languages() -> None:
    play = Play()
    for session in range(5):
        play.talk(f"u{session}", at_s=session * 10)
        for number in range(MAX_UNEXPECTED):
            play.updated(target(f"{session}-{number}", [segment("Ja.", uid=f"u{session}")]))
        play.book.session_over(play.now)
    assert play.book.counters.unexpected_updates == 0


def test_an_endless_tail_is_cut() -> None:
    play = Play()
    play.talk()
    play.updated(source(tentative=[segment("x" * 100) for _ in range(1000)]))
    (shown,) = play.out()
    assert len(shown) == MAX_TENTATIVE_CHARACTERS + len("u1 en? ")


def test_text_without_end_is_told_and_not_kept() -> None:
    play = Play(BookSettings((), None))
    play.talk()
    for number in range(3_000):
        play.updated(source([segment("x" * 100, (number / 3_000, (number + 1) / 3_000))]))
    told = play.out()
    assert len(set(told)) == 3_000
    play.book.session_over(play.now)
    (record,) = play.out()
    assert record.startswith("u1 INCOMPLETE: ")
    assert len(record) == MAX_CHARACTERS + len("u1 INCOMPLETE: ")
