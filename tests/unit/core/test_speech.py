"""The speech cursor: characters concluded against characters spoken."""

from hypothesis import given, settings
from hypothesis import strategies as st

from satellite.core.speech import MAX_PASSAGES, SpeechCursor


def test_speech_belongs_to_the_utterance_whose_text_it_repeats() -> None:
    cursor = SpeechCursor()
    cursor.concluded("u1", "Guten Morgen.")
    cursor.concluded("u2", " Wie geht es?")
    assert cursor.spoken("Guten Morgen.") == "u1"
    assert (cursor.owes("u1"), cursor.owes("u2")) == (False, True)
    assert cursor.spoken("Wie geht es?") == "u2"
    assert not cursor.owes("u2")


def test_speech_and_text_are_cut_differently() -> None:
    cursor = SpeechCursor()
    cursor.concluded("u1", "Guten")
    cursor.concluded("u1", " Morgen, Anna.")
    cursor.concluded("u2", " Ja.")
    assert cursor.spoken("Guten Morgen, ") == "u1"
    assert cursor.owes("u1")
    assert cursor.spoken("Anna. Ja.") == "u1"
    assert not cursor.owes("u2")


def test_speech_ahead_of_its_text() -> None:
    cursor = SpeechCursor()
    assert cursor.spoken("Guten Morgen.") is None
    cursor.concluded("u1", "Guten")
    assert not cursor.owes("u1")
    cursor.concluded("u1", " Morgen. Ja.")
    assert cursor.owes("u1")
    assert cursor.spoken("Ja.") == "u1"
    assert not cursor.owes("u1")


def test_speech_that_begins_in_known_text_and_runs_ahead() -> None:
    cursor = SpeechCursor()
    cursor.concluded("u1", "Guten")
    assert cursor.spoken("Guten Morgen.") == "u1"
    cursor.concluded("u1", " Morgen.")
    assert not cursor.owes("u1")


def test_text_that_was_never_spoken_is_skipped() -> None:
    cursor = SpeechCursor()
    cursor.concluded("u1", "Das ging verloren.")
    cursor.concluded("u2", " Hier geht es weiter.")
    assert cursor.spoken("Hier geht es") == "u2"
    assert not cursor.owes("u1")


def test_speech_in_other_words_goes_by_length() -> None:
    cursor = SpeechCursor()
    cursor.concluded("u1", "12 Uhr.")
    cursor.concluded("u2", "Ja.")
    assert cursor.spoken("zwölf!") == "u1"
    assert not cursor.owes("u1")
    assert cursor.spoken("Ja.") == "u2"


def test_blank_text_is_nothing() -> None:
    cursor = SpeechCursor()
    cursor.concluded("u1", "  ")
    assert not cursor.owes("u1")


def test_text_waiting_for_speech_that_never_comes_is_bounded() -> None:
    cursor = SpeechCursor()
    for number in range(MAX_PASSAGES + 1):
        cursor.concluded(f"u{number}", "Hallo.")
    assert not cursor.owes("u0")
    assert cursor.owes("u1")


@settings(deadline=None)
@given(st.lists(st.text("abc ", min_size=1, max_size=8), min_size=1, max_size=10), st.data())
def test_any_cut_of_the_same_text_pays_all_debts_in_order(texts: list[str], data: st.DataObject) -> None:
    cursor = SpeechCursor()
    for number, text in enumerate(texts):
        cursor.concluded(f"{number:02}", text)
    rest = "".join(texts)
    owners: list[str] = []
    while rest.strip():
        cut = data.draw(st.integers(1, len(rest)))
        if rest[:cut].strip():
            owners.append(cursor.spoken(rest[:cut]) or "")
        rest = rest[cut:]
    assert owners == sorted(owners)
    assert "" not in owners
    assert not any(cursor.owes(f"{number:02}") for number in range(len(texts)))
