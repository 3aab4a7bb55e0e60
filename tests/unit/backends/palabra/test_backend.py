from satellite.backends.base import UploadFormat
from satellite.backends.palabra.backend import BACKEND
from satellite.backends.palabra.session import PalabraSession
from tests.unit.backends.palabra.stage import PAIR, options, setup


def test_what_it_is() -> None:
    assert BACKEND.name == "palabra"
    assert BACKEND.upload_format(options()) is UploadFormat.PCM
    assert isinstance(BACKEND.create(options(), setup()), PalabraSession)
    assert set(BACKEND.actions) == {"tts_task", "flush_task"}


def test_a_room_needs_livekit() -> None:
    assert BACKEND.needs(options(), setup()) == []
    (need,) = BACKEND.needs(options(**PAIR, transport="webrtc"), setup())
    assert (need.path, need.wanted, need.module) == ("voice.palabra.transport", "webrtc", "livekit")


def test_it_does_what_it_says() -> None:
    can = BACKEND.capabilities
    assert (can.translates, can.speaks, can.detects_language, can.resumes) == (True, True, True, False)
