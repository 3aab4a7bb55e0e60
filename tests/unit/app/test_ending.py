import logging
from pathlib import Path

import pytest

from satellite.adapters.outbox import Outbox
from satellite.adapters.spool import DiskSpool
from satellite.app.ending import store_what_waits
from satellite.homeassistant.messages import Delivery, Message


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def filled(spool: DiskSpool | None) -> Outbox:
    outbox = Outbox(spool=spool)
    for number in range(3):
        outbox.put(Message("transcript", str(number).encode()))
    outbox.put(Message("state", b"idle", delivery=Delivery.LATEST))
    return outbox


def test_what_is_stored_is_told_as_waiting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = DiskSpool(tmp_path)
    store_what_waits(spool, filled(spool))
    assert [record.getMessage() for record in caplog.records] == [
        "3 messages wait for the broker; they are delivered after the next start"
    ]
    again = DiskSpool(tmp_path)
    assert len(again.load()) == 3
    again.close(10)


def test_what_could_not_be_stored_is_told_as_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    spool = DiskSpool(tmp_path / "file" / "state")
    for ending in (spool, None):
        caplog.clear()
        store_what_waits(ending, filled(ending))
        assert caplog.records[-1].getMessage() == "3 messages could not be delivered to the broker and are lost"


def test_nothing_is_told_when_nothing_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store_what_waits(DiskSpool(tmp_path), Outbox())
    store_what_waits(None, Outbox())
    assert caplog.records == []
