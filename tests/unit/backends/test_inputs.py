from collections.abc import Callable

import pytest

from satellite.backends.base import HttpFailed, HttpResponse, SendText, SessionState, SocketClosed
from satellite.backends.inputs import UnaskedInputs
from satellite.backends.lifecycle import Lifecycle
from satellite.core.events import ActionAnswered, SpeechEnded
from satellite.core.section import Section
from satellite.errors import LocalMisuse

Feed = Callable[[UnaskedInputs], None]

INPUTS: dict[str, Feed] = {
    "http_response": lambda session: session.http_response(HttpResponse(200, {}, b""), 1.0),
    "http_failed": lambda session: session.http_failed(HttpFailed("refused", was_sent=False), 1.0),
    "socket_opened": lambda session: session.socket_opened(1.0),
    "message": lambda session: session.message("{}", 1.0),
    "pong": lambda session: session.pong(1, 1.0),
    "socket_closed": lambda session: session.socket_closed(SocketClosed(was_open=True), 1.0),
    "track_audio": lambda session: session.track_audio("translation_de", b"", 1.0),
}


@pytest.mark.parametrize("name", INPUTS)
def test_what_was_never_asked_for_is_our_own_mistake(name: str) -> None:
    with pytest.raises(LocalMisuse, match=f"{name} while idle"):
        INPUTS[name](UnaskedInputs(Lifecycle()))


@pytest.mark.parametrize("name", INPUTS)
def test_after_the_end_it_only_comes_too_late(name: str) -> None:
    life = Lifecycle()
    life.end("closed", expected=True)
    INPUTS[name](UnaskedInputs(life))
    assert len(life.take_events()) == 1


def test_the_state_is_that_of_its_life() -> None:
    life = Lifecycle()
    life.move(SessionState.REQUESTING)
    assert UnaskedInputs(life).state is SessionState.REQUESTING


def test_an_action_that_a_backend_does_not_have_is_answered() -> None:
    life = Lifecycle()
    UnaskedInputs(life).run_action("dance", Section(), 1.0)
    assert life.take_events() == [ActionAnswered("dance", reason="this backend has no action dance")]


def test_whoever_drives_it_takes_what_there_is_once() -> None:
    life = Lifecycle()
    inputs = UnaskedInputs(life)
    life.act(SendText("x"))
    life.report(SpeechEnded("de"))
    assert (inputs.actions(), inputs.events()) == ([SendText("x")], [SpeechEnded("de")])
    assert (inputs.actions(), inputs.events()) == ([], [])
