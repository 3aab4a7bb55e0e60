from hypothesis import given
from hypothesis import strategies as st

from satellite.core.preroll import PreRoll


def test_it_holds_the_newest_and_lets_the_oldest_go() -> None:
    pre_roll = PreRoll(4)
    for frame in (b"aabb", b"ccdd", b"eeff"):
        pre_roll.push(frame)
    assert pre_roll.samples == 4
    assert pre_roll.take() == b"ccddeeff"


def test_a_frame_that_fits_in_part_keeps_its_newest_part() -> None:
    pre_roll = PreRoll(3)
    pre_roll.push(b"aabb")
    pre_roll.push(b"ccdd")
    assert pre_roll.take() == b"bbccdd"


def test_a_frame_longer_than_the_capacity_keeps_its_newest_part() -> None:
    pre_roll = PreRoll(1)
    pre_roll.push(b"aa")
    pre_roll.push(b"bbccdd")
    assert pre_roll.take() == b"dd"


def test_taking_empties_it_and_nothing_comes_in_its_place() -> None:
    pre_roll = PreRoll(4)
    pre_roll.push(b"aabb")
    pre_roll.take()
    assert pre_roll.samples == 0
    assert pre_roll.take() == b""
    pre_roll.push(b"cc")
    assert pre_roll.take() == b"cc"


def test_clearing_leaves_no_silence_behind() -> None:
    pre_roll = PreRoll(4)
    pre_roll.push(b"aabb")
    pre_roll.clear()
    pre_roll.push(b"cc")
    assert pre_roll.take() == b"cc"


def test_without_capacity_it_holds_nothing() -> None:
    pre_roll = PreRoll(0)
    pre_roll.push(b"aabb")
    assert (pre_roll.samples, pre_roll.take()) == (0, b"")


FRAMES = st.binary(max_size=12).map(lambda data: data[: len(data) // 2 * 2])


@given(st.integers(0, 10), st.lists(st.lists(FRAMES)))
def test_it_hands_over_the_end_of_what_was_pushed_since_the_last_time(capacity: int, rounds: list[list[bytes]]) -> None:
    pre_roll = PreRoll(capacity)
    for frames in rounds:
        for frame in frames:
            pre_roll.push(frame)
        pushed = b"".join(frames)
        expected = pushed[max(0, len(pushed) - 2 * capacity) :]
        assert pre_roll.samples == len(expected) // 2
        assert pre_roll.take() == expected
