"""When the transcript book takes an utterance for complete, as plays in virtual time."""

from satellite.core.transcript import (
    BookSettings,
    UtteranceRecord,
)
from tests.fakes.book import NOON, Play, record_of, segment, source, target

# --- completion ---------------------------------------------------------------------------------------------------


def test_an_utterance_with_everything() -> None:
    play = Play(BookSettings(("de",), "de"))
    play.book.utterance_started("u1", NOON, NOON)
    play.updated(source([segment("Good morning.", (0, 2))]))
    play.updated(target("de", [segment("Guten Morgen.", (0, 1.9))]))
    play.book.utterance_ended("u1", NOON + 2.5, "silence", play.now)
    play.book.utterance_sent("u1", play.now)
    play.settle()
    assert play.spoke("Guten", 400) == "u1"
    assert play.out() == ["u1-source-1: Good morning.", "u1-de-1: Guten Morgen."]
    assert play.spoke(" Morgen.", 600) == "u1"
    (output,) = play.book.outputs()
    assert record_of(output) == UtteranceRecord(
        id="u1",
        start_s=NOON,
        end_s=NOON + 2.5,
        source_language="en",
        source_text="Good morning.",
        translations=(("de", "Guten Morgen."),),
        speech_language="de",
        speech_ms=1000,
        lost_ms=0,
        complete=True,
        reason="silence",
    )
    assert play.book.next_deadline() is None


def test_a_deadline_that_comes_early_changes_nothing() -> None:
    play = Play()
    play.talk()
    play.updated(source([segment("Hello")]))
    play.now += 2.9
    play.book.deadline_reached(play.now)
    assert play.out() == ["u1-source-1: Hello"]


def test_a_translation_that_trails() -> None:
    play = Play(BookSettings(("de",), None))
    play.talk()
    play.updated(source([segment("Good morning.", (0, 2))]))
    play.settle()
    play.now += 5
    play.updated(target("de", [segment("Guten", (0, 1))], [segment(" Morgen.", (1, 2))]))
    play.now += 7
    play.updated(target("de", [segment(" Morgen.", (1, 2))]))
    assert play.out()[-2:] == ["u1 de? ", "u1 complete: Good morning. de=Guten Morgen."]


def test_a_translation_that_never_comes() -> None:
    play = Play(BookSettings(("de",), None))
    play.talk()
    play.updated(source([segment("Good morning.")]))
    play.settle()
    assert play.wait_for_deadline() == 8
    assert play.out()[-1] == "u1 INCOMPLETE: Good morning."


def test_a_translation_that_stays_tentative() -> None:
    play = Play(BookSettings(("de",), None))
    play.talk()
    play.updated(source([segment("Good morning.")]))
    play.updated(target("de", [segment("Guten")], [segment(" Morgen")]))
    play.settle()
    assert play.wait_for_deadline() == 8
    assert play.out()[-1] == "u1 INCOMPLETE: Good morning. de=Guten"


def test_source_text_that_stays_tentative_although_later_text_comes() -> None:
    play = Play()
    play.talk("u1")
    play.book.utterance_started("u2", NOON + 5, NOON + 5)
    play.updated(source([segment("Well,")]))
    for number in range(11):
        play.updated(source(tentative=[segment(" hm", (1, 2)), segment(f" {number}", (5, 6), "u2")]))
        play.now += 1
    assert "u1 INCOMPLETE: Well," not in play.out()
    play.book.deadline_reached(play.now)
    assert play.out() == ["u1 INCOMPLETE: Well,"]


def test_a_repeated_guess_is_no_progress() -> None:
    play = Play()
    play.talk()
    for _ in range(11):
        play.updated(source(tentative=[segment("hm")]))
        play.now += 1
    play.updated(source(tentative=[segment("hm")]))
    assert play.out() == ["u1 en? hm", "u1 INCOMPLETE: "]


def test_speech_that_never_comes() -> None:
    play = Play(BookSettings(("de",), "de"))
    play.talk()
    play.updated(source([segment("Good morning.")]))
    play.updated(target("de", [segment("Guten Morgen.")]))
    play.settle()
    play.now += 1
    play.spoke("Guten", 300)
    assert play.wait_for_deadline() == 8
    assert play.out()[-1] == "u1 complete: Good morning. de=Guten Morgen."


def test_lost_audio_makes_it_incomplete() -> None:
    play = Play()
    play.book.utterance_started("u1", NOON, NOON)
    play.book.audio_lost("u1", 300)
    play.book.audio_lost("u1", 200)
    play.talk()
    play.settle()
    (output,) = play.book.outputs()
    assert (record_of(output).lost_ms, record_of(output).complete) == (500, False)


def test_noise_is_no_news() -> None:
    play = Play(BookSettings(("de",), "de"))
    play.talk()
    assert play.wait_for_deadline() == 3
    assert play.out() == []
    assert play.book.counters.silent_utterances == 1
    assert play.book.next_deadline() is None


def test_audio_that_waits_for_a_link_keeps_its_utterance_open() -> None:
    play = Play()
    play.book.utterance_started("u1", NOON, NOON)
    play.book.utterance_ended("u1", NOON + 2, "silence", play.now)
    play.now += 3600
    play.book.deadline_reached(play.now)
    assert play.book.next_deadline() is None
    play.book.session_over(play.now)
    play.book.utterance_sent("u1", play.now)
    play.updated(source([segment("Late but whole.")]))
    play.settle()
    assert play.out() == ["u1-source-1: Late but whole.", "u1 complete: Late but whole."]


def test_completion_keeps_the_order_of_speaking() -> None:
    play = Play()
    play.talk("u1")
    play.talk("u2", at_s=5)
    play.updated(source([segment("two", (5, 6), "u2")]))
    play.settle("u2")
    assert play.out() == ["u2-source-1: two"]
    play.updated(source([segment("one")]))
    play.settle("u1")
    assert play.out() == ["u1-source-1: one", "u1 complete: one", "u2 complete: two"]


def test_late_text_is_published_but_completes_nothing_twice() -> None:
    play = Play(BookSettings(("de",), "de"))
    play.talk()
    play.updated(source([segment("one")]))
    play.settle()
    play.wait_for_deadline()
    assert play.out()[-1] == "u1 INCOMPLETE: one"
    play.updated(source([segment("more", (1, 2))]))
    play.updated(target("de", [segment("eins")]))
    play.settle()
    assert play.out() == ["u1-source-2: more", "u1-de-1: eins"]
    assert play.spoke("eins") == "u1"


def test_what_was_said_in_a_target_language_needs_no_translation_to_it() -> None:
    play = Play(BookSettings(("de",), None))
    play.talk()
    play.updated(source([segment("Guten Morgen.", language="de")]))
    play.updated(target("en", [segment("Good morning.")]))
    play.settle()
    assert play.out()[-1] == "u1 complete: Guten Morgen. en=Good morning."
