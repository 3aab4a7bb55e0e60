"""What runtime needs and adapters provide. Everything is called on the event loop's thread unless said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from satellite.backends.base import BackendSession
from satellite.core.audio import AudioFormat, CaptureBlock
from satellite.core.events import VoiceEvent
from satellite.homeassistant.messages import Message


class Clock(Protocol):
    """The only way to learn the time."""

    def monotonic(self) -> float:
        """Seconds that never jump; the event loop's own time."""

    def wall(self) -> float:
        """Unix seconds, for timestamps in payloads only. Jumps when somebody sets the clock."""


class SleeplessClock(Clock, Protocol):
    """One that knows how long the machine slept."""

    def since_boot(self) -> float:
        """Seconds that never jump and go on while the machine sleeps, which `monotonic` does not."""


class CaptureSource(Protocol):
    """A microphone, or what stands for one. Opened by `start`, used once."""

    @property
    def overruns(self) -> int:
        """Blocks lost because the device or the loop was late."""

    def start(self, on_block: Callable[[CaptureBlock], None], on_end: Callable[[Exception | None], None]) -> None:
        """Begin capturing.

        `on_block` gets one block (BLOCK_SAMPLES, the last of a file may be shorter) at a time; `on_end` comes
        once: None at the end of a file, a DeviceError when the device is lost, stalls, or cannot be opened.
        """

    async def stop(self) -> None:
        """Close the device; no call-back comes afterwards. Idempotent, returns within two seconds."""


class PlaybackSink(Protocol):
    """A loudspeaker, or what stands for one. Mono PCM; keeps real time."""

    async def open(self, audio_format: AudioFormat) -> None:
        """Open for PCM of this format; resamples when the device cannot. Raises DeviceError."""

    async def write(self, pcm: bytes) -> None:
        """Hand over PCM; waits while the device has more than about 200 ms queued. Raises DeviceError."""

    @property
    def queued_s(self) -> float:
        """Seconds between a sample handed over now and its being heard."""

    async def drain(self) -> None:
        """Return when the last sample handed over has been heard."""

    async def clear(self) -> None:
        """Throw away what was handed over and not heard yet."""

    async def close(self) -> None:
        """Release the device. Idempotent."""


class Detector(Protocol):
    """Speech probability of one frame of FRAME_SAMPLES; no memory of policy."""

    def probability(self, frame: bytes) -> float:
        """0.0 (silence) to 1.0 (speech)."""


class SpeechDecoder(Protocol):
    """Turns speech units into mono PCM, delivered through the call-back it was made with."""

    @property
    def rate_hz(self) -> int:
        """Rate of the PCM that comes out."""

    def feed(self, units: Sequence[bytes]) -> None:
        """Units in order of arrival; PCM follows through the call-back, now or soon."""

    async def flush(self) -> None:
        """Deliver what the decoder keeps back; more may be fed afterwards."""

    def close(self) -> None:
        """Stop; no call-back comes afterwards. Idempotent."""


class DecoderFactory(Protocol):
    """Makes a decoder for a content type; raises MediaError when there is none, naming the mend."""

    def __call__(self, content_type: str, headers: Sequence[bytes], on_pcm: Callable[[bytes], None]) -> SpeechDecoder:
        """A decoder of its own for each stream."""


class VoiceLink(Protocol):
    """Drives one session over its transport until it is over. Used once."""

    async def run(self) -> None:
        """Perform actions and feed inputs until the session is CLOSED or FAILED and the socket is gone."""

    def wake(self) -> None:
        """The session was called from outside (audio_ready, finish, close): drain it and re-arm the timer."""


class VoiceLinkFactory(Protocol):
    """Makes the link for a session; every event the session reports goes to `on_event`."""

    def __call__(self, session: BackendSession, on_event: Callable[[VoiceEvent], None], session_id: str) -> VoiceLink:
        """A link of its own for each session; the log calls it by this id."""


class Publisher(Protocol):
    """Where messages go. Never blocks; what waits is bounded by the message's own delivery rule."""

    def publish(self, message: Message) -> None:
        """Queue a message for the broker."""

    async def flush(self, timeout_s: float) -> bool:
        """Wait until everything queued was acknowledged; False when time ran out."""


class ServiceNotifier(Protocol):
    """The service manager (systemd), or nobody."""

    def ready(self) -> None:
        """Start-up or a reload is done."""

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows, whatever comes of it."""

    def stopping(self) -> None:
        """An ordered stop has begun."""

    def status(self, text: str) -> None:
        """How it is, in one line for people; saying the same again costs nothing."""

    def watchdog(self) -> None:
        """The pipeline moves."""

    def watchdog_interval_s(self) -> float | None:
        """How often the manager wants to hear `watchdog`, None when it does not watch."""


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """What the process has cost so far."""

    cpu_s: float
    rss_bytes: int
