"""Capture and playback on PortAudio with PyAudio, in call-back mode: the way for systems without direct ALSA.

After a card is pulled out PortAudio reports neither an error nor an inactive stream, and closing a stalled stream can
block: so call-backs are watched from the loop, and open and close happen in a thread that is not waited for too long.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from satellite.adapters import portaudio_host
from satellite.adapters.capture import BlockMaker, BlockRelay, DeviceThread, ThreadCapture
from satellite.adapters.conversion import DeviceFormat
from satellite.adapters.playback import DevicePlayback, OutputState
from satellite.adapters.sound import Direction, PlaybackSettings
from satellite.core.audio import BLOCK_SAMPLES, RATE_HZ, AudioFormat
from satellite.errors import DeviceError
from satellite.ports import Clock

CAPTURE_BUFFER_S = 0.02
"""Taken at once. Short, because a PCM that is fed through a FIFO (ALSA's `type file`) takes a short read of it for a
whole buffer; blocks are handed over all the same."""
PLAYBACK_BUFFER_S = 0.05

StreamCallback = Callable[[bytes | None, int, dict[str, float], int], tuple[bytes | None, int]]


@dataclass(frozen=True, slots=True)
class CallbackStream:
    """A PortAudio stream: which device, which PCM, and who is called back."""

    device: str
    direction: Direction
    wanted: DeviceFormat
    callback: StreamCallback

    def run(self, stopping: threading.Event, on_open: Callable[[], None]) -> None:
        """Open, call back until `stopping` is set, release PortAudio. Raises DeviceError."""
        with portaudio_host.exclusive():
            host = portaudio_host.start()
            try:
                stream = self._open(host)
            except BaseException:
                host.terminate()
                raise
        on_open()
        stopping.wait()
        with portaudio_host.exclusive():
            stream.close()
            host.terminate()

    def _open(self, host: Any) -> Any:
        is_capture = self.direction == "capture"
        index = portaudio_host.find_device(host, self.device, self.direction)
        wanted = self.wanted
        try:
            return host.open(
                rate=wanted.rate_hz,
                channels=wanted.channels,
                format=portaudio_host.load().paInt16,
                input=is_capture,
                output=not is_capture,
                input_device_index=index if is_capture else None,
                output_device_index=None if is_capture else index,
                frames_per_buffer=int(wanted.rate_hz * (CAPTURE_BUFFER_S if is_capture else PLAYBACK_BUFFER_S)),
                stream_callback=self.callback,
            )
        except (OSError, ValueError) as error:
            what = "microphone" if is_capture else "loudspeaker"
            raise DeviceError(
                f"{what} {self.device} cannot be opened at {wanted.rate_hz} Hz, {wanted.channels} channel(s): {error}"
            ) from error


class PortAudioCapture(ThreadCapture):
    """ports.CaptureSource on a PortAudio device."""

    def _capture(self, relay: BlockRelay) -> None:
        pyaudio = portaudio_host.load()
        settings = self._settings
        wanted = DeviceFormat(settings.rate_hz, settings.channels)
        maker = BlockMaker(wanted, settings)

        parts: list[bytes] = []

        def on_audio(pcm: bytes | None, frames: int, _times: dict[str, float], flags: int) -> tuple[None, int]:
            if flags & pyaudio.paInputOverflow:
                # PortAudio does not say how much was lost: at least one block counts
                self._device_overruns += 1
            parts.append(pcm or b"")
            if len(parts) * frames * RATE_HZ < BLOCK_SAMPLES * wanted.rate_hz:
                return None, pyaudio.paContinue
            try:
                for block in maker.push(b"".join(parts), self._clock.monotonic()):
                    relay.offer(block)
            except DeviceError as error:
                relay.finish(error)
                return None, pyaudio.paAbort
            parts.clear()
            return None, pyaudio.paContinue

        CallbackStream(settings.device, "capture", wanted, on_audio).run(self._stopping, relay.opened)


class PortAudioOutput:
    """A PortAudio stream that takes its sound from `state.queue` and plays silence when there is none."""

    def __init__(self, settings: PlaybackSettings, wanted: DeviceFormat, clock: Clock) -> None:
        self.state = OutputState(settings.device, clock)
        self._settings = settings
        self._wanted = wanted
        self._stopping = threading.Event()
        self._thread = DeviceThread(f"playback {settings.device}", self._run, self.state.exited)

    async def close(self) -> None:
        """Stop the stream and release PortAudio."""
        self._stopping.set()
        await self._thread.wait_ended()

    def _run(self) -> None:
        pyaudio = portaudio_host.load()
        state, wanted = self.state, self._wanted

        def on_room(_pcm: bytes | None, frames: int, times: dict[str, float], _flags: int) -> tuple[bytes, int]:
            state.alive()
            if state.clear_asked.is_set():
                state.cleared()
            pcm = state.queue.take(frames * wanted.frame_bytes)
            if pcm:
                latency_s = max(0.0, times["output_buffer_dac_time"] - times["current_time"])
                state.moved(len(pcm) // wanted.frame_bytes, latency_s + frames / wanted.rate_hz)
            elif not state.playhead.remaining_s():
                state.finished()
            return pcm.ljust(frames * wanted.frame_bytes, b"\0"), pyaudio.paContinue

        stream = CallbackStream(self._settings.device, "playback", wanted, on_room)
        stream.run(self._stopping, lambda: state.opened(wanted))


class PortAudioPlayback(DevicePlayback):
    """ports.PlaybackSink on a PortAudio device."""

    def _make_output(self, audio_format: AudioFormat) -> PortAudioOutput:
        settings = self._settings
        wanted = DeviceFormat(settings.rate_hz or audio_format.rate_hz, settings.channels or audio_format.channels)
        return PortAudioOutput(settings, wanted, self._clock)
