"""Clips of speech in every form."""

import base64

import pytest

from satellite.emulator.speech import tones
from satellite.emulator.vurbo.settings import VurboVariants
from satellite.emulator.vurbo.tts import WAV, encode, ready
from satellite.errors import MediaError


def test_a_form_that_nobody_makes_is_refused() -> None:
    with pytest.raises(MediaError, match="the emulator makes no audio/x-mystery"):
        encode(tones("Hello."), "audio/x-mystery")


def test_samples_may_come_without_a_head() -> None:
    pcm = tones("Hello.")
    assert encode(pcm, "audio/pcm;rate=24000") == pcm
    assert encode(pcm, WAV)[44:] == pcm


def test_where_the_clip_stands_is_open() -> None:
    plain = ready(b"abc", WAV, 3, "de-DE", VurboVariants())
    text = base64.b64encode(b"abc").decode()
    assert plain == {"action": "tts_ready", "language": "de-DE", "format": WAV, "sid": 3, "audio": text}
    nested = ready(b"abc", WAV, 3, "de-DE", VurboVariants(tts_nested=True, tts_data_url=True, tts_without_sid=True))
    assert nested["data"] == {"audio_base64": f"data:audio/wav;base64,{text}", "voice": "emulated"}
    assert "sid" not in nested
