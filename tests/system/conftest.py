"""For all tests of the whole program: whatever a subscriber sees must be as docs/mqtt promises."""

from collections.abc import Iterator

import pytest

from tests.fakes.broker import Subscriber
from tests.fakes.promised import Promises


@pytest.fixture(autouse=True)
def promises() -> Iterator[Promises]:
    """Judges every message that any subscriber of the test receives."""
    judge = Promises()
    complaints: list[str] = []

    def listen(topic: str, payload: bytes) -> None:
        complaint = judge.complaint(topic, payload)
        if complaint is not None:
            complaints.append(complaint)

    Subscriber.listeners.append(listen)
    yield judge
    Subscriber.listeners.remove(listen)
    assert complaints == []
