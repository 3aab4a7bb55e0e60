"""Packets between the satellite and the process of a sound device."""

import socket
from collections.abc import Iterator

import pytest

from satellite.adapters import devicewire
from satellite.adapters.devicewire import Kind, Wire
from satellite.adapters.sound import DeviceFormat


@pytest.fixture
def ends() -> Iterator[tuple[Wire, Wire]]:
    ours, theirs = (Wire(end) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    yield ours, theirs
    ours.close()
    theirs.close()


def test_packets_arrive_whole_and_in_order(ends: tuple[Wire, Wire]) -> None:
    ours, theirs = ends
    packets = [(Kind.PLAY, bytes(30_000)), (Kind.DRAIN, b""), (Kind.CLEAR, b"\1")]
    assert all(ours.send(kind, body) for kind, body in packets)
    assert theirs.receive() == packets
    assert theirs.receive() == []
    assert not theirs.is_over


def test_the_end_comes_behind_what_was_said(ends: tuple[Wire, Wire]) -> None:
    ours, theirs = ends
    ours.send(Kind.FAILED, b"gone")
    ours.close()
    assert theirs.receive() == [(Kind.FAILED, b"gone")]
    assert theirs.is_over
    assert theirs.receive() == []
    assert not theirs.send(Kind.DRAIN)


def test_what_was_said_last_is_heard_though_something_was_left_unread(ends: tuple[Wire, Wire]) -> None:
    ours, theirs = ends
    theirs.send(Kind.PLAY, bytes(100))
    ours.send(Kind.BROKEN, b"a bug")
    ours.close()
    assert theirs.receive() == [(Kind.BROKEN, b"a bug")]
    assert theirs.is_over


def test_who_does_not_listen_makes_nobody_wait(ends: tuple[Wire, Wire]) -> None:
    ours, theirs = ends
    sent = 0
    while ours.send(Kind.AUDIO, bytes(3_200)):
        sent += 1
        assert sent < 10_000
    assert not ours.is_over
    theirs.close()
    assert not ours.send(Kind.AUDIO)


def test_the_last_words_are_heard_by_one_who_was_speaking(ends: tuple[Wire, Wire]) -> None:
    ours, theirs = ends
    theirs.send(Kind.FAILED, b"gone")
    theirs.close()
    assert not ours.send(Kind.PLAY)
    assert ours.receive() == [(Kind.FAILED, b"gone")]
    assert ours.is_over


@pytest.mark.parametrize("device", [DeviceFormat(16_000), DeviceFormat(192_000, 32, 4), DeviceFormat(8_000, 2, 1)])
def test_a_format_arrives_as_it_was(device: DeviceFormat) -> None:
    assert devicewire.unpack_format(devicewire.pack_format(device)) == device


def test_what_is_told_arrives_as_it_was() -> None:
    assert devicewire.unpack_audio(devicewire.pack_audio(b"\1\2", 12.5)) == (b"\1\2", 12.5)
    assert devicewire.unpack_seconds(devicewire.pack_seconds(0.25)) == 0.25
    assert devicewire.unpack_progress(devicewire.pack_progress(3, 1 << 40, 0.5)) == (3, 1 << 40, 0.5)
