"""Capture and playback straight on ALSA with pyalsaaudio (0.10 or newer), in the process that holds the device.

The devices are opened non-blocking and the process sleeps for the audio that is missing, not inside ALSA: a wait in
`read` or `write` never returns once a card is pulled out, and polling descriptors of plug-ins (dsnoop, pulse) wake
for other reasons than audio. A read error is a lost device; one that only falls silent is found by the satellite.
"""

import errno
from typing import Any

from satellite.adapters import alsa_names, devicewire
from satellite.adapters.deviceside import BLOCK_S, CLOCK, Order, Queue, Recorder, wait
from satellite.adapters.devicewire import Kind, Wire
from satellite.adapters.sound import WHAT, DeviceFormat
from satellite.errors import DeviceError

CAPTURE_PERIOD_S = 0.02
"""Read at once. Short, because a PCM that is fed through a FIFO (`type file`) takes a short read of it for a whole
period; the process sleeps for blocks all the same."""
CAPTURE_PERIODS = 25
PLAYBACK_PERIOD_S = 0.05
PLAYBACK_PERIODS = 4
SHORTEST_WAIT_S = 0.005
EMPTY_WAIT_S = 0.02
"""Pause after a read that gave nothing although a block was due."""
BLOCKED_WAIT_S = 0.075
"""Pause after a block that the device made us wait for, though asked not to: most of the next one is there then, and
one wake-up takes it. Shorter than a block, as a FIFO holds little more."""
MAX_AT_ONCE_BLOCKS = 10
"""More than a device holds; one that goes on giving is none."""
SUSPENDED = "Streams pipe error"
"""What ALSA calls a device of a machine that was suspended (ESTRPIPE)."""
UNDERRUN = "Broken pipe"
"""What ALSA calls a device that ran dry (EPIPE)."""
WIDTH_OF_FORMAT = {"S16_LE": 2, "S24_3LE": 3, "S32_LE": 4, "U8": 1}


class AlsaDevice:
    """An open PCM and the format it really has."""

    def __init__(self, order: Order) -> None:
        alsaaudio = alsa_names.load()
        wanted, is_capture = order.wanted, order.direction == "capture"
        period_s = CAPTURE_PERIOD_S if is_capture else PLAYBACK_PERIOD_S
        name = alsa_names.resolve(order.device, order.direction)
        try:
            self.pcm: Any = alsaaudio.PCM(
                type=alsaaudio.PCM_CAPTURE if is_capture else alsaaudio.PCM_PLAYBACK,
                # non-blocking also makes a busy card an error instead of an endless wait in open
                mode=alsaaudio.PCM_NONBLOCK,
                device=name,
                rate=wanted.rate_hz,
                channels=wanted.channels,
                format=alsaaudio.PCM_FORMAT_S16_LE,
                periodsize=int(wanted.rate_hz * period_s),
                periods=CAPTURE_PERIODS if is_capture else PLAYBACK_PERIODS,
            )
        except alsaaudio.ALSAAudioError as error:
            raise alsa_names.open_error(order.device, name, order.direction, str(error)) from error
        info = self.pcm.info()
        self.name = name
        self._order = order
        self.error_type: type[Exception] = alsaaudio.ALSAAudioError
        self.draining_state: int = alsaaudio.PCM_STATE_DRAINING
        self.playing_states = (alsaaudio.PCM_STATE_RUNNING, self.draining_state)
        self.period_samples: int = info["period_size"]
        self.buffer_samples: int = info["buffer_size"]
        self.format = self._real_format(info)

    def _real_format(self, info: dict[str, Any]) -> DeviceFormat:
        sample_format = info["format_name"]
        if sample_format not in WIDTH_OF_FORMAT:
            self.pcm.close()
            raise DeviceError(
                f"{self.name} gives {sample_format}, which is not supported: use it as plughw:… instead of hw:…"
            )
        return DeviceFormat(info["rate"], info["channels"], WIDTH_OF_FORMAT[sample_format])

    def delay_s(self) -> float:
        """Seconds written and not played, as far as the device tells (pyalsaaudio 0.11); 0 when it does not."""
        if not hasattr(self.pcm, "avail"):
            return 0.0
        available: int = self.pcm.avail()
        return max(0, self.buffer_samples - available) / self.format.rate_hz if available >= 0 else 0.0

    def lost(self, error: Exception) -> DeviceError:
        """The device's failure in words."""
        return DeviceError(f"{WHAT[self._order.direction]} {self._order.device} was lost: {error}")

    def revived(self, error: Exception) -> "AlsaDevice":
        """The device opened anew, when the machine was only suspended. Raises DeviceError for any other failure."""
        if not str(error).startswith(SUSPENDED):
            raise self.lost(error) from error
        self.pcm.close()
        device = AlsaDevice(self._order)
        if device.format != self.format:
            raise device.lost(DeviceError("it came back from suspend with another format")) from error
        return device


def capture(wire: Wire, order: Order) -> None:
    """Read a microphone until the satellite closes its end. Raises DeviceError."""
    AlsaMicrophone(wire, order).run()


def play(wire: Wire, order: Order) -> None:
    """Feed a loudspeaker with what the satellite says until it closes its end. Raises DeviceError."""
    AlsaLoudspeaker(wire, order).run()


class AlsaMicrophone:
    """An ALSA PCM read in blocks."""

    def __init__(self, wire: Wire, order: Order) -> None:
        self._wire = wire
        self._device = AlsaDevice(order)
        self._recorder = Recorder(wire, self._device.format)
        self._drained_at = CLOCK.monotonic()

    def run(self) -> None:
        """Read until the wire is over."""
        self._wire.send(Kind.OPENED, devicewire.pack_format(self._device.format))
        try:
            while not self._wire.is_over:
                try:
                    pause_s = self._read()
                except self._device.error_type as error:
                    self._device = self._device.revived(error)
                    pause_s = self._lose()
                if wait(self._wire, pause_s):
                    self._wire.receive()
        finally:
            self._device.pcm.close()

    def _read(self) -> float:
        """One visit; returns how long to stay away until the next."""
        pcm, samples, has_blocked = self._read_all()
        now = CLOCK.monotonic()
        if pcm:
            self._recorder.audio(pcm, now)
        if samples == -errno.EPIPE:
            return self._lose()
        if has_blocked:
            return BLOCKED_WAIT_S
        self._drained_at = now
        return max(SHORTEST_WAIT_S, self._recorder.missing_s) if pcm else EMPTY_WAIT_S

    def _lose(self) -> float:
        """The device could not keep what came since it was emptied last."""
        now = CLOCK.monotonic()
        self._recorder.gap(now - self._drained_at)
        self._drained_at = now
        return 0.0

    def _read_all(self) -> tuple[bytes, int, bool]:
        """What the device has, what the last read returned, and whether it made us wait though asked not to.

        All of it, or it would be stamped too late; a device that makes us wait is left alone after a block.
        """
        device = self._device
        block_samples = int(device.format.rate_hz * BLOCK_S)
        parts: list[bytes] = []
        total_samples, has_blocked = 0, False
        while not has_blocked or total_samples < block_samples:
            began_at = CLOCK.monotonic()
            samples, pcm = device.pcm.read()
            has_blocked = CLOCK.monotonic() - began_at > SHORTEST_WAIT_S
            if samples > 0:
                parts.append(pcm)
                total_samples += samples
            if samples < device.period_samples or total_samples > MAX_AT_ONCE_BLOCKS * block_samples:
                break
        return b"".join(parts), samples, has_blocked and samples >= device.period_samples


class AlsaLoudspeaker:
    """An ALSA PCM fed from a queue; idles dry between pieces of speech."""

    def __init__(self, wire: Wire, order: Order) -> None:
        self._wire = wire
        self._device = AlsaDevice(order)
        self._queue = Queue(wire, self._device.format)
        self._rest = b""

    def run(self) -> None:
        """Play until the wire is over."""
        self._wire.send(Kind.OPENED, devicewire.pack_format(self._device.format))
        try:
            while not self._wire.is_over:
                try:
                    pause_s = self._visit()
                except self._device.error_type as error:
                    self._device = self._device.revived(error)
                    pause_s = 0.0
                if wait(self._wire, pause_s):
                    self._queue.obey()
            self._device.pcm.drop()
        except self._device.error_type as error:
            raise self._device.lost(error) from error
        finally:
            self._device.pcm.close()

    def _visit(self) -> float | None:
        """Do what is to be done; returns how long to stay away, None until the satellite says something."""
        queue, device = self._queue, self._device
        if queue.clear_asked:
            self._rest = b""
            device.pcm.drop()
            queue.cleared()
        self._rest = self._rest or queue.take(device.period_samples * device.format.frame_bytes)
        if self._rest:
            return self._write()
        return self._finish() if queue.has_sound_to_finish else None

    def _write(self) -> float:
        """Write what there is room for and keep the rest, in whole frames."""
        device = self._device
        if device.pcm.state() == device.draining_state:
            # sound that came while the last of it plays out; ALSA takes none before that is over
            return SHORTEST_WAIT_S
        written = device.pcm.write(self._rest)
        if written == -errno.EPIPE:
            # dry between two pieces of speech: the device is prepared again by now
            return 0.0
        if written == 0:
            return device.period_samples / device.format.rate_hz / 2
        self._queue.moved(written, device.delay_s())
        self._rest = self._rest[written * device.format.frame_bytes :]
        return 0.0

    def _finish(self) -> float:
        """Nothing more is queued: let the device play out once asked to, or once it must be dry anyhow."""
        queue = self._queue
        remaining_s = queue.playhead.remaining_s()
        if not queue.drain_asked and remaining_s > 0:
            return remaining_s
        if self._drain() and queue.playhead.remaining_s() <= 0:
            queue.finished()
            return 0.0
        return min(max(remaining_s, SHORTEST_WAIT_S), EMPTY_WAIT_S)

    def _drain(self) -> bool:
        """Ask the device to play to the end; True once it has."""
        device = self._device
        if device.pcm.state() not in device.playing_states:
            return True
        try:
            device.pcm.drain()
        except device.error_type as error:
            if "temporarily unavailable" in str(error):
                return False
            # dry before it was asked, as a card that is shared by dmix often is
            if not str(error).startswith(UNDERRUN):
                raise
        return True
