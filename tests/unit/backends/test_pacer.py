import pytest

from satellite.backends.pacer import Pace, Pacer

PACE = Pace(speed=1.5, hard_gap=0.55, min_gap_s=0.05)


def test_the_first_chunk_may_go_at_once() -> None:
    assert Pacer(PACE).ready_at < 0.0


@pytest.mark.parametrize(
    ("piece_s", "chunk_s", "gap_s"),
    [
        (0.25, 0.25, 0.25 / 1.5),
        (0.1, 0.1, 0.1 / 1.5),
        (0.02, 0.02, 0.05),  # small pieces go out together
        (0.1, 0.0, 0.1 / 1.5),  # an encoder kept it back
        (0.25, 0.75, 0.75 * 0.55),  # and hands out three pieces at once
    ],
)
def test_the_gap_after_a_chunk(piece_s: float, chunk_s: float, gap_s: float) -> None:
    pacer = Pacer(PACE)
    pacer.sent(piece_s, chunk_s, 10.0)
    assert pacer.ready_at == pytest.approx(10.0 + gap_s)
    assert gap_s >= chunk_s / 2


def test_a_chunk_that_was_held_up_is_not_met_by_the_next() -> None:
    pacer = Pacer(PACE)
    pacer.sent(0.1, 0.1, 5.0)
    pacer.arrived(0.1, 4.9)
    assert pacer.ready_at == pytest.approx(5.0 + 0.1 / 1.5), "in time"
    pacer.arrived(0.1, 8.0)
    assert pacer.ready_at == pytest.approx(8.055), "late"


BEAT = Pace(speed=1.0, hard_gap=0.5, min_gap_s=0.05, slack_s=0.1)


def test_a_beat_is_kept_although_pieces_are_a_little_late() -> None:
    pacer = Pacer(BEAT)
    for number in range(100):
        pacer.sent(0.32, 0.32, number * 0.32 + (0.09 if number % 2 else 0.0))
    assert pacer.ready_at == pytest.approx(100 * 0.32)


def test_what_is_later_than_that_begins_a_new_beat() -> None:
    pacer = Pacer(BEAT)
    pacer.sent(0.32, 0.32, 0.0)
    pacer.sent(0.32, 0.32, 0.5)
    assert pacer.ready_at == pytest.approx(0.82)


def test_a_beat_leaves_half_of_a_piece_at_least() -> None:
    pacer = Pacer(Pace(speed=1.0, hard_gap=0.9, min_gap_s=0.05, slack_s=0.1))
    pacer.sent(0.32, 0.32, 0.0)
    pacer.sent(0.32, 0.32, 0.41)
    assert pacer.ready_at == pytest.approx(0.41 + 0.32 * 0.9)


def test_a_piece_that_is_early_puts_off_the_next_by_its_own_length() -> None:
    pacer = Pacer(BEAT)
    pacer.sent(0.32, 0.32, 0.0)
    pacer.sent(0.32, 0.32, 0.1)
    assert pacer.ready_at == pytest.approx(0.42)
