"""The loudspeaker: opened as the daemon opens it, and a short quiet tone."""

from satellite.adapters.devices import make_playback
from satellite.adapters.neighbours import Neighbour
from satellite.adapters.sound import file_path
from satellite.app import parts
from satellite.app.diagnosis.report import Outcome, failed, passed, skipped
from satellite.config.model import Config
from satellite.core.audio import STREAM_FORMAT
from satellite.core.level import tone
from satellite.errors import SatelliteError
from satellite.ports import Clock
from satellite.runtime.volume import scale

TONE_HZ = 440.0
TONE_S = 0.3
TONE_DBFS = -20.0

CHOOSE = "`voice-satellite devices` lists what audio.output.device can name; docs/audio.md helps to choose"


async def try_loudspeaker(config: Config, clock: Clock, running: Neighbour | None, *, with_tone: bool) -> Outcome:
    """Open it and sound it; left alone while a satellite runs, which would hear the tone or need the device."""
    device = str(config.audio.output.device)
    path = file_path(device)
    if path is not None:
        return passed(f"speech is written to {path}, which was left alone")
    if device == "null":
        return passed("null: speech is discarded, as configured")
    if running is not None:
        return skipped(
            f"left to the running satellite (pid {running.pid}); stop it to try {device}, or have it `play` a sound"
        )
    try:
        await _sound(config, clock, with_tone=with_tone)
    except SatelliteError as error:
        return failed(str(error), CHOOSE)
    if not with_tone:
        return passed(f"{device} opens; no tone was asked for")
    volume = config.audio.output.volume
    return passed(
        f"{device}: a tone of {TONE_S:.1f} s at volume {volume} was played; only you know whether it was heard"
    )


async def _sound(config: Config, clock: Clock, *, with_tone: bool) -> None:
    """Raises SatelliteError."""
    sink = make_playback(parts.playback_settings(config), clock)
    try:
        await sink.open(STREAM_FORMAT)
        if with_tone:
            pcm = tone(TONE_HZ, TONE_S, TONE_DBFS, STREAM_FORMAT.rate_hz)
            await sink.write(scale(pcm, config.audio.output.volume))
            await sink.drain()
    finally:
        await sink.close()
