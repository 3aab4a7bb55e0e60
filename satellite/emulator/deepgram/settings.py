"""What can be set on the emulated Deepgram Flux service."""

from dataclasses import dataclass, field

from satellite.emulator.settings import EmulatorSettings, Limits, Variants


@dataclass(frozen=True, slots=True)
class DeepgramLimits(Limits):
    """Published limits (Flux reference §2.4, §8, §11, §12) and the numbers that the reference leaves open.

    `burst_s` is the pre-roll that may come at once, `jitter_s` is granted to arrival times on top. `latency_s`,
    `connected_s`, `dangling_s`, `no_retry_s` and `token_s` (null: what was asked for) are choices of this double.
    """

    speed: float = 1.25
    burst_s: float = 0.5
    jitter_s: float = 0.1
    inactivity_s: float = 60.0
    latency_s: float = 0.1
    connected_s: float = 0.05
    dangling_s: float = 5.0
    no_retry_s: float = 10.0
    token_s: float | None = None
    sessions: int | None = None


@dataclass(frozen=True, slots=True)
class DeepgramVariants(Variants):
    """Odd but legal behaviour of a server, and of older and self-hosted ones (Flux reference §3-§6, §10, §11)."""

    no_trigger: bool = False
    """EndOfTurn does not say why."""
    no_word_times: bool = False
    no_languages: bool = False
    no_request_id: bool = False
    """Only `Connected` carries one."""
    text_numbers: bool = False
    """Numbers are written as strings."""
    unknown_messages: bool = False
    unknown_events: bool = False
    """Updates have a name that is not published."""
    fatal_error_name: bool = False
    """The type of fatal errors is that of the schema."""
    bare_failures: bool = False
    """ConfigureFailure says neither code nor description."""
    refused_configures: bool = False
    unanswered_configures: bool = False
    no_configure: bool = False
    """`Configure` is not understood."""
    no_force: bool = False
    """`ForceEndTurn` is not understood."""
    deaf_force: bool = False
    """`ForceEndTurn` is taken and nothing comes of it."""
    no_model_end: bool = False
    """The model never ends a turn."""
    no_connected: bool = False
    no_events: bool = False
    """The socket is open, audio flows, and nothing comes."""
    empty_ends: bool = False
    """Each EndOfTurn is followed by a turn without a word."""
    close_status: bool = False
    """The end comes with a close status."""
    close_lingers: bool = False
    """The connection is not dropped after `CloseStream`."""


@dataclass(frozen=True, slots=True)
class DeepgramSettings(EmulatorSettings):
    """One emulated Deepgram Flux service."""

    api_key: str = "emulated-deepgram-key"
    limits: DeepgramLimits = field(default_factory=DeepgramLimits)
    variants: DeepgramVariants = field(default_factory=DeepgramVariants)
