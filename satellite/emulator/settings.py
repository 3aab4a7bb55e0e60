"""What can be set on the emulated DeepL Voice service."""

from dataclasses import dataclass, field
from pathlib import Path

from satellite.emulator.faults import Fault


@dataclass(frozen=True, slots=True)
class Limits:
    """Published limits (DeepL Voice reference §13) and the numbers the reference leaves open.

    `jitter_ms` is granted to arrival times, because a chunk's arrival is not its sending; the emulator's own
    measured stalls are granted on top. `token_ttl_s`, `resume_window_s` and `no_retry_s` are choices of this double.
    """

    inactivity_s: float = 30.0
    token_ttl_s: float = 15.0
    resume_window_s: float = 30.0
    jitter_ms: float = 15.0
    no_retry_s: float = 10.0
    drain_patience_s: float = 10.0
    connection_s: float | None = None
    sessions: int | None = None


@dataclass(frozen=True, slots=True)
class Variants:
    """Odd but legal behaviour of a server (DeepL Voice reference §22)."""

    conclude_on_silence: bool = True
    odd_tag_case: bool = False
    extra_fields: bool = False
    unknown_messages: bool = False
    null_text: bool = False
    trailing_semicolon: bool = False
    many_elements: bool = False
    odd_elements: bool = False
    shuffled_end: bool = False
    no_session_id: bool = False
    split_headers: bool = False
    timeout_without_error: bool = False
    times_restart: bool = False


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """One emulator; port 0 lets the system choose. `resend_window_s` None is half the recording's length.

    `keep_audio` False forgets audio and messages, for runs of many hours. `advertised` is the host and port that the
    streaming URL names instead of its own, for something in between.
    """

    api_key: str = "emulated-deepl-key"
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
    limits: Limits = field(default_factory=Limits)
    variants: Variants = field(default_factory=Variants)
    faults: tuple[Fault, ...] = ()
    seed: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
