"""The timeline: stream milliseconds to wall clock, over gates, silence and reconnects."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satellite.core.audio import RATE_HZ, samples_of_ms
from satellite.core.timeline import Timeline

ONE_S = RATE_HZ
NOON = 1_795_262_400.0


class Position(NamedTuple):
    """Where a moment of the stream lies: Unix seconds and utterance."""

    wall_s: float
    utterance_id: str | None


def locate(timeline: Timeline, stream_ms: float) -> Position:
    """The audio there, or the nearest to it."""
    wall_s, _, utterance_id = timeline.span(stream_ms, stream_ms)
    return Position(wall_s, utterance_id)


def talk(timeline: Timeline, utterance_id: str, start_s: float, blocks: int) -> None:
    """Send that many blocks of 100 ms."""
    for block in range(blocks):
        timeline.sent(ONE_S // 10, start_s + block / 10, utterance_id)


def two_utterances() -> Timeline:
    """u1 at 0-2 s, half a second of our own silence, u2 at 2.5-4.5 s; a minute between them on the wall clock."""
    timeline = Timeline()
    talk(timeline, "u1", NOON, 20)
    timeline.silence(ONE_S // 2)
    talk(timeline, "u2", NOON + 60, 20)
    return timeline


def test_stream_length_counts_audio_and_silence() -> None:
    assert Timeline().sent_ms == 0
    assert two_utterances().sent_ms == 4500


def test_other_rates() -> None:
    timeline = Timeline(rate_hz=8000)
    timeline.sent(8000, NOON, "u1")
    assert timeline.sent_ms == 1000
    assert locate(timeline, 500).wall_s == NOON + 0.5


@pytest.mark.parametrize(
    ("stream_ms", "expected"),
    [
        (0, Position(NOON, "u1")),
        (1500, Position(NOON + 1.5, "u1")),
        (2000, Position(NOON + 2, "u1")),
        (2100, Position(NOON + 2, "u1")),  # silence, nearer to what came before
        (2450, Position(NOON + 60, "u2")),  # silence, nearer to what comes after
        (2500, Position(NOON + 60, "u2")),
        (4000, Position(NOON + 61.5, "u2")),
        (99_000, Position(NOON + 62, "u2")),  # beyond what was sent
        (-300, Position(NOON, "u1")),
    ],
)
def test_locate(stream_ms: float, expected: Position) -> None:
    assert locate(two_utterances(), stream_ms) == expected


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "expected"),
    [
        (250, 1250, (NOON + 0.25, NOON + 1.25, "u1")),
        (1500, 2400, (NOON + 1.5, NOON + 2, "u1")),  # runs out into the silence
        (1500, 2900, (NOON + 1.5, NOON + 2, "u1")),  # most of it in u1: does not reach over the gap
        (1900, 3900, (NOON + 60, NOON + 61.4, "u2")),
        (1500, 3000, (NOON + 1.5, NOON + 2, "u1")),  # level: the earlier one
        (2050, 2200, (NOON + 2, NOON + 2, "u1")),  # all in the silence
        (2350, 2450, (NOON + 60, NOON + 60, "u2")),
        (5000, 6000, (NOON + 62, NOON + 62, "u2")),
        (700, 700, (NOON + 0.7, NOON + 0.7, "u1")),
        (900, 400, (NOON + 0.9, NOON + 0.9, "u1")),  # an end before the start
    ],
)
def test_span(start_ms: float, end_ms: float, expected: tuple[float, float, str]) -> None:
    assert two_utterances().span(start_ms, end_ms) == expected


def test_nothing_sent_means_no_time() -> None:
    timeline = Timeline()
    timeline.silence(ONE_S)
    timeline.sent(0, NOON, "u1")
    assert locate(timeline, 300) == Position(0.0, None)
    assert timeline.span(300, 500) == (0.0, 0.0, None)


def test_dropped_audio_of_an_utterance_leaves_a_gap_on_the_wall_clock_only() -> None:
    timeline = Timeline()
    talk(timeline, "u1", NOON, 10)
    talk(timeline, "u1", NOON + 9, 10)
    assert locate(timeline, 999) == Position(NOON + 0.999, "u1")
    assert locate(timeline, 1001) == Position(NOON + 9.001, "u1")
    assert timeline.span(500, 1500) == (NOON + 0.5, NOON + 9.5, "u1")


def test_a_clock_set_back_never_makes_a_segment_end_before_it_starts() -> None:
    timeline = Timeline()
    talk(timeline, "u1", NOON, 10)
    talk(timeline, "u1", NOON - 3600, 10)
    assert timeline.span(500, 1500) == (NOON + 0.5, NOON + 0.5, "u1")


def test_silence_inside_an_utterance_does_not_shift_what_follows() -> None:
    timeline = Timeline()
    talk(timeline, "u1", NOON, 10)
    timeline.silence(ONE_S)
    talk(timeline, "u1", NOON + 1, 10)
    assert timeline.span(500, 2500) == (NOON + 0.5, NOON + 1.5, "u1")


def test_capture_jitter_does_not_fill_the_memory() -> None:
    timeline = Timeline(max_runs=1)
    for block in range(50):
        timeline.sent(ONE_S // 10, NOON + block / 10 + (0.02 if block % 2 else -0.02), "u1")
    assert locate(timeline, 0) == Position(NOON - 0.02, "u1")


def test_old_runs_are_forgotten() -> None:
    timeline = Timeline(max_runs=2)
    for number in range(3):
        talk(timeline, f"u{number}", NOON + 60 * number, 10)
    assert locate(timeline, 500) == Position(NOON + 60, "u1")
    assert locate(timeline, 2500) == Position(NOON + 120.5, "u2")


def reconnected_after_30_s(sent_since_s: float) -> Timeline:
    timeline = Timeline()
    talk(timeline, "u1", NOON, 300)
    timeline.observe("source", 0, 4_000)
    timeline.observe("source", 4_000, 28_000)
    timeline.observe("de", 0, 12_000)
    timeline.reconnected()
    talk(timeline, "u2", NOON + 100, round(sent_since_s * 10))
    return timeline


def test_a_count_that_goes_on_after_a_reconnect() -> None:
    timeline = reconnected_after_30_s(5)
    timeline.observe("source", 30_200, 31_000)
    assert locate(timeline, 30_200) == Position(NOON + 100.2, "u2")
    timeline.observe("source", 100)
    assert locate(timeline, 100).utterance_id == "u1", "settled once and for all"


def test_a_count_that_starts_anew_after_a_reconnect() -> None:
    timeline = reconnected_after_30_s(5)
    timeline.observe("source", 200)
    assert timeline.span(200, 1200) == (NOON + 100.2, NOON + 101.2, "u2")
    timeline.observe("source", 3_000, 4_000)
    timeline.observe("de", 200, 4_000)
    assert timeline.span(3_000, 4_000) == (NOON + 103, NOON + 104, "u2")


def test_a_second_new_epoch_adds_to_the_first() -> None:
    timeline = reconnected_after_30_s(10)
    timeline.observe("source", 200, 9_000)
    timeline.reconnected()
    talk(timeline, "u3", NOON + 200, 20)
    timeline.observe("source", 500, 900)
    assert locate(timeline, 500) == Position(NOON + 200.5, "u3")


def test_late_results_of_the_old_connection_leave_the_question_open() -> None:
    timeline = reconnected_after_30_s(2)
    timeline.observe("de", 12_000, 26_000)  # a translation trails the source
    assert locate(timeline, 12_000) == Position(NOON + 12, "u1")
    timeline.observe("source", 3_500)  # too far on to be about the two seconds sent since
    assert locate(timeline, 3_500) == Position(NOON + 3.5, "u1")
    timeline.observe("fr", 0)  # a stream that never concluded proves nothing
    timeline.observe("source", 300, 1_500)
    assert locate(timeline, 300) == Position(NOON + 100.3, "u2")


def test_a_small_step_back_is_an_estimate_and_no_new_epoch() -> None:
    timeline = Timeline()
    talk(timeline, "u1", NOON, 30)
    timeline.observe("source", 0, 2_500)
    timeline.reconnected()
    talk(timeline, "u2", NOON + 60, 30)
    timeline.observe("source", 600, 2_600)
    assert locate(timeline, 600) == Position(NOON + 0.6, "u1")


def test_a_step_back_without_a_reconnect_is_no_new_epoch() -> None:
    timeline = Timeline()
    talk(timeline, "u1", NOON, 100)
    timeline.observe("source", 0, 9_000)
    timeline.observe("source", 100, 400)
    assert locate(timeline, 100) == Position(NOON + 0.1, "u1")


Piece = tuple[int, int | None, int]
pieces = st.lists(
    st.tuples(st.integers(1, 2_000), st.none() | st.integers(0, 3), st.integers(0, 5_000)), min_size=1, max_size=12
)


@settings(deadline=None)
@given(pieces, st.floats(-1_000, 30_000), st.floats(0, 10_000))
def test_times_always_lie_in_sent_audio_of_the_utterance(sent: list[Piece], start_ms: float, length_ms: float) -> None:
    timeline = Timeline()
    wall_s = NOON
    walls: dict[str | None, list[tuple[float, float]]] = {}
    for duration_ms, utterance, gap_ms in sent:
        if utterance is None:
            timeline.silence(samples_of_ms(duration_ms))
            continue
        timeline.sent(samples_of_ms(duration_ms), wall_s, f"u{utterance}")
        walls.setdefault(f"u{utterance}", []).append((wall_s - 0.06, wall_s + duration_ms / 1000 + 0.06))
        wall_s += (duration_ms + gap_ms) / 1000
    start_s, end_s, utterance_id = timeline.span(start_ms, start_ms + length_ms)
    assert start_s <= end_s
    for moment_s, owner in ((start_s, utterance_id), (end_s, utterance_id), locate(timeline, start_ms)):
        spans = walls.get(owner, [(0.0, 0.0)] if owner is None else [])
        assert any(first <= moment_s <= last for first, last in spans)
    assert (utterance_id is None) == (not walls)


@settings(deadline=None)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=30), st.data())
def test_the_nearest_audio_is_found_by_the_sample(lengths: list[int], data: st.DataObject) -> None:
    timeline = Timeline()
    truth: list[float] = []
    for number, length in enumerate(lengths):
        timeline.sent(length, NOON + 100 * number, f"u{number}")
        truth += [NOON + 100 * number + sample / RATE_HZ for sample in range(length)]
    sample = data.draw(st.integers(0, len(truth) - 1))
    assert locate(timeline, sample * 1000 / RATE_HZ).wall_s == pytest.approx(truth[sample], abs=1e-5)


# --- what did not arrive --------------------------------------------------------------------------------------------


def test_what_is_taken_back_makes_room_for_what_comes() -> None:
    timeline = Timeline()
    timeline.sent(16_000, 100.0, "u1")
    timeline.retracted(1_600)
    assert timeline.sent_ms == 900
    timeline.sent(16_000, 101.0, "u1")
    assert locate(timeline, 899).wall_s == pytest.approx(100.899)
    assert locate(timeline, 901).wall_s == pytest.approx(101.001)


def test_more_than_one_utterance_may_be_taken_back_silence_first() -> None:
    timeline = Timeline()
    timeline.sent(1_600, 100.0, "u1")
    timeline.sent(1_600, 200.0, "u2")
    timeline.silence(1_600)
    timeline.retracted(1_600)
    assert locate(timeline, 150).utterance_id == "u2"
    timeline.retracted(2_400)
    assert locate(timeline, 150) == Position(100.05, "u1")
    timeline.retracted(99_999)
    assert locate(timeline, 0) == Position(0.0, None)


def test_what_lies_behind_all_text_is_told_by_utterance() -> None:
    timeline = Timeline()
    assert timeline.unheard() == {}
    timeline.sent(16_000, 100.0, "u1")
    timeline.silence(1_600)
    timeline.sent(16_000, 200.0, "u2")
    assert timeline.unheard() == {"u1": 16_000, "u2": 16_000}
    timeline.observe("source", 0, None, 900)
    timeline.observe("source", 0, None, 500)
    assert timeline.unheard() == {"u1": 1_600, "u2": 16_000}
    timeline.observe("source", 0, None, 1_050)
    assert timeline.unheard() == {"u2": 16_000}
    timeline.observe("source", 0, None, 9_000)
    assert timeline.unheard() == {}


def test_text_of_a_count_that_began_anew_is_placed_in_it() -> None:
    timeline = Timeline()
    timeline.sent(160_000, 100.0, "u1")
    timeline.observe("source", 0, 9_000)
    timeline.reconnected()
    timeline.sent(16_000, 200.0, "u2")
    timeline.observe("source", 0, 400, 400)
    assert timeline.unheard() == {"u2": 9_600}
