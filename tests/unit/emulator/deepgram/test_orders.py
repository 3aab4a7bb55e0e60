"""Settings and forced ends, grants, and the parts that share them."""

from satellite.emulator.conversation import Truth
from satellite.emulator.deepgram.controls import parse
from satellite.emulator.deepgram.orders import Orders
from satellite.emulator.deepgram.query import parse_query
from satellite.emulator.deepgram.rest import Rest
from satellite.emulator.deepgram.service import Service
from satellite.emulator.deepgram.settings import DeepgramSettings, DeepgramVariants
from satellite.emulator.http import HttpRequest
from satellite.emulator.recogniser import HeardWord
from satellite.emulator.report import Ledger


def service(**variants: bool) -> Service:
    settings = DeepgramSettings(variants=DeepgramVariants(**variants))
    return Service(settings, lambda: 0.0, Truth(), Ledger(lambda: 0.0))


def orders(shared: Service) -> Orders:
    query = [("model", "flux-general-en"), ("encoding", "linear16"), ("sample_rate", "16000")]
    return Orders(shared, shared.open(parse_query(query)))


def test_a_change_holds_for_the_turns_from_then_on() -> None:
    shared = service()
    (answer,) = orders(shared).configure(parse('{"type":"Configure","thresholds":{"eot_timeout_ms":700}}'))
    assert answer["type"] == "ConfigureSuccess"
    assert shared.sessions[0].script.tuning.eot_timeout_ms == 700
    assert shared.sessions[0].config.tuning.eot_timeout_ms == 700


def test_two_changes_under_way_are_one_too_many() -> None:
    shared = service()
    desk = orders(shared)
    desk.expect_configure()
    desk.answered_configure()
    desk.expect_configure()
    desk.expect_configure()
    assert [violation.rule for violation in shared.ledger.violations] == ["configures_in_flight"]


def test_a_turn_is_ended_or_there_is_none() -> None:
    shared = service()
    desk = orders(shared)
    assert [event["type"] for event in desk.force()] == ["Warning"]
    shared.sessions[0].script.audio([HeardWord("Yes.", 0, 100, (0, 0))], 100, is_mid_word=False)
    assert [event["trigger"] for event in desk.force()] == ["manual"]
    assert orders(service(deaf_force=True)).force() == []


async def test_tokens_are_granted_by_one_request_only() -> None:
    shared = service()
    rest = Rest(shared)
    key = {"authorization": f"Token {shared.settings.api_key}"}
    assert (await rest.handle(HttpRequest("GET", "/v1/auth/grant", (), key, b""))).status == 405
    assert (await rest.handle(HttpRequest("POST", "/v1/projects", (), key, b""))).status == 404
    assert (await rest.handle(HttpRequest("POST", "/v1/auth/grant", (), key, b""))).status == 200
    assert len(shared.tokens) == 1
