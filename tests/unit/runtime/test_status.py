"""The line that the service manager is told."""

from satellite.runtime.standing import Standing
from satellite.runtime.status import BrokerWords, StatusLine
from tests.fakes.publisher import TOPICS, RecordingPublisher
from tests.fakes.virtual_time import VirtualClock, virtual


class Play:
    def __init__(self) -> None:
        self.utterances = 0
        self.broker = BrokerWords()
        self.standing = Standing(TOPICS, RecordingPublisher(), VirtualClock())
        self.line = StatusLine("deepl", self.standing, self.broker, lambda: self.utterances)


@virtual
async def test_a_satellite_that_begins() -> None:
    assert Play().line() == "starting; deepl idle; broker not connected; 0 utterances since the start"


@virtual
async def test_one_that_works() -> None:
    play = Play()
    play.standing.started()
    play.standing.usage = lambda: ("2026-01-02", 205.0)
    play.standing.cloud("connected")
    play.standing.listening(True)
    play.broker(True, None)
    play.utterances = 1
    assert play.line() == (
        "listening; deepl connected; broker connected; 1 utterance since the start; 3.4 min billed today"
    )


@virtual
async def test_one_in_trouble() -> None:
    play = Play()
    play.standing.started()
    play.standing.problem("microphone", "the card\nis gone", "plug it in")
    play.standing.problem("unreachable", "no route", None)
    play.broker(False, "no answer from " + 200 * "b")
    play.line.is_reload_refused = True
    state, _, broker, _, problem, reload = play.line().split("; ")
    assert state == "idle"
    assert broker == f"broker not connected (no answer from {104 * 'b'}…)"
    assert problem == "problem: microphone (the card\N{REPLACEMENT CHARACTER}is gone)"
    assert reload == "the changed configuration was refused, see the log"
    play.broker(True, "may not publish")
    assert "; broker connected (may not publish); " in play.line()
