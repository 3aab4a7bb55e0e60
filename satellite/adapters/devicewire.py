"""What the satellite and the process that holds a sound device say to each other: packets of a kind and a body."""

import enum
import socket
import struct

from satellite.adapters.sound import DeviceFormat
from satellite.errors import DeviceError, LocalMisuse

PACKET_BYTES_MAX = 1 << 17
"""Longer than any packet: 100 ms of eight channels of 32 bits at 48 kHz are not."""
_FORMAT = struct.Struct("<III")
_SECONDS = struct.Struct("<d")
_PROGRESS = struct.Struct("<IQd")


class Kind(enum.IntEnum):
    """First byte of a packet. Frames and epochs: a `CLEAR` begins a new epoch, in which frames count from 0."""

    OPENED = 1
    """The device is open; its format."""
    AUDIO = 2
    """When the last sample arrived (monotonic seconds), and PCM of the device."""
    GAP = 3
    """So many seconds were lost in the device or on their way."""
    FAILED = 4
    """Why the device is lost or cannot be opened, in words; the last packet."""
    MOVED = 5
    """Epoch, frames that the device took in it, and seconds it has left to play at least."""
    HEARD = 6
    """Epoch, frames that were heard in it: all that had come."""
    CLEARED = 7
    """Epoch that has begun."""
    PLAY = 8
    """To the device: PCM in its format."""
    DRAIN = 9
    """To the device: play to the end."""
    CLEAR = 10
    """To the device: throw away what was not heard; the epoch that begins."""
    BROKEN = 11
    """What mistake of ours ended the process; the last packet."""


Packet = tuple[Kind, bytes]


def pack_format(device: DeviceFormat) -> bytes:
    """Body of OPENED."""
    return _FORMAT.pack(device.rate_hz, device.channels, device.width_bytes)


def unpack_format(body: bytes) -> DeviceFormat:
    """Format in an OPENED."""
    return DeviceFormat(*_FORMAT.unpack(body))


def pack_audio(pcm: bytes, arrived_at: float) -> bytes:
    """Body of AUDIO."""
    return _SECONDS.pack(arrived_at) + pcm


def unpack_audio(body: bytes) -> tuple[bytes, float]:
    """PCM and arrival in an AUDIO."""
    return body[_SECONDS.size :], _SECONDS.unpack_from(body)[0]


def pack_seconds(seconds: float) -> bytes:
    """Body of GAP."""
    return _SECONDS.pack(seconds)


def unpack_seconds(body: bytes) -> float:
    """Length in a GAP."""
    seconds: float = _SECONDS.unpack(body)[0]
    return seconds


def pack_progress(epoch: int, frames: int = 0, delay_s: float = 0.0) -> bytes:
    """Body of MOVED, HEARD, CLEARED and CLEAR."""
    return _PROGRESS.pack(epoch, frames, delay_s)


def unpack_progress(body: bytes) -> tuple[int, int, float]:
    """Epoch, frames and delay in a MOVED, HEARD, CLEARED or CLEAR."""
    epoch, frames, delay_s = _PROGRESS.unpack(body)
    return epoch, frames, delay_s


def failure_of(kind: Kind, body: bytes) -> DeviceError | LocalMisuse | None:
    """What a FAILED or BROKEN tells, None for any other packet."""
    if kind is Kind.FAILED:
        return DeviceError(body.decode())
    return LocalMisuse(body.decode()) if kind is Kind.BROKEN else None


class Wire:
    """One end of the socket between the two; never blocks. Sending is safe from several threads."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self.is_over = False

    def fileno(self) -> int:
        """For select and for the event loop."""
        return self._socket.fileno()

    def send(self, kind: Kind, body: bytes = b"") -> bool:
        """Send one packet; False when the other side does not keep up, or is gone."""
        try:
            self._socket.send(bytes((kind,)) + body)
        except OSError:
            return False
        return True

    def receive(self) -> list[Packet]:
        """What has come, in order; `is_over` when the other side is gone and nothing more will."""
        packets: list[Packet] = []
        while not self.is_over:
            try:
                data = self._socket.recv(PACKET_BYTES_MAX)
            except BlockingIOError:
                break
            except ConnectionResetError:
                continue  # it left something unread: told once, and before what it said last
            except OSError:
                data = b""
            if data:
                packets.append((Kind(data[0]), data[1:]))
            else:
                self.is_over = True
        return packets

    def close(self) -> None:
        """The other side sees the end."""
        self.is_over = True
        self._socket.close()
