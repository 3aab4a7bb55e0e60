import pytest

from satellite.backends.base import SessionState, UploadFormat
from satellite.backends.deepl.backend import BACKEND
from satellite.backends.deepl.options import DeepLOptions
from tests.unit.backends.deepl.stage import options, setup


@pytest.mark.parametrize(("media", "expected"), [("pcm", UploadFormat.PCM), ("opus", UploadFormat.OGG_OPUS)])
def test_the_upload_follows_the_options(media: str, expected: UploadFormat) -> None:
    assert BACKEND.upload_format(options(source_media=media)) is expected


def test_it_makes_sessions_that_wait_to_be_started() -> None:
    assert BACKEND.create(options(), setup()).state is SessionState.IDLE


def test_it_says_what_it_is() -> None:
    assert (BACKEND.name, BACKEND.options) == ("deepl", DeepLOptions)
    assert BACKEND.check(options(), setup()) == []
    assert BACKEND.capabilities.resumes
    assert BACKEND.capabilities.max_target_languages == 5


@pytest.mark.parametrize(
    ("changes", "speech_language", "expected"),
    [
        ({}, "de", []),
        ({"source_media": "opus"}, None, ["voice.deepl.source_media"]),
        ({"speech_media": "audio/ogg"}, "de", ["voice.deepl.speech_media"]),
        ({"speech_media": "audio/ogg"}, None, []),
    ],
)
def test_what_is_compressed_needs_a_package(
    changes: dict[str, str], speech_language: str | None, expected: list[str]
) -> None:
    needs = BACKEND.needs(options(**changes), setup(speech_language=speech_language))
    assert [(need.path, need.module) for need in needs] == [(path, "av") for path in expected]
