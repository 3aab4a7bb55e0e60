import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.core.framing import DRIFT_LIMIT, GAP_S, BlockStamper, Framer

BLOCK = 1600
BLOCK_S = 0.1


class TestFramer:
    def test_audio_shorter_than_a_frame_waits_for_more(self) -> None:
        framer = Framer(frame_samples=2)
        assert framer.push(b"abc") == []
        assert framer.push(b"d") == [b"abcd"]

    def test_odd_bytes_are_carried_over(self) -> None:
        framer = Framer(frame_samples=1)
        assert framer.push(b"abcde") == [b"ab", b"cd"]
        assert framer.push(b"fg") == [b"ef"]
        assert framer.push(b"h") == [b"gh"]

    def test_a_frame_is_20_ms_unless_said(self) -> None:
        assert [len(frame) for frame in Framer().push(bytes(3200))] == [640] * 5

    def test_a_whole_frame_passes_without_a_copy(self) -> None:
        data = b"abcd"
        assert Framer(frame_samples=2).push(data)[0] is data

    def test_reset_forgets_what_was_left_over(self) -> None:
        framer = Framer(frame_samples=1)
        framer.push(b"abc")
        framer.reset()
        assert framer.push(b"de") == [b"de"]

    @given(st.integers(1, 7), st.lists(st.binary(max_size=40)))
    def test_frames_are_the_input_cut_at_equal_lengths(self, frame_samples: int, pushes: list[bytes]) -> None:
        framer = Framer(frame_samples)
        frames = [frame for data in pushes for frame in framer.push(data)]
        whole, size = b"".join(pushes), frame_samples * 2
        assert frames == [whole[at : at + size] for at in range(0, len(whole) - size + 1, size)]


def stamps(stamper: BlockStamper, arrivals: list[float]) -> list[float]:
    return [stamper.stamp(BLOCK, arrived_at) for arrived_at in arrivals]


class TestBlockStamper:
    def test_a_block_began_its_length_before_its_end_arrived(self) -> None:
        assert BlockStamper().stamp(BLOCK, 5.0) == pytest.approx(4.9)

    def test_late_arrivals_do_not_show(self) -> None:
        got = stamps(BlockStamper(), [1.0, 1.13, 1.25, 1.3])
        assert got == pytest.approx([0.9, 1.0, 1.1, 1.2], abs=4 * BLOCK_S * DRIFT_LIMIT)

    def test_an_earlier_arrival_than_predicted_moves_the_anchor_at_once_and_for_good(self) -> None:
        got = stamps(BlockStamper(), [1.05, 1.1, 1.25])
        assert got == pytest.approx([0.95, 1.0, 1.1], abs=4 * BLOCK_S * DRIFT_LIMIT)

    def test_a_burst_after_a_stalled_loop_keeps_the_stamps(self) -> None:
        got = stamps(BlockStamper(), [1.0, 1.45, 1.45, 1.45, 1.45, 1.5])
        assert got == pytest.approx([0.9, 1.0, 1.1, 1.2, 1.3, 1.4], abs=6 * BLOCK_S * DRIFT_LIMIT)

    def test_a_slow_device_is_followed(self) -> None:
        slow = 1 + DRIFT_LIMIT / 2
        arrivals = [0.1 * slow * (block + 1) for block in range(36_000)]  # an hour
        assert stamps(BlockStamper(), arrivals)[-1] == pytest.approx(arrivals[-1] - 0.1, abs=0.001)

    def test_a_fast_device_is_followed(self) -> None:
        arrivals = [0.1 * (1 - 100e-6) * (block + 1) for block in range(36_000)]
        assert stamps(BlockStamper(), arrivals)[-1] == pytest.approx(arrivals[-1] - 0.1, abs=0.001)

    def test_jitter_lifts_the_stamps_no_faster_than_the_drift_limit(self) -> None:
        arrivals = [0.0] + [0.1 * block + 0.05 for block in range(1, 101)]
        assert stamps(BlockStamper(), arrivals)[-1] == pytest.approx(9.9 + 10 * DRIFT_LIMIT, abs=1e-6)

    def test_a_gap_re_anchors(self) -> None:
        stamper = BlockStamper()
        stamper.stamp(BLOCK, 1.0)
        late = 1.1 + GAP_S + 0.01
        assert stamper.stamp(BLOCK, late) == pytest.approx(late - 0.1)
        assert stamper.stamp(BLOCK, late + 0.1) == pytest.approx(late)

    def test_a_known_gap_is_counted(self) -> None:
        stamper = BlockStamper()
        stamper.stamp(BLOCK, 1.0)
        stamper.gap(3 * BLOCK)
        assert stamper.stamp(BLOCK, 1.45) == pytest.approx(1.3, abs=BLOCK_S * DRIFT_LIMIT)

    def test_a_gap_before_the_first_block_changes_nothing(self) -> None:
        stamper = BlockStamper()
        stamper.gap(500)
        assert stamper.stamp(BLOCK, 1.0) == pytest.approx(0.9)

    def test_another_rate(self) -> None:
        assert BlockStamper(rate_hz=48_000).stamp(4800, 1.0) == pytest.approx(0.9)

    @given(st.lists(st.floats(0, GAP_S), min_size=1, max_size=50))
    def test_with_any_jitter_a_stamp_is_never_before_the_least_latency_nor_after_its_own(
        self, jitters: list[float]
    ) -> None:
        stamper, least = BlockStamper(), 1.0
        for block, jitter in enumerate(jitters):
            captured_at = 100 + block * BLOCK_S
            start = stamper.stamp(BLOCK, captured_at + BLOCK_S + jitter)
            least = min(least, jitter)
            assert captured_at + least - 1e-9 <= start <= captured_at + jitter + 1e-9
