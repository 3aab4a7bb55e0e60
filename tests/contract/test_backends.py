"""One contract for every voice service: what goes in comes out once, in order, with its times, whatever goes wrong.

Each backend talks to its emulated service over real sockets in real time, two sentences long. All conversations go on
at the same time, and the tests look at what came of them.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from satellite.backends import registry
from satellite.backends.base import Severity
from satellite.core.events import SessionEnded, SessionOpened, Stream, UtteranceSent, UtteranceSettled
from satellite.emulator.faults import Fault
from satellite.emulator.registry import names as emulated
from satellite.errors import ErrorCategory
from tests.fakes.sections import made
from tests.fakes.talk import Talk, sentences, talk
from tests.fakes.voice_link import SPOKEN_AT_S
from tests.unit.backends.deepl.stage import setup

pytestmark = pytest.mark.slow

FAULTS: dict[str, Sequence[Fault]] = {
    "cut": [Fault("cut", at_s=2.0, how="rst")],
    "closed": [Fault("cut", at_s=2.5, how="close", code=1011)],
    "error": [Fault("error", at_s=4.0, status=500)],
    "unreadable": [Fault("garbage", at_s=2.0, what="not_json")],
    "unknown": [Fault("garbage", at_s=2.0, what="unknown")],
    "handshake": [Fault("handshake", status=503)],
}
"""Each strikes once; then the service is well again."""
EXCUSED = ("cut", "closed", "error", "unreadable")
"""Here audio may be lost that was on its way, and it must be told."""
TIME_OFF_S = 0.35
"""How far a segment's start may lie from its first word: a window of a service is a quarter of a second."""


async def _all() -> dict[tuple[str, str], Talk]:
    """Every conversation, by service and fault."""
    plans = {(name, "none"): talk(name) for name in registry.names()}
    plans |= {(name, fault): talk(name, FAULTS[fault]) for name in emulated() for fault in FAULTS}
    plans |= {(name, "wrong key"): talk(name, right_key=False, patience_s=5.0) for name in emulated()}
    plans |= {(name, "hangs up"): talk(name, [Fault("accept_close", count=-1)], patience_s=8.0) for name in emulated()}
    return dict(zip(plans, await asyncio.gather(*plans.values()), strict=True))


@pytest.fixture(scope="module")
def talks() -> dict[tuple[str, str], Talk]:
    return asyncio.run(_all())


def is_within(words: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether the words stand in the whole in their order."""
    rest = iter(whole)
    return all(word in rest for word in words)


# --- all is well ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", emulated())
def test_every_word_comes_once_and_in_order(name: str, talks: dict[tuple[str, str], Talk]) -> None:
    result = talks[name, "none"]
    assert result.is_over
    assert result.words(Stream.SOURCE) == result.expected_words()
    if result.backend.capabilities.translates:
        backwards = [word[::-1] for word in result.expected_words()]
        assert result.words(Stream.TARGET) == backwards
    assert result.broken_rules() == []
    assert result.heard.lost_ms == 0


@pytest.mark.parametrize("name", registry.names())
def test_every_utterance_is_sent_and_settled_once_and_in_order(name: str, talks: dict[tuple[str, str], Talk]) -> None:
    result = talks[name, "none"]
    assert result.ids(UtteranceSent) == result.ids(UtteranceSettled) == ["u1", "u2"]
    assert [segment.utterance_id for segment in result.text(Stream.SOURCE)] == sorted(
        str(segment.utterance_id) for segment in result.text(Stream.SOURCE)
    )


@pytest.mark.parametrize("name", emulated())
def test_text_has_the_time_at_which_it_was_spoken(name: str, talks: dict[tuple[str, str], Talk]) -> None:
    result = talks[name, "none"]
    for number, sentence in enumerate(sentences(2), 1):
        mine = [segment for segment in result.text(Stream.SOURCE) if segment.utterance_id == f"u{number}"]
        start_s = SPOKEN_AT_S + sentence["words"][0]["start_ms"] / 1000
        end_s = SPOKEN_AT_S + sentence["words"][-1]["end_ms"] / 1000
        assert abs(mine[0].start_s - start_s) <= TIME_OFF_S
        assert all(segment.start_s <= segment.end_s <= end_s + 1.0 for segment in mine)
        assert {segment.language.split("-")[0] for segment in mine} == {"en"}
    assert {segment.language for segment in result.text(Stream.TARGET)} <= {"de"}


@pytest.mark.parametrize("name", registry.names())
def test_it_can_what_it_says_it_can(name: str, talks: dict[tuple[str, str], Talk]) -> None:
    result = talks[name, "none"]
    can = result.backend.capabilities
    assert bool(result.text(Stream.TARGET)) == can.translates
    assert (result.spoke_s() > 1.0) == can.speaks


@pytest.mark.parametrize("name", registry.names())
def test_it_ends_in_order(name: str, talks: dict[tuple[str, str], Talk]) -> None:
    result = talks[name, "none"]
    (session,) = result.sessions
    assert [event.expected for event in result.heard.all(SessionEnded)] == [True]
    assert result.heard.all(SessionOpened)[0].resumed is False
    assert session.state.is_final
    assert (session.actions(), session.events(), session.next_deadline()) == ([], [], None)
    assert session.counters.sent_samples > 0


@pytest.mark.parametrize("name", registry.names())
def test_what_it_cannot_do_is_a_mistake_in_the_configuration(name: str, talks: dict[tuple[str, str], Talk]) -> None:
    backend = talks[name, "none"].backend
    emulator = talks[name, "none"].emulator
    options = made(backend.options, {} if emulator is None else emulator.options)

    def has_errors(**voice: Any) -> bool:
        findings = backend.check(options, setup(**voice))
        return any(finding.severity is Severity.ERROR for finding in findings)

    can = backend.capabilities
    assert has_errors(target_languages=("de",), speech_language=None) == (not can.translates)
    assert has_errors(target_languages=(), speech_language="de") == (not can.speaks)
    assert not has_errors(target_languages=("de",) if can.translates else (), speech_language=None)


# --- all is not well -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", emulated())
def test_nothing_comes_twice_and_what_is_missing_was_told(
    name: str, fault: str, talks: dict[tuple[str, str], Talk]
) -> None:
    result = talks[name, fault]
    assert result.is_over
    words, expected = result.words(Stream.SOURCE), result.expected_words()
    assert is_within(words, expected), "invented, twice, or out of order"
    if fault in EXCUSED:
        assert len(words) >= len(expected) // 2, "it went on"
        assert words == expected or result.heard.lost_ms > 0, "a word is missing and nobody says so"
        assert result.heard.lost_ms <= 4000
    else:
        assert words == expected
        assert result.heard.lost_ms == 0
    assert result.broken_rules() == []


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", emulated())
def test_every_utterance_is_sent_once_whatever_happened(
    name: str, fault: str, talks: dict[tuple[str, str], Talk]
) -> None:
    result = talks[name, fault]
    assert Counter(result.ids(UtteranceSent)) == Counter({"u1": 1, "u2": 1})
    assert all(count == 1 for count in Counter(result.ids(UtteranceSettled)).values())


@pytest.mark.parametrize("name", emulated())
def test_a_wrong_key_is_not_tried_again_and_again(name: str, talks: dict[tuple[str, str], Talk]) -> None:
    result = talks[name, "wrong key"]
    (failure,) = result.failures()
    assert failure.category in (ErrorCategory.AUTHENTICATION, ErrorCategory.AUTHORIZATION)
    assert failure.hint
    assert result.heard.parks == [failure]
    assert result.connections() == 0


@pytest.mark.parametrize("name", emulated())
def test_a_service_that_hangs_up_is_not_hammered(name: str, talks: dict[tuple[str, str], Talk]) -> None:
    result = talks[name, "hangs up"]
    assert result.failures()
    assert len(result.sessions) <= 5
    assert result.connections() <= 6
    assert result.text(Stream.SOURCE) == []
    assert {failure.category for failure in result.failures()} <= {ErrorCategory.SERVER, ErrorCategory.CONNECTIVITY}
