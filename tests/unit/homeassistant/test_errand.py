import json

import pytest

from satellite.homeassistant import payloads
from satellite.homeassistant.errand import GONE, NOT_TOLD, REFUSED_WITHIN_S, UNANSWERED, UNKNOWN, Errand, Outcome
from satellite.homeassistant.messages import Message
from satellite.homeassistant.order import Order
from satellite.homeassistant.topics import Topics

BASE = "voice-satellite"


def errand(name: str, payload: str = "", *ids: str) -> Errand:
    return Errand(BASE, Order(name, payload.encode()), ids)


def hear(to: Errand, topic: str, payload: bytes | str, *, is_live: bool = True) -> None:
    to.hear(f"{BASE}/{topic}", payload.encode() if isinstance(payload, str) else payload, is_live=is_live)


def settings(**changes: object) -> str:
    return json.dumps(
        {"mute": False, "volume": 80, "source_language": "en", "target_languages": ["de"], "speech_language": None}
        | changes
    )


def error(command: str, payload: str, reason: str = "because") -> bytes:
    return payloads.command_error(Topics(BASE, "x"), command, payload, reason).payload


def sent(name: str, payload: str = "", *, volume: int = 80) -> Errand:
    """To the kitchen, which is online with this volume."""
    to = errand(name, payload, "kitchen")
    hear(to, "kitchen/settings", settings(volume=volume), is_live=False)
    hear(to, "kitchen/availability", "online", is_live=False)
    assert to.is_prepared
    assert list(to.sent()) == ["kitchen"]
    assert not to.is_settled()
    return to


def outcome(of: Errand) -> Outcome:
    return of.outcomes()["kitchen"]


# --- whom it goes to ----------------------------------------------------------------------------------------------


def test_it_goes_to_those_that_are_named_and_online() -> None:
    to = errand("mute", "ON", "study", "kitchen", "hall")
    assert not to.is_prepared
    hear(to, "study/availability", "online", is_live=False)
    hear(to, "kitchen/availability", "offline", is_live=False)
    hear(to, "hall/settings", settings(), is_live=False)
    hear(to, "attic/availability", "online", is_live=False)
    assert not to.is_prepared
    assert to.sent() == {"study": Message(f"{BASE}/study/set/mute", b"ON", retain=False, qos=1)}
    assert list(to.outcomes().items()) == [("study", UNANSWERED), ("kitchen", NOT_TOLD), ("hall", UNKNOWN)]
    assert not to.is_settled()
    hear(to, "study/settings", settings(mute=True))
    assert to.is_settled()
    assert to.outcomes()["study"] == Outcome("done")


def test_it_goes_to_all_at_once_and_whoever_answers_counts() -> None:
    to = errand("mute", "ON")
    assert not to.is_prepared
    for one in ("study", "kitchen", "hall"):
        hear(to, f"{one}/availability", "online", is_live=False)
    hear(to, "attic/availability", "offline", is_live=False)
    hear(to, "gone/availability", "")
    hear(to, "No Id/availability", "online")
    hear(to, "all/availability", "online")
    assert not to.is_prepared
    assert to.sent() == {"all": Message(f"{BASE}/all/set/mute", b"ON", retain=False, qos=1)}
    hear(to, "study/settings", settings(mute=True))
    hear(to, "kitchen/command_error", error("mute", "ON"))
    hear(to, "cellar/settings", settings(mute=True))
    assert not to.is_settled()
    hear(to, "hall/settings", settings(mute=True))
    assert to.is_settled()
    assert {one: what.word for one, what in to.outcomes().items()} == {
        "attic": "offline",
        "cellar": "done",
        "hall": "done",
        "kitchen": "refused",
        "study": "done",
    }
    assert list(to.outcomes()) == sorted(to.outcomes())


def test_nobody_is_there() -> None:
    to = errand("mute", "ON")
    to.sent()
    assert not to.is_settled()  # somebody may still answer
    assert to.outcomes() == {}
    to = errand("mute", "ON", "kitchen")
    assert to.sent() == {}
    assert to.is_settled()
    assert outcome(to) == UNKNOWN


def test_a_broker_that_forbids_it() -> None:
    to = sent("mute", "ON")
    to.forbidden("kitchen", "see its ACL")
    assert to.is_settled()
    assert outcome(to) == Outcome("forbidden", "see its ACL")
    assert not outcome(to).is_good


def test_no_more_than_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("satellite.homeassistant.errand.SATELLITES_MAX", 3)
    to = errand("mute", "ON")
    for number in range(10):
        hear(to, f"s{number}/availability", "online")
    assert list(to.outcomes()) == ["s0", "s1", "s2"]


@pytest.mark.parametrize(
    ("name", "last"),
    [("mute", "settings"), ("restart", "command_error"), ("backend/config", "backend/config/result")],
)
def test_what_is_subscribed_to(name: str, last: str) -> None:
    """Whether somebody is online comes last: what came before it is known by then."""
    filters = errand(name, "", "study", "hall").filters
    assert filters[:2] == (f"{BASE}/study/command_error", f"{BASE}/hall/command_error")
    assert filters[-4:-2] == (f"{BASE}/study/{last}", f"{BASE}/hall/{last}")
    assert filters[-2:] == (f"{BASE}/study/availability", f"{BASE}/hall/availability")
    assert errand(name).filters[-1] == f"{BASE}/+/availability"


def test_only_settings_have_to_be_known_before() -> None:
    for name in ("restart", "backend/config"):
        to = errand(name, "", "kitchen")
        hear(to, "kitchen/availability", "online", is_live=False)
        assert to.is_prepared


# --- settings -----------------------------------------------------------------------------------------------------


def test_a_setting_that_changes_is_done() -> None:
    to = sent("volume", "35")
    hear(to, "kitchen/settings", settings(volume=80))  # of before
    assert not to.is_settled()
    hear(to, "kitchen/settings", settings(volume=35))
    assert to.is_settled()
    assert outcome(to) == Outcome("done")
    assert outcome(to).is_good
    hear(to, "kitchen/command_error", error("volume", "35"))  # of somebody who was too fast
    assert outcome(to) == Outcome("done")
    hear(to, "kitchen/settings", settings(volume=36))
    assert outcome(to) == Outcome("done")


def test_one_that_was_so_already_is_told_apart() -> None:
    to = sent("volume", "35", volume=35)
    assert not to.is_settled()  # what is retained is no proof that it was obeyed
    hear(to, "kitchen/settings", settings(volume=35), is_live=False)
    assert not to.is_settled()
    hear(to, "kitchen/settings", settings(volume=35))
    assert outcome(to) == Outcome("unchanged")
    assert outcome(to).is_good


def test_what_was_so_before_is_what_was_said_last() -> None:
    to = errand("volume", "35", "kitchen")
    hear(to, "kitchen/settings", settings(volume=35), is_live=False)
    hear(to, "kitchen/settings", settings(volume=36))
    hear(to, "kitchen/availability", "online")
    to.sent()
    hear(to, "kitchen/settings", settings(volume=35))
    assert outcome(to) == Outcome("done")


def test_a_refusal_has_its_reason() -> None:
    to = sent("volume", "150")
    hear(to, "kitchen/command_error", error("volume", "150", "retained"), is_live=False)
    hear(to, "kitchen/command_error", error("volume", "7"))
    hear(to, "kitchen/command_error", error("mute", "150"))
    hear(to, "kitchen/settings", settings())
    assert not to.is_settled()
    hear(to, "kitchen/command_error", error("volume", "150", "too \x1b[31mloud"))
    assert outcome(to) == Outcome("refused", "too \ufffd[31mloud")
    assert not outcome(to).is_good


def test_one_that_does_not_answer() -> None:
    to = sent("volume", "35")
    assert to.patience_s(10.0) == 10.0
    assert outcome(to) == UNANSWERED
    hear(to, "kitchen/availability", "offline")
    assert outcome(to) == GONE
    assert not to.is_settled()  # it may come back
    hear(to, "kitchen/availability", "online")
    hear(to, "kitchen/settings", settings(volume=35))
    assert outcome(to) == Outcome("done")


# --- actions and deeds --------------------------------------------------------------------------------------------


def test_an_action_is_answered() -> None:
    to = sent("backend/config", "{}")
    result = payloads.backend_result(Topics(BASE, "kitchen"), "config", None, {"applies": "now"}).payload
    hear(to, "kitchen/backend/config/result", result, is_live=False)
    assert not to.is_settled()
    hear(to, "kitchen/backend/config/result", result)
    assert outcome(to) == Outcome("answered", answer={"applies": "now"})
    assert outcome(to).as_json() == {"outcome": "answered", "reason": None, "answer": {"applies": "now"}}


def test_an_action_is_not_carried_out() -> None:
    failed = payloads.backend_result(Topics(BASE, "kitchen"), "config", "no session", {}).payload
    for topic, payload, reason in (
        ("backend/config/result", failed, "no session"),
        ("backend/config/result", b'{"ok":false}', "it was not done"),
        ("command_error", error("backend/config", ""), "because"),
    ):
        to = sent("backend/config", "{}")
        hear(to, f"kitchen/{topic}", payload)
        assert outcome(to) == Outcome("refused", reason)


def test_a_deed_that_nothing_shows_is_told_when_nobody_refuses() -> None:
    to = sent("restart")
    assert (to.patience_s(10.0), to.patience_s(0.5)) == (REFUSED_WITHIN_S, 0.5)
    hear(to, "kitchen/availability", "offline")
    assert outcome(to) == Outcome("told")
    assert outcome(to).is_good
    to = sent("play", "/etc/passwd")
    hear(to, "kitchen/command_error", error("play", "/etc/passwd"))
    assert to.is_settled()
    assert outcome(to).word == "refused"


# --- whatever else comes ------------------------------------------------------------------------------------------

HOSTILE = [b"", b"\xff", b"{", b"null", b"[]", b"{}", b"[" * 60_000, b'{"ok":1}', b'{"command":5}', b"x" * 70_000]


@pytest.mark.parametrize("payload", HOSTILE, ids=lambda payload: repr(payload)[:20])
def test_what_cannot_be_read_is_as_if_it_had_not_come(payload: bytes) -> None:
    for name in ("volume", "backend/config"):
        to = sent(name, "1")
        for topic in ("settings", "command_error", "backend/config/result", "x/y", ""):
            hear(to, f"kitchen/{topic}", payload)
        hear(to, "kitchen", payload)
        to.hear("elsewhere/kitchen/settings", payload, is_live=True)
        assert outcome(to) == UNANSWERED
        hear(to, "kitchen/availability", payload)
        assert outcome(to) == GONE
