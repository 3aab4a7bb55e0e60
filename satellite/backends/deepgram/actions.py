"""What may be asked of a running session, and the settings in force (Flux reference §3.2, §3.3)."""

from typing import Annotated

import msgspec
from msgspec import Meta

from satellite.backends.base import RuntimeAction
from satellite.backends.deepgram.options import MANUAL_THRESHOLD, DeepgramOptions, Hints, Keyterms
from satellite.core.section import Section, checked

CONFIGURE = "configure"
FORCE_END_TURN = "force_end_turn"
OFF = 0.0
"""As `eager_eot_threshold`: no guesses."""


def _off_or_usable(threshold: float) -> float:
    if threshold != OFF and threshold < 0.3:
        raise ValueError("must be 0.3 or more, or 0 for off")
    return threshold


class Configure(Section, frozen=True):
    """Settings of the transcription that a running session can change; what is left out stays as it is."""

    eot_threshold: Annotated[float, Meta(ge=0.5, le=MANUAL_THRESHOLD)] | None = None
    eager_eot_threshold: Annotated[float, checked(_off_or_usable), Meta(ge=OFF, le=0.9)] | None = None
    eot_timeout_ms: Annotated[int, Meta(ge=500, le=60_000)] | None = None
    keyterms: Keyterms | None = None
    language_hints: Hints | None = None
    numerals: bool | None = None


class ForceEndTurn(Section, frozen=True):
    """Nothing to say beside it."""


def changed(settings: Configure, changes: Section) -> Configure:
    """The settings after these changes."""
    values = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not None}
    return msgspec.structs.replace(settings, **values)


def settings_of(options: DeepgramOptions, hints: tuple[str, ...]) -> Configure:
    """What a session begins with when nothing else was asked for."""
    eager = options.eager_eot_threshold
    return Configure(
        eot_threshold=options.eot_threshold,
        eager_eot_threshold=OFF if eager is None else eager,
        eot_timeout_ms=options.eot_timeout_ms,
        keyterms=options.keyterms,
        language_hints=hints,
        numerals=options.numerals,
    )


ACTIONS = {
    CONFIGURE: RuntimeAction(Configure, outlasts_session=True),
    FORCE_END_TURN: RuntimeAction(ForceEndTurn),
}
