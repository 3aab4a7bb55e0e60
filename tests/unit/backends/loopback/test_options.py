import pytest
from pydantic import ValidationError

from satellite.backends.loopback.options import LoopbackOptions, check
from tests.unit.backends.deepl.stage import setup


def test_there_is_nothing_to_set_and_nothing_to_find() -> None:
    assert check(LoopbackOptions(), setup(target_languages=("xx",), speech_language="yy")) == []
    with pytest.raises(ValidationError):
        LoopbackOptions.model_validate({"api_key": "x"})
