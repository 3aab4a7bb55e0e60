"""Capture and playback on PortAudio with PyAudio, in call-back mode: the way for systems without direct ALSA.

After a card is pulled out PortAudio reports neither an error nor an inactive stream, closing a stalled stream can
block, and a list of devices is fresh only after its start: so each device has a PortAudio, in a process, of its own.
"""

from collections.abc import Callable
from typing import Any

from satellite.adapters import devicewire, portaudio_host
from satellite.adapters.deviceside import BLOCK_S, CLOCK, Order, Queue, Recorder, wait
from satellite.adapters.devicewire import Kind, Wire
from satellite.adapters.sound import WHAT
from satellite.errors import DeviceError

CAPTURE_BUFFER_S = 0.02
"""Taken at once. Short, because a PCM that is fed through a FIFO (ALSA's `type file`) takes a short read of it for a
whole buffer; blocks are handed over all the same."""
PLAYBACK_BUFFER_S = 0.05
LOOK_EVERY_S = 0.5
"""How often the stream is asked whether it still runs; it tells of a sound server's end, not of a card's."""

StreamCallback = Callable[[bytes | None, int, dict[str, float], int], tuple[bytes | None, int]]


def capture(wire: Wire, order: Order) -> None:
    """Have a microphone call back until the satellite closes its end. Raises DeviceError."""
    microphone = _Microphone(Recorder(wire, order.wanted), order.rate_hz)
    _run(wire, order, microphone.on_audio, wire.receive)


class _Microphone:
    """Takes call-backs; those of a backlog, which a device may have when it is opened, count as having come at once."""

    def __init__(self, recorder: Recorder, rate_hz: int) -> None:
        pyaudio = portaudio_host.load()
        self._recorder = recorder
        self._rate_hz = rate_hz
        self._overflow: int = pyaudio.paInputOverflow
        self._go_on: int = pyaudio.paContinue
        self._backlog: list[bytes] | None = []
        self._began_at = 0.0
        self._next_at = 0.0

    def on_audio(self, pcm: bytes | None, frames: int, times: dict[str, float], flags: int) -> tuple[None, int]:
        """One buffer, in PortAudio's thread."""
        buffer_s, recorded_at = frames / self._rate_hz, times["input_buffer_adc_time"]
        if flags & self._overflow:
            self._recorder.gap(max(buffer_s, recorded_at - self._next_at if self._next_at else 0.0))
        self._next_at = recorded_at + buffer_s
        now = CLOCK.monotonic()
        if self._backlog is not None:
            self._began_at = self._began_at or now
            self._backlog.append(pcm or b"")
            if now - self._began_at < BLOCK_S:
                return None, self._go_on
            pcm, self._backlog = b"".join(self._backlog), None
        self._recorder.audio(pcm or b"", now)
        return None, self._go_on


def play(wire: Wire, order: Order) -> None:
    """Have a loudspeaker call back for what the satellite says until it closes its end. Raises DeviceError."""
    pyaudio = portaudio_host.load()
    frame_bytes = order.wanted.frame_bytes
    queue = Queue(wire, order.wanted)

    def on_room(_pcm: bytes | None, frames: int, times: dict[str, float], _flags: int) -> tuple[bytes, int]:
        if queue.clear_asked:
            queue.cleared()
        pcm = queue.take(frames * frame_bytes)
        if pcm:
            latency_s = max(0.0, times["output_buffer_dac_time"] - times["current_time"])
            queue.moved(len(pcm) // frame_bytes, latency_s + frames / order.rate_hz)
        elif not queue.playhead.remaining_s():
            queue.finished()
        return pcm.ljust(frames * frame_bytes, b"\0"), pyaudio.paContinue

    _run(wire, order, on_room, queue.obey)


def _run(wire: Wire, order: Order, callback: StreamCallback, obey: Callable[[], object]) -> None:
    """Keep the stream open until the wire is over. Raises DeviceError."""
    stream = _open(order, callback)
    wire.send(Kind.OPENED, devicewire.pack_format(order.wanted))
    try:
        stream.start_stream()
        while stream.is_active() and not wire.is_over:
            if wait(wire, LOOK_EVERY_S):
                obey()
    except OSError as error:
        raise _lost(order, str(error)) from error
    if not wire.is_over:
        raise _lost(order, "PortAudio stopped its stream")
    stream.close()


def _lost(order: Order, why: str) -> DeviceError:
    return DeviceError(f"{WHAT[order.direction]} {order.device} was lost: {why}")


def _open(order: Order, callback: StreamCallback) -> Any:
    """A stream that is ready to start. Raises DeviceError."""
    is_capture = order.direction == "capture"
    host = portaudio_host.start()
    index, name = portaudio_host.find_device(host, order.device, order.direction)
    try:
        return host.open(
            rate=order.rate_hz,
            channels=order.channels,
            format=portaudio_host.load().paInt16,
            input=is_capture,
            output=not is_capture,
            input_device_index=index if is_capture else None,
            output_device_index=None if is_capture else index,
            frames_per_buffer=int(order.rate_hz * (CAPTURE_BUFFER_S if is_capture else PLAYBACK_BUFFER_S)),
            stream_callback=callback,
            start=False,
        )
    except (OSError, ValueError) as error:
        raise portaudio_host.open_error(order, name, error) from error
