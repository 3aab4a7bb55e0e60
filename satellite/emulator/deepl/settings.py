"""What can be set on the emulated DeepL Voice service."""

from dataclasses import dataclass, field

from satellite.emulator.settings import EmulatorSettings, Limits, Variants


@dataclass(frozen=True, slots=True)
class DeepLLimits(Limits):
    """Published limits (DeepL Voice reference §13) and the numbers the reference leaves open.

    `token_ttl_s`, `resume_window_s` and `no_retry_s` are choices of this double.
    """

    inactivity_s: float = 30.0
    token_ttl_s: float = 15.0
    resume_window_s: float = 30.0
    no_retry_s: float = 10.0
    drain_patience_s: float = 10.0
    connection_s: float | None = None
    sessions: int | None = None


@dataclass(frozen=True, slots=True)
class DeepLVariants(Variants):
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
class DeepLSettings(EmulatorSettings):
    """One emulated DeepL Voice service."""

    api_key: str = "emulated-deepl-key"
    limits: DeepLLimits = field(default_factory=DeepLLimits)
    variants: DeepLVariants = field(default_factory=DeepLVariants)
