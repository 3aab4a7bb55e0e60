"""What can be set on the emulated Palabra service."""

import os
from dataclasses import dataclass, field

from satellite.emulator.settings import EmulatorSettings, Limits, Variants


@dataclass(frozen=True, slots=True)
class PalabraLimits(Limits):
    """Published limits (Palabra reference §4, §7, §10) and the numbers that the reference leaves open.

    `ready_s` is how long a task takes to start. Audio may be `early_ms` ahead of real time, besides `jitter_ms` for the
    way. `sessions` is the plan's number of open sessions, `patience_s` how long one may be left behind undeleted.
    """

    sessions: float = 4
    connections_per_minute: float = 20
    ready_s: float = 2.0
    task_gap_s: float = 2.0
    stop_gap_s: float = 3.0
    says_per_minute: float = 60
    inactivity_s: float = 10.0
    early_ms: float = 320.0
    jitter_ms: float = 150.0
    slow_s: float = 2.0
    patience_s: float = 10.0


@dataclass(frozen=True, slots=True)
class PalabraVariants(Variants):
    """Odd but legal behaviour of a server (Palabra reference §3.1, §6, §11)."""

    application: bool = False
    """Satellites are told to use client id and secret instead of a key."""
    webrtc: bool = False
    """Satellites are told to use a room."""
    publisher_list: bool = False
    old_names: bool = False
    string_data: bool = False
    binary_frames: bool = False
    part_texts: bool = False
    audio_part_numbers: bool = False
    variant_codes: bool = False
    duplicate_finals: bool = False
    no_segments: bool = False
    two_parts: bool = False
    audio_first: bool = False
    telemetry: bool = False
    end_of_stream_name: bool = False
    interrupt_only: bool = False
    deaf_to_pause: bool = False
    times_restart: bool = False


@dataclass(frozen=True, slots=True)
class PalabraSettings(EmulatorSettings):
    """One emulated Palabra service. `livekit_*` name a LiveKit server, without which there are no rooms."""

    api_key: str = "plbr_emulated-palabra-key"
    client_id: str = "emulated-client-id"
    client_secret: str = "emulated-client-secret"  # noqa: S105 - good for the emulator alone
    livekit_url: str = field(default_factory=lambda: os.environ.get("LIVEKIT_URL", ""))
    livekit_key: str = "devkey"
    livekit_secret: str = "secret"  # noqa: S105 - what a LiveKit server has in its development mode
    limits: PalabraLimits = field(default_factory=PalabraLimits)
    variants: PalabraVariants = field(default_factory=PalabraVariants)
