"""Speech units in, decoded pieces out, within a bound."""

from typing import Any

import pytest

from satellite.core.events import SpeechChunk
from satellite.runtime.intake import HELD_BYTES_MAX, PIECES_MAX, TEXT_CHARACTERS_MAX, UNIT_BYTES, SpeechIntake
from tests.fakes.decoders import Decoders
from tests.fakes.stage import pcm, spoken
from tests.fakes.virtual_time import virtual


class Play:
    """An intake with decoders that keep their last unit back."""

    def __init__(self, limit_s: float = 60.0) -> None:
        self.decoders = Decoders()
        self.failures: list[str] = []
        self.pieces = 0
        self.intake = SpeechIntake(self.decoders, self.count, self.failures.append, limit_s)

    def count(self) -> None:
        self.pieces += 1

    def speak(self, *letters: str, utterance_id: str | None = "u1", **changes: Any) -> bool:
        """One unit of 0.1 s per letter."""
        return self.intake.speech(unit(*letters, **changes), utterance_id)

    def popped(self) -> list[tuple[str | None, str]]:
        """What waits, as utterance and letters."""
        pieces = []
        while not self.intake.is_empty:
            piece = self.intake.pop()
            pieces.append((piece.passage.utterance_id, piece.pcm[:1].decode()))
        return pieces


def unit(*letters: str, **changes: Any) -> SpeechChunk:
    data = tuple(letter.encode() * 3200 for letter in letters)
    return spoken(0.1 * len(letters), data=data, **changes)


@virtual
async def test_what_is_decoded_waits_and_what_is_kept_back_comes_with_a_flush() -> None:
    play = Play()
    assert (play.intake.is_empty, play.intake.is_done) == (True, True)
    assert play.speak("a", "b", text="Ja.")
    assert (play.intake.is_empty, play.intake.is_done, play.intake.seconds, play.pieces) == (False, False, 0.1, 1)
    assert play.popped() == [("u1", "a")]
    is_done = play.intake.is_done
    assert (is_done, play.intake.seconds) == (False, 0.0)
    assert await play.intake.flush()
    assert play.popped() == [("u1", "b")]
    assert play.intake.is_done
    assert not await play.intake.flush()


@virtual
async def test_without_a_decoder_there_is_nothing_to_flush() -> None:
    assert not await Play().intake.flush()


@virtual
async def test_one_stream_is_decoded_by_one_decoder() -> None:
    play = Play()
    play.speak("a", text="Ja.")
    play.speak("b", "c", utterance_id="u1")
    play.speak("d", "e", utterance_id="u2", text="Nein.")
    assert len(play.decoders.made) == 1
    await play.intake.flush()
    assert play.popped() == [("u1", "a"), ("u1", "b"), ("u2", "c"), ("u2", "d"), ("u2", "e")]


@virtual
async def test_a_passage_grows_with_its_chunks() -> None:
    play = Play()
    play.speak("a", text="Ja, ")
    play.speak("b", text="bitte.")
    play.speak("c")
    passage = play.intake.pop().passage
    assert (passage.utterance_id, passage.language, passage.text, passage.announced_ms) == (
        "u1",
        "de",
        "Ja, bitte.",
        300,
    )


@virtual
async def test_after_its_end_a_passage_is_told_anew() -> None:
    play = Play()
    play.intake.passage_ended()
    play.speak("a", "b", text="Ja.")
    before = play.intake.pop().passage
    play.intake.passage_ended()
    play.speak("c", text="Nein.")
    after = play.intake.pop().passage
    assert (before.text, after.text, after.utterance_id, after.announced_ms) == ("Ja.", "Nein.", "u1", 100)


@virtual
async def test_a_new_stream_waits_until_the_one_before_was_flushed() -> None:
    play = Play()
    play.speak("a", "b", text="Ja.")
    play.intake.stream_ended()
    assert play.speak("c", "d", utterance_id="u2", text="Nein.", headers=(b"head",))
    assert play.speak("e", utterance_id="u2")
    assert len(play.decoders.made) == 1
    held_up = [play.intake.is_held_up]
    assert await play.intake.flush()
    held_up.append(play.intake.is_held_up)
    assert held_up == [True, False]
    first, second = play.decoders.made
    assert (first.is_closed, second.is_closed, play.decoders.headers) == (True, False, [(), (b"head",)])
    await play.intake.flush()
    assert play.popped() == [("u1", "a"), ("u1", "b"), ("u2", "c"), ("u2", "d"), ("u2", "e")]


@virtual
async def test_streams_that_follow_each_other_fast_each_get_their_flush() -> None:
    play = Play()
    for number, letter in enumerate("abc"):
        play.speak(letter, utterance_id=f"u{number}", text=letter, headers=(b"head",))
    while not play.intake.is_done:
        await play.intake.flush()
        if not play.intake.is_held_up:
            await play.intake.flush()
            break
    assert play.popped() == [("u0", "a"), ("u1", "b"), ("u2", "c")]
    assert [decoder.flushes for decoder in play.decoders.made] == [1, 1, 1]


@virtual
async def test_a_change_of_type_begins_a_new_decoder() -> None:
    play = Play()
    play.speak("a", text="Ja.", content_type="audio/one")
    await play.intake.flush()
    play.speak("b", content_type="audio/two")
    await play.intake.flush()
    assert len(play.decoders.made) == 2
    assert play.popped() == [("u1", "a"), ("u1", "b")]


@virtual
async def test_what_cannot_be_decoded_is_refused_and_told_once_per_speech() -> None:
    play = Play()
    assert not play.speak("a", text="Ja.", content_type="nothing/known")
    assert not play.speak("b", content_type="nothing/known")
    assert play.failures == ["nothing/known cannot be decoded; ask the service for PCM"]
    assert play.speak("c", text="Nein.")
    assert len(play.failures) == 1


@virtual
async def test_over_the_bound_the_rest_of_that_speech_is_refused() -> None:
    play = Play(limit_s=1.0)
    assert play.speak(*"abcdefghijkl", text="Eins.")
    assert not play.speak("m")
    assert not play.speak("n")
    assert play.failures == ["more than 1 s of speech waits, the rest of this one is dropped"]
    assert not play.speak("o", text="Zwei.")
    assert len(play.failures) == 2
    while not play.intake.is_empty:
        play.intake.pop()
    assert not play.speak("p"), "the rest of what was refused"
    assert play.speak("q", text="Drei.")


@virtual
async def test_what_waits_for_a_flush_counts_too() -> None:
    play = Play(limit_s=1.0)
    play.speak("a", text="Eins.")
    play.intake.stream_ended()
    for _ in range(11):
        assert play.speak("b", text="Zwei.")
    assert not play.speak("c", text="Drei.")


@virtual
async def test_what_is_dropped_takes_the_rest_of_its_speech_along() -> None:
    play = Play()
    play.speak("a", "b", text="Ja.")
    play.intake.stream_ended()
    play.speak("c", text="Nein.")
    play.intake.drop()
    assert (play.intake.is_done, play.intake.seconds, play.decoders.made[0].is_closed) == (True, 0.0, True)
    assert not play.speak("d")
    assert play.speak("e", "f", text="Doch.")
    piece = play.intake.pop()
    assert (piece.pcm[:1], piece.passage.text) == (b"e", "Doch.")


@virtual
async def test_a_drop_during_a_flush() -> None:
    play = Play()
    play.speak("a", text="Ja.")
    decoder = play.decoders.made[0]
    play.intake.drop()
    await decoder.flush()
    assert play.intake.is_done


@virtual
async def test_the_rest_of_dropped_speech_does_not_reach_into_the_next_stream() -> None:
    play = Play()
    play.speak("a", text="Ja.")
    play.intake.drop()
    play.intake.stream_ended()
    assert play.speak("b")


@virtual
async def test_a_sound_waits_behind_the_speech() -> None:
    play = Play()
    play.speak("a", "b", text="Ja.")
    assert play.intake.sound(pcm(0.5, 8000), 8000)
    assert play.intake.seconds == 0.6
    assert [play.intake.pop().rate_hz for _ in range(2)] == [16_000, 8000]


@virtual
async def test_sounds_are_bounded_too_and_refuse_no_speech() -> None:
    play = Play(limit_s=1.0)
    assert play.intake.sound(pcm(9.0), 16_000)
    assert not play.intake.sound(pcm(1.0), 16_000)
    assert play.failures == ["more than 1 s of speech waits, a sound is dropped"]
    play.intake.pop()
    assert play.speak("a")


@virtual
async def test_a_decoder_that_speaks_after_its_end_is_not_heard() -> None:
    play = Play()
    play.speak("a", text="Ja.")
    decoder = play.decoders.made[0]
    play.intake.close()
    play.intake.close()
    decoder.is_closed = False
    decoder.feed((b"x" * 320, b""))
    assert play.intake.is_empty


@virtual
async def test_one_piece_of_speech_that_fills_more_than_its_share_is_cut_and_told_once() -> None:
    play = Play(limit_s=1.0)
    assert play.speak(*"a" * 50, text="Eins.")
    assert play.intake.seconds < 3.2
    assert len(play.failures) == 1
    assert not play.speak("b")
    play.popped()
    assert play.speak("c", "d", text="Zwei.")
    assert ("u1", "c") in play.popped()
    assert len(play.failures) == 1


@virtual
async def test_crumbs_of_speech_are_counted_as_well_as_seconds() -> None:
    play = Play()
    for _ in range(2 * PIECES_MAX):
        play.intake.speech(spoken(0.0, data=(b"ab",), text="Ja."), "u1")
    assert play.pieces == PIECES_MAX
    assert play.intake.seconds < 1
    assert play.failures


@virtual
async def test_speech_that_says_it_has_no_length_is_held_up_to_a_bound() -> None:
    play = Play()
    play.speak("a", text="Eins.")
    play.intake.stream_ended()
    taken = sum(play.intake.speech(spoken(0.0, data=(bytes(100_000),), text="Zwei."), "u1") for _ in range(1000))
    assert taken == HELD_BYTES_MAX // (100_000 + UNIT_BYTES) + 1
    play.intake.drop()
    assert play.intake.speech(spoken(0.0, data=(bytes(100_000),), text="Drei."), "u1")


@virtual
async def test_what_was_held_up_and_decoded_makes_room() -> None:
    play = Play(limit_s=1e6)
    for _ in range(200):
        play.speak("a", text="Eins.")
        play.intake.stream_ended()
        assert play.intake.speech(spoken(0.0, data=(bytes(100_000),), text="Zwei."), "u1")
        await play.intake.flush()
    assert play.failures == []


@virtual
async def test_the_text_of_a_passage_ends_somewhere() -> None:
    play = Play()
    for _ in range(100):
        play.intake.speech(spoken(0.0, data=(), text="Ja. " * 1000), "u1")
    play.speak("a", "b")
    assert len(play.intake.pop().passage.text) == TEXT_CHARACTERS_MAX


@virtual
async def test_a_service_that_never_stops_speaking_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    play = Play(limit_s=1.0)
    for _ in range(100):
        play.speak(*"a" * 5, text="Ja.")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert len(play.failures) == 97
    play.popped()
    for _ in range(100):
        play.speak(*"a" * 5, text="Ja.")
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
