from satellite.backends.loopback.options import LoopbackOptions, check
from satellite.core.section import read
from tests.unit.backends.deepl.stage import setup


def test_there_is_nothing_to_set_and_nothing_to_find() -> None:
    assert check(LoopbackOptions(), setup(target_languages=("xx",), speech_language="yy")) == []
    assert read(LoopbackOptions, {}) == (LoopbackOptions(), ())
    assert [fault.path for fault in read(LoopbackOptions, {"api_key": "x"})[1]] == [("api_key",)]
