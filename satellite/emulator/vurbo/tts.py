"""Speech of the emulated Vurbo service: one whole clip in one `tts_ready` (reference §8.2).

Which form the service sends is not known, so it may be any: the setting `target_media` says which, WAV by default.
"""

import base64
import io
import wave

from satellite.emulator.pcm import WIDTH, resample
from satellite.emulator.speech import SPEECH_RATE_HZ
from satellite.emulator.vurbo.settings import VurboVariants
from satellite.errors import MediaError

WAV = "audio/wav"
_FORMATS = {
    "audio/mpeg": ("mp3", "mp3", 24_000),
    "audio/ogg": ("ogg", "libopus", 48_000),
    "audio/webm": ("webm", "libopus", 48_000),
    "audio/flac": ("flac", "flac", 24_000),
    "audio/aac": ("adts", "aac", 24_000),
    "audio/mp4": ("mp4", "aac", 24_000),
}
"""By media type: libav's muxer and codec, and the rate."""


def encode(pcm_24k: bytes, media: str) -> bytes:
    """A clip by itself; MediaError for a type that cannot be made. `audio/pcm` is samples without any head."""
    if media == WAV:
        return _wave(pcm_24k)
    if media.startswith("audio/pcm"):
        return pcm_24k
    if media not in _FORMATS:
        raise MediaError(f"the emulator makes no {media}: use {', '.join((WAV, 'audio/pcm', *_FORMATS))}")
    return _muxed(pcm_24k, *_FORMATS[media])


def _wave(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(WIDTH)
        wav.setframerate(SPEECH_RATE_HZ)
        wav.writeframes(pcm)
    return file.getvalue()


def _muxed(pcm_24k: bytes, form: str, codec: str, rate_hz: int) -> bytes:
    try:
        import av  # noqa: PLC0415 - loaded only when used
    except ImportError as fault:
        raise MediaError("compressed speech needs the package av: pip install av") from fault
    pcm = resample(pcm_24k, SPEECH_RATE_HZ, rate_hz)
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate_hz)
        assert isinstance(stream, av.AudioStream)  # noqa: S101 - tells the type checker what was added
        stream.layout = "mono"
        frame = av.AudioFrame("s16", "mono", len(pcm) // WIDTH)
        frame.sample_rate = rate_hz
        frame.planes[0].update(pcm.ljust(frame.planes[0].buffer_size, b"\0"))
        for packet in stream.encode(frame):
            container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file.getvalue()


def ready(clip: bytes, media: str, sid: int, language: str, variants: VurboVariants) -> dict[str, object]:
    """`tts_ready`; none of its fields are known for sure."""
    text = base64.b64encode(clip).decode()
    if variants.tts_data_url:
        text = f"data:{media};base64,{text}"
    body: dict[str, object] = {"action": "tts_ready", "language": language, "format": media}
    if not variants.tts_without_sid:
        body["sid"] = sid
    if variants.tts_nested:
        return {**body, "data": {"audio_base64": text, "voice": "emulated"}}
    return {**body, "audio": text}
