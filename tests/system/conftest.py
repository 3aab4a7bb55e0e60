"""For all tests of the whole program: whatever a subscriber sees must be as docs/mqtt promises."""

from collections.abc import Iterator

import pytest

from tests.fakes.broker import Received, Subscriber
from tests.fakes.promised import Promises


@pytest.fixture(autouse=True)
def promises() -> Iterator[Promises]:
    """Judges every message that any subscriber of the test receives."""
    judge = Promises()
    complaints: list[str] = []

    def listen(message: Received) -> None:
        complaint = judge.complaint(message.topic, message.payload)
        if complaint is not None:
            complaints.append(complaint)

    Subscriber.listeners.append(listen)
    yield judge
    Subscriber.listeners.remove(listen)
    assert complaints == []
