from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from satellite.core.audio import RATE_HZ, AudioChunk
from satellite.core.backlog import Backlog, Dropped, UtteranceEnd
from satellite.errors import LocalMisuse

DAY_S = 1_790_000_000.0


def chunk(samples: str, at: int = 0, utterance_id: str = "u") -> AudioChunk:
    """One letter per sample; `at` is its place in time, in samples."""
    return AudioChunk("".join(letter * 2 for letter in samples).encode(), DAY_S + at / RATE_HZ, utterance_id)


def drain(backlog: Backlog, max_samples: int) -> list[AudioChunk | UtteranceEnd]:
    pieces = []
    while (piece := backlog.take(max_samples)) is not None:
        pieces.append(piece)
    return pieces


def told(piece: AudioChunk | UtteranceEnd | None) -> tuple[str, int] | str | None:
    """A piece in short: its letters and place in time, or the utterance that ended."""
    if isinstance(piece, AudioChunk):
        return piece.data[::2].decode(), round((piece.start_s - DAY_S) * RATE_HZ)
    return piece.utterance_id if piece else None


def test_nothing_waits_at_first() -> None:
    backlog = Backlog(10)
    assert (backlog.is_empty, backlog.samples, backlog.seconds, backlog.take(5)) == (True, 0, 0.0, None)


def test_a_chunk_that_fits_is_handed_over_as_it_is() -> None:
    backlog, whole = Backlog(4000), AudioChunk(bytes(3200), DAY_S, "u")
    assert backlog.append(whole) == ()
    assert backlog.take(1600) is whole
    assert backlog.is_empty


def test_seconds_are_those_of_the_audio() -> None:
    backlog = Backlog(RATE_HZ)
    backlog.append(AudioChunk(bytes(RATE_HZ), DAY_S, "u"))
    assert backlog.seconds == 0.5


def test_audio_without_samples_does_not_count_as_waiting() -> None:
    backlog = Backlog(10)
    assert backlog.append(chunk("")) == ()
    assert backlog.is_empty


def test_contiguous_chunks_are_merged_and_split_to_the_length_asked_for() -> None:
    backlog = Backlog(100)
    backlog.append(chunk("abc"))
    backlog.append(chunk("de", at=3))
    backlog.append(chunk("fghi", at=5))
    assert [told(piece) for piece in drain(backlog, 4)] == [("abcd", 0), ("efgh", 4), ("i", 8)]


def test_a_long_chunk_is_split_and_its_parts_keep_their_time() -> None:
    backlog = Backlog(100)
    backlog.append(chunk("abcdefg", at=20))
    assert [told(piece) for piece in drain(backlog, 3)] == [("abc", 20), ("def", 23), ("g", 26)]


def test_a_mark_comes_behind_its_audio_and_parts_utterances() -> None:
    backlog = Backlog(100)
    backlog.append(chunk("ab", utterance_id="u1"))
    backlog.end_utterance("u1")
    backlog.append(chunk("cd", at=2, utterance_id="u2"))
    assert [told(piece) for piece in drain(backlog, 10)] == [("ab", 0), "u1", ("cd", 2)]


def test_audio_of_two_utterances_is_not_merged_even_without_a_mark() -> None:
    backlog = Backlog(100)
    backlog.append(chunk("ab", utterance_id="u1"))
    backlog.append(chunk("cd", at=2, utterance_id="u2"))
    assert [told(piece) for piece in drain(backlog, 10)] == [("ab", 0), ("cd", 2)]


@pytest.mark.parametrize(("gap_s", "pieces"), [(0.0009, 1), (0.0012, 2), (-0.0009, 1), (-0.0012, 2)])
def test_audio_is_merged_only_when_its_times_fit(gap_s: float, pieces: int) -> None:
    backlog = Backlog(1000)
    backlog.append(AudioChunk(bytes(320), DAY_S, "u"))
    backlog.append(AudioChunk(bytes(320), DAY_S + 160 / RATE_HZ + gap_s, "u"))
    assert len(drain(backlog, 1000)) == pieces


def test_a_gap_inside_is_seen_after_a_split() -> None:
    backlog = Backlog(1000)
    backlog.append(chunk("abcd"))
    backlog.append(chunk("ef", at=100))
    assert [told(piece) for piece in drain(backlog, 3)] == [("abc", 0), ("d", 3), ("ef", 100)]


def test_over_the_bound_the_oldest_audio_goes() -> None:
    backlog = Backlog(4)
    assert backlog.append(chunk("abc")) == ()
    assert backlog.append(chunk("de", at=3)) == (Dropped("u", 1),)
    assert backlog.samples == 4
    assert [told(piece) for piece in drain(backlog, 10)] == [("bcde", 1)]


def test_a_chunk_longer_than_the_bound_keeps_its_end() -> None:
    backlog = Backlog(2)
    backlog.append(chunk("a", utterance_id="u1"))
    assert backlog.append(chunk("bcde", at=1, utterance_id="u2")) == (Dropped("u1", 1), Dropped("u2", 2))
    assert told(backlog.take(9)) == ("de", 3)


def test_what_goes_is_told_once_per_utterance() -> None:
    backlog = Backlog(4)
    for at, letters in enumerate(("ab", "cd")):
        backlog.append(chunk(letters, at=2 * at, utterance_id="u1"))
    assert backlog.append(chunk("efgh", at=4, utterance_id="u2")) == (Dropped("u1", 4),)


def test_a_mark_goes_with_an_utterance_of_which_nothing_was_taken() -> None:
    backlog = Backlog(2)
    told_of: list[Dropped] = []
    for number, letters in enumerate(("ab", "cd", "ef")):
        told_of += backlog.append(chunk(letters, at=2 * number, utterance_id=f"u{number}"))
        assert backlog.end_utterance(f"u{number}")
    assert told_of == [Dropped("u0", 2, is_whole=True), Dropped("u1", 2, is_whole=True)]
    assert [told(piece) for piece in drain(backlog, 10)] == [("ef", 4), "u2"]


def test_what_goes_bit_by_bit_is_whole_with_the_last_bit() -> None:
    backlog = Backlog(2)
    backlog.append(chunk("ab", utterance_id="u1"))
    backlog.end_utterance("u1")
    assert backlog.append(chunk("c", at=2, utterance_id="u2")) == (Dropped("u1", 1),)
    assert backlog.append(chunk("d", at=3, utterance_id="u2")) == (Dropped("u1", 1, is_whole=True),)
    assert [told(piece) for piece in drain(backlog, 10)] == [("cd", 2)]


def test_the_mark_of_what_was_taken_in_part_is_never_dropped() -> None:
    backlog = Backlog(3)
    backlog.append(chunk("abc", utterance_id="u1"))
    backlog.take(1)
    backlog.end_utterance("u1")
    backlog.append(chunk("de", at=3, utterance_id="u2"))
    backlog.end_utterance("u2")
    assert backlog.append(chunk("fgh", at=5, utterance_id="u3")) == (
        Dropped("u1", 1),
        Dropped("u2", 2, is_whole=True),
    )
    assert [told(piece) for piece in drain(backlog, 10)] == ["u1", ("fgh", 5)]


def test_the_mark_stays_in_front_while_the_audio_behind_it_is_trimmed() -> None:
    backlog = Backlog(3)
    backlog.append(chunk("a", utterance_id="u1"))
    backlog.take(1)
    backlog.end_utterance("u1")
    backlog.append(chunk("bcd", at=1, utterance_id="u2"))
    assert backlog.append(chunk("e", at=4, utterance_id="u2")) == (Dropped("u2", 1),)
    assert [told(piece) for piece in drain(backlog, 10)] == ["u1", ("cde", 2)]


def test_audio_that_goes_before_its_mark_comes_is_not_whole_and_gets_no_mark() -> None:
    backlog = Backlog(10)
    backlog.append(chunk("ab", utterance_id="u1"))
    assert backlog.discard_audio() == (Dropped("u1", 2),)
    assert not backlog.end_utterance("u1")
    assert backlog.is_empty


def test_an_utterance_without_any_audio_gets_no_mark() -> None:
    backlog = Backlog(10)
    assert not backlog.end_utterance("u1")
    backlog.append(chunk("ab", utterance_id="u2"))
    assert not backlog.end_utterance("u1")
    assert backlog.end_utterance("u2")
    assert not backlog.end_utterance("u2"), "it is ended already"


def test_discarding_audio_keeps_the_mark_of_what_was_taken_and_tells_what_went() -> None:
    backlog = Backlog(100)
    backlog.append(chunk("ab", utterance_id="u1"))
    backlog.end_utterance("u1")
    backlog.append(chunk("cde", at=2, utterance_id="u2"))
    backlog.end_utterance("u2")
    backlog.append(chunk("f", at=5, utterance_id="u3"))
    backlog.take(1)
    assert backlog.discard_audio() == (Dropped("u1", 1), Dropped("u2", 3, is_whole=True), Dropped("u3", 1))
    assert (backlog.samples, backlog.is_empty) == (0, False)
    assert [told(piece) for piece in drain(backlog, 10)] == ["u1"]


def test_discarding_nothing_tells_nothing() -> None:
    assert Backlog(10).discard_audio() == ()


@pytest.mark.parametrize("max_samples", [0, -1])
def test_a_piece_without_samples_cannot_be_asked_for(max_samples: int) -> None:
    with pytest.raises(LocalMisuse):
        Backlog(10).take(max_samples)


@dataclass
class NaiveBacklog:
    """One entry per sample: (utterance, number, time in samples); marks are strings."""

    capacity: int
    entries: list[tuple[str, int, int] | str] = field(default_factory=list)
    last_taken: str | None = None

    def audio(self) -> list[tuple[str, int, int]]:
        return [entry for entry in self.entries if not isinstance(entry, str)]

    def marks(self) -> list[str]:
        return [entry for entry in self.entries if isinstance(entry, str)]

    def drop(self, samples: int) -> list[Dropped]:
        dropped: dict[str, int] = {}
        for entry in self.audio()[: max(0, samples)]:
            self.entries.remove(entry)
            dropped[entry[0]] = dropped.get(entry[0], 0) + 1
        left = {entry[0] for entry in self.audio()} | {self.last_taken}
        bare = {mark for mark in self.marks() if mark not in left}
        self.entries = [entry for entry in self.entries if entry not in bare]
        assert bare <= dropped.keys()
        return [Dropped(name, count, name in bare) for name, count in dropped.items()]

    def end(self, utterance_id: str) -> bool:
        has_audio = utterance_id in {entry[0] for entry in self.audio()} | {self.last_taken}
        if has_audio:
            self.entries.append(utterance_id)
        return has_audio

    def take(self, max_samples: int) -> list[tuple[str, int, int]] | str | None:
        if not self.entries:
            return None
        head = self.entries.pop(0)
        if isinstance(head, str):
            return head
        self.last_taken = head[0]
        taken = [head]
        while self.entries and len(taken) < max_samples:
            following = self.entries[0]
            if isinstance(following, str) or following[0] != head[0] or following[2] != taken[-1][2] + 1:
                break
            taken.append(following)
            self.entries.pop(0)
        return taken


class BacklogAgainstModel(RuleBasedStateMachine):
    """Any sequence of calls: the same samples, in the same order, with the same times as the naive model."""

    def __init__(self) -> None:
        super().__init__()
        self.backlog, self.model = Backlog(25), NaiveBacklog(25)
        self.number = self.time = self.utterance = 0

    @rule(samples=st.integers(0, 40))
    def append(self, samples: int) -> None:
        numbers = range(self.number, self.number + samples)
        data = b"".join(number.to_bytes(2, "little") for number in numbers)
        utterance_id = f"u{self.utterance}"
        dropped = self.backlog.append(AudioChunk(data, DAY_S + self.time / RATE_HZ, utterance_id))
        self.model.entries += [(utterance_id, number, self.time + at) for at, number in enumerate(numbers)]
        assert list(dropped) == self.model.drop(len(self.model.audio()) - self.model.capacity)
        self.number += samples
        self.time += samples

    @rule(samples=st.integers(17, 1000))  # more than 1 ms
    def gap(self, samples: int) -> None:
        self.time += samples

    @rule()
    def end_utterance(self) -> None:
        utterance_id = f"u{self.utterance}"
        assert self.backlog.end_utterance(utterance_id) is self.model.end(utterance_id)
        self.utterance += 1

    @rule(max_samples=st.integers(1, 30))
    def take(self, max_samples: int) -> None:
        piece, expected = self.backlog.take(max_samples), self.model.take(max_samples)
        if isinstance(piece, AudioChunk):
            numbers = [int.from_bytes(piece.data[at : at + 2], "little") for at in range(0, len(piece.data), 2)]
            first = round((piece.start_s - DAY_S) * RATE_HZ)
            got = [(piece.utterance_id, number, first + at) for at, number in enumerate(numbers)]
            assert got == expected
        else:
            assert (piece.utterance_id if piece else None) == expected

    @rule()
    def discard_audio(self) -> None:
        dropped = self.backlog.discard_audio()
        assert list(dropped) == self.model.drop(len(self.model.audio()))

    @invariant()
    def counts_agree(self) -> None:
        assert self.backlog.samples == len(self.model.audio()) <= self.model.capacity
        assert self.backlog.is_empty is (not self.model.entries)

    @invariant()
    def marks_are_bounded(self) -> None:
        assert len(self.model.marks()) <= len({entry[0] for entry in self.model.audio()}) + 1


TestBacklogAgainstModel = BacklogAgainstModel.TestCase


@given(st.lists(st.integers(1, 50), max_size=20), st.integers(1, 60))
def test_below_the_bound_audio_comes_out_whole_in_full_pieces(lengths: list[int], max_samples: int) -> None:
    backlog, sent, at = Backlog(10_000), b"", 0
    for length in lengths:
        data = bytes(value % 251 for value in range(2 * at, 2 * (at + length)))
        backlog.append(AudioChunk(data, DAY_S + at / RATE_HZ, "u"))
        sent += data
        at += length
    pieces = [piece for piece in drain(backlog, max_samples) if isinstance(piece, AudioChunk)]
    assert b"".join(piece.data for piece in pieces) == sent
    assert all(piece.samples == max_samples for piece in pieces[:-1])


def test_whether_more_audio_comes_of_the_utterance_in_front_is_known() -> None:
    backlog, known = Backlog(RATE_HZ), []

    def look() -> None:
        known.append(backlog.has_end)

    look()
    backlog.append(AudioChunk(bytes(320), 0.0, "u1"))
    look()
    backlog.append(AudioChunk(bytes(320), 1.0, "u2"))  # another has begun
    look()
    backlog.take(160)
    look()
    backlog.end_utterance("u2")
    look()
    backlog.take(160)  # nothing but the end waits
    look()
    assert known == [False, False, True, False, True, True]
