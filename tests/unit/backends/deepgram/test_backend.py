from satellite.backends.base import SessionState, UploadFormat
from satellite.backends.deepgram.backend import BACKEND, create, needs, upload_format
from satellite.backends.deepgram.session import DeepgramSession
from tests.unit.backends.deepgram.stage import options, setup


def test_it_says_honestly_that_it_only_transcribes() -> None:
    assert BACKEND.name == "deepgram"
    can = BACKEND.capabilities
    assert (can.translates, can.speaks, can.resumes, can.detects_language) == (False, False, False, True)
    assert can.max_target_languages == 0
    assert sorted(BACKEND.actions) == ["configure", "force_end_turn"]


def test_opus_needs_a_package() -> None:
    pcm, opus = options(), options(source_media="opus")
    assert (upload_format(pcm), upload_format(opus)) == (UploadFormat.PCM, UploadFormat.OGG_OPUS)
    assert needs(pcm, setup()) == []
    assert [(need.path, need.module) for need in needs(opus, setup())] == [("voice.deepgram.source_media", "av")]


def test_it_makes_sessions() -> None:
    session = create(options(), setup())
    assert isinstance(session, DeepgramSession)
    assert session.state is SessionState.IDLE
