"""The microphone: opened as the daemon opens it, a second of it, and its level."""

import asyncio

from satellite.adapters.devices import make_capture
from satellite.adapters.neighbours import Neighbour
from satellite.app import parts
from satellite.app.diagnosis.report import Outcome, failed, joined, passed, skipped, warned
from satellite.config.model import Config
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, CaptureBlock
from satellite.core.level import Level, measure
from satellite.errors import SatelliteError
from satellite.ports import CaptureSource, Clock

HEARD_S = 1.0
SETTLING_S = 0.2
"""What a device gives first may be a click, or nothing yet."""
SILENT_SPAN = 2
"""A converter that is connected to anything flickers by more."""
CLIPPED_SHARE_MAX = 0.001
OFFSET_MAX = 0.05

CHOOSE = "`voice-satellite devices` lists what audio.input.device can name; docs/audio.md helps to choose"
UNMUTE = "unmute the capture channel of the card (`alsamixer`, F4), and see that audio.input.channel is the right one"
QUIETER = "lower the capture level of the card (`alsamixer`, F4) or audio.input.gain_db"
OFFSET = "another input or sound card; speech is recognised worse with it"


async def try_microphone(config: Config, clock: Clock, running: Neighbour | None, *, is_muted: bool) -> Outcome:
    """A second of it, unless the satellite that runs by this configuration hears with it, or nobody is to hear."""
    device = str(config.audio.input.device)
    if is_muted:
        return skipped(f"muted by command: {device} stays closed; unmute the satellite to try it")
    if running is not None and "capture" in running.devices:
        return skipped(
            f"{device} is held by the running satellite (pid {running.pid}); what it hears shows in `running satellite`"
        )
    if device == "null":
        return passed("null: silence, as configured")
    try:
        source = make_capture(parts.capture_settings(config), clock)
        pcm = await listen(source, SETTLING_S + HEARD_S)
    except SatelliteError as error:
        return failed(str(error), CHOOSE)
    return judge(device, measure(pcm[round(SETTLING_S * RATE_HZ) * SAMPLE_BYTES :]), source.overruns)


async def listen(source: CaptureSource, seconds: float) -> bytes:
    """What it hears first; less when it ends sooner. Raises DeviceError."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    pcm = bytearray()

    def on_block(block: CaptureBlock) -> None:
        pcm.extend(block.data)
        if len(pcm) >= seconds * RATE_HZ * SAMPLE_BYTES:
            on_end(None)

    def on_end(error: Exception | None) -> None:
        if over.done():
            return
        if error is None:
            over.set_result(None)
        else:
            over.set_exception(error)

    try:
        source.start(on_block, on_end)
        await over
    finally:
        await source.stop()
    return bytes(pcm)


def judge(device: str, level: Level, overruns: int) -> Outcome:
    """What a second of sound says of the microphone."""
    heard = f"{device}: level {level.rms_dbfs:.0f} dBFS, peak {level.peak_dbfs:.0f} dBFS within a second"
    outcomes = []
    if level.span <= SILENT_SPAN:
        outcomes.append(warned(f"{device} gives nothing but digital silence", UNMUTE))
    if level.clipped_share > CLIPPED_SHARE_MAX:
        outcomes.append(warned(f"{heard}: {level.clipped_share:.1%} of it is clipped", QUIETER))
    if abs(level.offset) > OFFSET_MAX:
        outcomes.append(warned(f"{heard}, with a constant part (DC) of {level.offset:.0%} of full scale", OFFSET))
    if overruns:
        outcomes.append(
            warned(f"{overruns} blocks of 100 ms were lost", "this machine does not keep up: what else runs?")
        )
    return joined(outcomes) if outcomes else passed(heard)
