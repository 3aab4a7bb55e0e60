"""Capture and playback straight on ALSA with pyalsaaudio (0.10 or newer), each device in a thread of its own.

The devices are opened non-blocking and the threads sleep for the audio that is missing, not inside ALSA: a wait in
`read` or `write` never returns once a card is pulled out, and polling descriptors of plug-ins (dsnoop, pulse) wake
for other reasons than audio. A read error is a lost device; one that only falls silent is found by the loop's side.
"""

import errno
import logging
import threading
from typing import Any

from satellite.adapters import alsa_names
from satellite.adapters.capture import BlockMaker, BlockRelay, DeviceThread, ThreadCapture
from satellite.adapters.conversion import DeviceFormat
from satellite.adapters.playback import DevicePlayback, OutputState
from satellite.adapters.sound import Direction, PlaybackSettings
from satellite.core.audio import BLOCK_SAMPLES, RATE_HZ, AudioFormat
from satellite.errors import DeviceError
from satellite.ports import Clock

CAPTURE_PERIOD_S = 0.02
"""Read at once. Short, because a PCM that is fed through a FIFO (`type file`) takes a short read of it for a whole
period; the thread sleeps for blocks all the same."""
CAPTURE_PERIODS = 25
PLAYBACK_PERIOD_S = 0.05
PLAYBACK_PERIODS = 4
SHORTEST_WAIT_S = 0.005
EMPTY_WAIT_S = 0.02
"""Pause after a read that gave nothing although a block was due."""
BLOCKED_WAIT_S = 0.075
"""Pause after a block that the device made us wait for, though asked not to: most of the next one is there then, and
one wake-up takes it. Shorter than a block, as a FIFO holds little more."""
WIDTH_OF_FORMAT = {"S16_LE": 2, "S24_3LE": 3, "S32_LE": 4, "U8": 1}

_log = logging.getLogger(__name__)


class AlsaDevice:
    """An open PCM and the format it really has."""

    def __init__(self, direction: Direction, device: str, wanted: DeviceFormat) -> None:
        alsaaudio = alsa_names.load()
        is_capture = direction == "capture"
        period_s = CAPTURE_PERIOD_S if is_capture else PLAYBACK_PERIOD_S
        name = alsa_names.resolve(device, direction)
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
            raise alsa_names.open_error(device, direction, str(error)) from error
        info = self.pcm.info()
        self.name = name
        self.error_type: type[Exception] = alsaaudio.ALSAAudioError
        self.playing_states = (alsaaudio.PCM_STATE_RUNNING, alsaaudio.PCM_STATE_DRAINING)
        self.period_samples: int = info["period_size"]
        self.buffer_samples: int = info["buffer_size"]
        self.format = self._real_format(info)
        if self.format != wanted:
            _log.info("%s %s: asked for %s, got %s", direction, name, wanted, self.format)

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


class AlsaCapture(ThreadCapture):
    """ports.CaptureSource on an ALSA PCM."""

    def _capture(self, relay: BlockRelay) -> None:
        settings = self._settings
        wanted = DeviceFormat(settings.rate_hz, settings.channels)
        device = AlsaDevice("capture", settings.device, wanted)
        relay.opened()
        try:
            self._read(device, BlockMaker(device.format, settings), relay)
        except device.error_type as error:
            raise DeviceError(f"microphone {settings.device} was lost: {error}") from error
        finally:
            device.pcm.close()

    def _read(self, device: AlsaDevice, maker: BlockMaker, relay: BlockRelay) -> None:
        drained_at = self._clock.monotonic()
        while not self._stopping.is_set():
            began_at = self._clock.monotonic()
            pcm, samples = self._read_block(device)
            now = self._clock.monotonic()
            if samples == -errno.EPIPE:
                self._device_overruns += maker.gap(now - drained_at)
                drained_at = now
                continue
            for block in maker.push(pcm, now) if pcm else ():
                relay.offer(block)
            if samples < device.period_samples:
                drained_at = now
                self._stopping.wait(max(SHORTEST_WAIT_S, maker.missing_s) if pcm else EMPTY_WAIT_S)
            elif now - began_at > SHORTEST_WAIT_S:
                self._stopping.wait(BLOCKED_WAIT_S)

    def _read_block(self, device: AlsaDevice) -> tuple[bytes, int]:
        """About a block of audio, less where the device has less, and what the last read returned."""
        wanted_samples = device.format.rate_hz * BLOCK_SAMPLES // RATE_HZ
        parts: list[bytes] = []
        while True:
            samples, pcm = device.pcm.read()
            if samples > 0:
                parts.append(pcm)
                wanted_samples -= samples
            if samples < device.period_samples or wanted_samples <= 0:
                return b"".join(parts), samples


class AlsaOutput:
    """An ALSA PCM fed by its own thread from `state.queue`; idles dry between pieces of speech."""

    def __init__(self, settings: PlaybackSettings, wanted: DeviceFormat, clock: Clock) -> None:
        self.state = OutputState(settings.device, clock)
        self._settings = settings
        self._wanted = wanted
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = DeviceThread(f"playback {settings.device}", self._run, self.state.exited)

    async def close(self) -> None:
        """Stop the thread, which closes the device."""
        self._stopping.set()
        self.state.wake.set()
        await self._thread.wait_ended()

    def _run(self) -> None:
        device = AlsaDevice("playback", self._settings.device, self._wanted)
        try:
            self.state.opened(device.format)
            self._play(device)
            device.pcm.drop()
        except device.error_type as error:
            raise DeviceError(f"loudspeaker {self._settings.device} was lost: {error}") from error
        finally:
            device.pcm.close()

    def _play(self, device: AlsaDevice) -> None:
        state, rest = self.state, b""
        period_bytes = device.period_samples * device.format.frame_bytes
        while not self._stopping.is_set():
            if state.clear_asked.is_set():
                rest = b""
                device.pcm.drop()
                state.cleared()
            rest = rest or state.queue.take(period_bytes)
            if rest:
                rest = self._write(device, rest)
            elif state.has_sound_to_finish:
                self._finish(device)
            else:
                state.wait_for_work(None)

    def _write(self, device: AlsaDevice, pcm: bytes) -> bytes:
        """Write what there is room for and return the rest, in whole frames."""
        written = device.pcm.write(pcm)
        if written == -errno.EPIPE:
            # dry between two pieces of speech: the device is prepared again by now
            return pcm
        if written == 0:
            self.state.wait_for_work(device.period_samples / device.format.rate_hz / 2)
            return pcm
        self.state.moved(written, device.delay_s())
        return pcm[written * device.format.frame_bytes :]

    def _finish(self, device: AlsaDevice) -> None:
        """Nothing more is queued: let the device play out once asked to, or once it must be dry anyhow."""
        state = self.state
        remaining_s = state.playhead.remaining_s()
        if state.drain_asked.is_set() or remaining_s <= 0:
            is_dry = self._drain(device)
            if is_dry and state.playhead.remaining_s() <= 0:
                state.finished()
                return
            remaining_s = min(max(remaining_s, SHORTEST_WAIT_S), EMPTY_WAIT_S)
        state.wait_for_work(remaining_s)

    def _drain(self, device: AlsaDevice) -> bool:
        """Ask the device to play to the end; True once it has."""
        if device.pcm.state() not in device.playing_states:
            return True
        try:
            device.pcm.drain()
        except device.error_type as error:
            if "temporarily unavailable" in str(error):
                return False
            raise
        return True


class AlsaPlayback(DevicePlayback):
    """ports.PlaybackSink on an ALSA PCM."""

    def _make_output(self, audio_format: AudioFormat) -> AlsaOutput:
        settings = self._settings
        wanted = DeviceFormat(settings.rate_hz or audio_format.rate_hz, settings.channels or audio_format.channels)
        return AlsaOutput(settings, wanted, self._clock)
