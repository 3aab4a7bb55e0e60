from satellite.backends.base import SessionState, UploadFormat
from satellite.backends.loopback.backend import BACKEND
from satellite.backends.loopback.options import LoopbackOptions
from tests.unit.backends.deepl.stage import setup


def test_it_needs_no_account_and_takes_pcm() -> None:
    assert not BACKEND.capabilities.needs_credentials
    assert BACKEND.upload_format(LoopbackOptions()) is UploadFormat.PCM
    assert BACKEND.create(LoopbackOptions(), setup()).state is SessionState.IDLE
