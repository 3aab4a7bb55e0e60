"""What can be set on the emulated Vurbo service."""

from dataclasses import dataclass, field

from satellite.emulator.settings import EmulatorSettings, Limits, Variants


@dataclass(frozen=True, slots=True)
class VurboLimits(Limits):
    """Published limits (Vurbo reference §10.3), and numbers that the reference leaves open.

    `heartbeat_s` is the advised 30 s with 5 s of grace. `reply_s`, `upload_s`, `no_retry_s`, `drain_patience_s`,
    `silence_s` and `budget_s` (billed seconds after which `start` is refused) are choices of this double.
    """

    ticket_ttl_s: float = 60.0
    heartbeat_s: float = 35.0
    reply_s: float = 0.01
    upload_s: float = 0.2
    no_retry_s: float = 10.0
    drain_patience_s: float = 10.0
    silence_s: float = 60.0
    budget_s: float | None = None


@dataclass(frozen=True, slots=True)
class VurboVariants(Variants):
    """Behaviour that the reference leaves open, or marks as seen in one source only (§5, §8.2, §15)."""

    echo_subprotocol: bool = True
    bad_ticket_in_band: bool = False
    error_as_action: bool = False
    flat_errors: bool = False
    no_pong: bool = False
    chinese_messages: bool = False
    extra_fields: bool = False
    unknown_messages: bool = False
    odd_tag_case: bool = False
    no_task_id: bool = False
    no_start_time: bool = False
    wall_clock_start_time: bool = False
    no_interim: bool = False
    translations_apart: bool = False
    corrected_finals: bool = False
    failing_sentence: bool = False
    early_task_complete: bool = False
    tts_nested: bool = False
    tts_data_url: bool = False
    tts_without_sid: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """A broadcast channel that was created before."""

    token: str = "k7q2"  # noqa: S105 - the name of a channel on loopback
    transcription_language: str = "en-US"
    translation_languages: tuple[str, ...] = ("de-DE",)


@dataclass(frozen=True, slots=True)
class VurboSettings(EmulatorSettings):
    """One emulated Vurbo service."""

    api_key: str = "vas_emulated0emulated0emulated0emul0"
    limits: VurboLimits = field(default_factory=VurboLimits)
    variants: VurboVariants = field(default_factory=VurboVariants)
    channel: Channel = field(default_factory=Channel)
