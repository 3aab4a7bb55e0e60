import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from satellite.emulator.deepl.struck import HUGE_BYTES, Struck
from satellite.emulator.report import ConnectionLog
from tests.unit.emulator.deepl.test_session_parts import config, service


def struck(message_format: str) -> tuple[Struck, Any]:
    shared = service()
    session = shared.book.open(config(message_format=message_format), 0.0)
    stream = SimpleNamespace(socket=None, log=ConnectionLog(1, 0.0))
    return Struck(shared, session, cast("Any", stream)), session


def test_garbage_of_every_kind_in_both_formats() -> None:
    in_json, in_msgpack = struck("json")[0], struck("msgpack")[0]
    assert isinstance(in_json.garbage("wrong_frame"), bytes)
    assert isinstance(in_msgpack.garbage("wrong_frame"), str)
    assert len(in_json.garbage("huge")) > HUGE_BYTES
    assert json.loads(in_json.garbage("array")) == ["update"]
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(in_json.garbage("not_json"))


def test_a_stall_does_not_count_as_silence_of_the_client() -> None:
    victim, session = struck("json")
    victim.stalled(True)
    assert (session.is_stalled, session.last_data_s) == (True, 0.0)
    victim.stalled(False)
    assert (session.is_stalled, session.last_data_s) == (False, 5.0)
