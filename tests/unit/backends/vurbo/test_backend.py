"""What the backend says of itself."""

from satellite.backends.base import Need, UploadFormat
from satellite.backends.registry import load
from satellite.backends.vurbo.backend import BACKEND, needs, upload_format
from satellite.backends.vurbo.session import VurboSession
from tests.unit.backends.vurbo.stage import options, setup


def test_it_is_registered_and_makes_sessions() -> None:
    assert load("vurbo") is BACKEND
    assert isinstance(BACKEND.create(options(), setup()), VurboSession)
    assert len(BACKEND.actions) == 20
    can = BACKEND.capabilities
    assert (can.translates, can.speaks, can.resumes, can.detects_language) == (True, True, False, False)


def test_opus_and_speech_need_pyav() -> None:
    assert upload_format(options()) is UploadFormat.PCM
    assert upload_format(options(audio_format="webm")) is UploadFormat.WEBM_OPUS
    assert needs(options(), setup()) == []
    wanted = needs(options(audio_format="webm"), setup(speech_language="de"))
    assert wanted == [
        Need("voice.vurbo.audio_format", "webm", "av"),
        Need("voice.speech_language", "speech of this service", "av"),
    ]
