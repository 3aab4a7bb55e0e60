"""What can be set on every emulated voice service."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from satellite.emulator.faults import Fault
from satellite.errors import MediaError


@dataclass(frozen=True, slots=True)
class Limits:
    """Published limits, and the numbers that a reference leaves open; each service has its own.

    `jitter_ms` is granted to arrival times, because a chunk's arrival is not its sending; the emulator's own measured
    stalls are granted on top.
    """

    jitter_ms: float = 15.0


@dataclass(frozen=True, slots=True)
class Variants:
    """Odd but legal behaviour of a server; each service has its own."""


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """One emulator; port 0 lets the system choose. `resend_window_s` None is half the recording's length.

    `keep_audio` False forgets audio and messages, for runs of many hours. `advertised` is the host and port that the
    streaming URL names instead of its own, for something in between.
    """

    api_key: str = "emulated-key"
    host: str = "127.0.0.1"
    http_port: int = 0
    ws_port: int = 0
    advertised: str = ""
    recording: Path | None = None
    labels: Path | None = None
    recogniser: str = "auto"
    speech: str = "auto"
    speech_wav: Path | None = None
    speech_enabled: bool = True
    target_media: str | None = None
    speech_speed: float = 12.0
    resend_window_s: float | None = None
    keep_audio: bool = True
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def tls_context(self) -> ssl.SSLContext | None:
        """The server's TLS side when a certificate is given; MediaError when it cannot be used."""
        if self.tls_cert is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.tls_cert, self.tls_key)
        except (OSError, ssl.SSLError) as fault:
            raise MediaError(f"TLS certificate {self.tls_cert} cannot be used: {fault}") from fault
        return context
