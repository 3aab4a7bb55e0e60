"""The device's side of the wire: captured audio in packets, gaps told, queued sound counted."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from satellite.adapters import devicewire
from satellite.adapters.deviceside import Order, Queue, Recorder, wait
from satellite.adapters.devicewire import Kind, Packet, Wire
from satellite.adapters.sound import DeviceFormat, Direction

MONO = DeviceFormat(16_000)
PACKET = b"\1\0" * 1_600


@dataclass
class Ends:
    """Both ends of a wire."""

    satellite: Wire
    device: Wire

    def heard(self) -> list[Packet]:
        return self.satellite.receive()


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends(*(Wire(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)))
    yield made
    made.satellite.close()
    made.device.close()


@pytest.mark.parametrize("direction", ["capture", "playback"])
def test_an_order_is_understood_as_it_was_given(direction: Direction) -> None:
    order = Order(direction, "alsa", "plughw:CARD=a b,DEV=0", 48_000, 2)
    assert Order.parsed(order.arguments()) == order


def gaps(packets: list[Packet]) -> list[float]:
    return [devicewire.unpack_seconds(body) for kind, body in packets if kind is Kind.GAP]


def test_audio_goes_out_in_packets_stamped_with_their_last_sample(ends: Ends) -> None:
    recorder = Recorder(ends.device, MONO)
    recorder.audio(PACKET[:2_000], 9.9)
    assert ends.heard() == []
    assert recorder.missing_s == pytest.approx(0.0375)
    recorder.audio(PACKET + PACKET, 10.2)
    packets = [devicewire.unpack_audio(body) for kind, body in ends.heard() if kind is Kind.AUDIO]
    assert [len(pcm) for pcm, _ in packets] == [3_200, 3_200]
    assert [at for _, at in packets] == pytest.approx([10.0375, 10.1375])
    assert recorder.missing_s == pytest.approx(0.0375)


def test_a_gap_takes_what_fills_no_packet_with_it(ends: Ends) -> None:
    recorder = Recorder(ends.device, MONO)
    recorder.audio(PACKET[:1_600], 1.0)
    recorder.gap(0.5)
    assert gaps(ends.heard()) == [pytest.approx(0.55)]
    assert recorder.missing_s == pytest.approx(0.1)


def test_what_the_satellite_does_not_take_is_a_gap_before_what_it_takes_next(ends: Ends) -> None:
    recorder = Recorder(ends.device, MONO)
    for number in range(1_000):
        recorder.audio(PACKET, number / 10)
    taken = ends.heard()
    assert {kind for kind, _ in taken} == {Kind.AUDIO}
    recorder.gap(1.0)
    recorder.audio(PACKET, 200.0)
    after = ends.heard()
    assert [kind for kind, _ in after] == [Kind.GAP, Kind.AUDIO]
    assert gaps(after) == [pytest.approx((1_000 - len(taken)) * 0.1 + 1.0)]


def queue_with(ends: Ends, *packets: Packet) -> Queue:
    queue = Queue(ends.device, MONO)
    for packet in packets:
        ends.satellite.send(*packet)
    queue.obey()
    return queue


def test_sound_is_taken_in_order_and_in_any_lengths(ends: Ends) -> None:
    queue = queue_with(ends, (Kind.PLAY, b"abcd"), (Kind.PLAY, b"efgh"))
    assert [queue.take(6), queue.take(6), queue.take(6)] == [b"abcdef", b"gh", b""]


def test_all_that_came_is_told_as_heard_once(ends: Ends) -> None:
    queue = queue_with(ends, (Kind.PLAY, bytes(8)))
    queue.finished()
    assert ends.heard() == [], "it was not even taken"
    queue.moved(4, 0.25)
    assert queue.has_sound_to_finish
    queue.finished()
    queue.finished()
    progress = devicewire.pack_progress(0, 4, 0.25), devicewire.pack_progress(0, 4)
    assert ends.heard() == [(Kind.MOVED, progress[0]), (Kind.HEARD, progress[1])]
    assert not queue_with(ends).has_sound_to_finish


def test_more_sound_takes_back_the_wish_to_drain(ends: Ends) -> None:
    queue = queue_with(ends, (Kind.PLAY, bytes(8)), (Kind.DRAIN, b""))
    assert queue.drain_asked
    ends.satellite.send(Kind.PLAY, bytes(8))
    queue.obey()
    assert not queue.drain_asked


def test_a_clear_begins_an_epoch_in_which_nothing_came(ends: Ends) -> None:
    queue = queue_with(ends, (Kind.PLAY, bytes(8)), (Kind.CLEAR, devicewire.pack_progress(1)))
    assert queue.clear_asked
    assert not queue.has_sound_to_finish
    assert queue.take(8) == b""
    queue.moved(4)  # of the epoch before
    queue.cleared()
    assert (queue.clear_asked, ends.heard()) == (
        False,
        [
            (Kind.MOVED, devicewire.pack_progress(1)),
            (Kind.CLEARED, devicewire.pack_progress(1)),
        ],
    )


def test_waiting_ends_when_the_satellite_speaks_or_goes(ends: Ends) -> None:
    assert not wait(ends.device, 0.0)
    ends.satellite.send(Kind.DRAIN)
    assert wait(ends.device, 5.0)
    ends.device.receive()
    ends.satellite.close()
    assert wait(ends.device, 5.0)
