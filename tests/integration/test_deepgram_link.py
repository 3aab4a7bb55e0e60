"""Our Deepgram session through the real driver against the emulated service, over real sockets in real time.

Real time is what takes long here, so the runs of a test go on side by side, each with a service of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from satellite.backends.deepgram.actions import CONFIGURE, FORCE_END_TURN, Configure, ForceEndTurn
from satellite.core.events import (
    ActionAnswered,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    UtteranceSent,
    UtteranceSettled,
)
from satellite.emulator.deepgram.settings import DeepgramVariants
from satellite.emulator.faults import Fault
from satellite.errors import ErrorCategory
from tests.fakes.flux import SENTENCES, SETTINGS, Way, flux_way, rules
from tests.fakes.voice_link import SPOKEN_AT_S

FIRST: str = SENTENCES[0]["text"]
SECOND: str = SENTENCES[1]["text"]


def variant(**variants: bool) -> Any:
    return replace(SETTINGS, variants=DeepgramVariants(**variants))


def faulty(*faults: Fault) -> Any:
    return replace(SETTINGS, faults=faults)


WAYS: dict[str, tuple[Any, dict[str, Any]]] = {
    "token": (SETTINGS, {"authentication": "token"}),
    "opus": (SETTINGS, {"source_media": "opus"}),
    "manual": (
        SETTINGS,
        {"eot_threshold": 1.0, "eot_timeout_ms": 30_000, "keyterms": ["living room"], "tags": ["a b"]},
    ),
    "eager": (SETTINGS, {"eager_eot_threshold": 0.4, "numerals": True, "redact": "numbers", "mip_opt_out": True}),
    "multi": (SETTINGS, {"model": "flux-general-multi", "language_hints": ["de"], "profanity_filter": True}),
    "sparing": (variant(no_trigger=True, text_numbers=True, no_request_id=True, empty_ends=True), {}),
    "chatty": (variant(unknown_messages=True, unknown_events=True, close_status=True), {}),
    "indifferent": (variant(no_model_end=True, close_lingers=True), {}),
}
ENDS = (
    Fault("cut", how="rst", after_chunks=15),
    Fault("cut", how="close", code=1011, after_chunks=15),
    Fault("error", status=503, after_chunks=15),
    Fault("garbage", what="not_json", after_chunks=15),
    Fault("duration_limit", at_s=1.5),
)
REFUSALS = (
    Fault("handshake", status=503),
    Fault("reset", on="ws"),
    Fault("accept_close", code=1011),
    Fault("handshake", status=429),
)

Run = Callable[[], Awaitable[None]]


async def together(runs: dict[str, Run]) -> None:
    """All of them at once; a failure tells which."""

    async def named(name: str, run: Run) -> None:
        try:
            await run()
        except Exception as failure:
            failure.add_note(f"in the run: {name}")
            raise

    async with asyncio.TaskGroup() as group:
        for name, run in runs.items():
            group.create_task(named(name, run))


def assert_in_time(way: Way, within_s: float = 0.1) -> None:
    """Each segment begins when its sentence does."""
    starts = {sentence["text"]: sentence["start_ms"] / 1000 for sentence in SENTENCES}
    for segment in way.heard.text():
        assert segment.start_s - SPOKEN_AT_S == pytest.approx(starts[segment.text.strip()], abs=within_s)


async def the_recording_comes_out_whole() -> None:
    async with flux_way() as way:
        for number in range(len(SENTENCES)):
            await way.say(number)
        await way.finish()
        assert way.text() == [sentence["text"] for sentence in SENTENCES]
        assert rules(way.emulator) == []
        utterances = [f"u{number}" for number in range(len(SENTENCES))]
        assert [event.utterance_id for event in way.heard.all(UtteranceSent)] == utterances
        assert [event.utterance_id for event in way.heard.all(UtteranceSettled)] == utterances
        assert [segment.utterance_id for segment in way.heard.text()] == utterances
        assert_in_time(way)
        assert len(way.heard.all(SessionOpened)) == 1
        assert way.heard.all(SessionFailed) == []
        heard_ms = sum(sentence["end_ms"] - sentence["start_ms"] + 1200 for sentence in SENTENCES)
        assert way.emulator.billed_ms == pytest.approx(heard_ms, abs=100), "nothing beside what was said"


async def a_sentence_comes_out_whole(settings: Any, options: dict[str, Any]) -> None:
    async with flux_way(settings, **options) as way:
        await way.say(0)
        await way.until("its settling", lambda: way.heard.all(UtteranceSettled))
        await way.finish()
        assert way.text() == [FIRST]
        assert rules(way.emulator) == []
        assert way.heard.all(SessionFailed) == []
        assert_in_time(way)


async def without_times_of_words_text_is_near_enough() -> None:
    async with flux_way(variant(no_word_times=True)) as way:
        await way.say(0)
        await way.finish()
        assert way.text() == [FIRST]
        assert_in_time(way, within_s=0.6)


async def a_deployment_that_knows_no_force_costs_one_connection_and_no_word() -> None:
    async with flux_way(variant(no_force=True, no_model_end=True), eot_timeout_ms=2000) as way:
        await way.say(0)
        await way.until("the end of the session", lambda: way.heard.all(SessionEnded))
        await way.say(1)
        await way.finish()
        assert way.text() == [FIRST, SECOND]
        assert len(way.emulator.sessions) == 2
        assert way.heard.all(SessionFailed) == []
        assert rules(way.emulator) == []


async def a_force_that_nothing_comes_of_gives_way_to_silence() -> None:
    async with flux_way(variant(deaf_force=True, no_model_end=True), eot_timeout_ms=1500) as way:
        await way.say(0)
        await way.until("its settling", lambda: way.heard.all(UtteranceSettled))
        assert way.text() == [FIRST]
        await way.finish()
        assert rules(way.emulator) == []
        assert len(way.emulator.sessions) == 1


async def settings_change_while_somebody_speaks() -> None:
    async with flux_way() as way:
        way.uplink.run_action(FORCE_END_TURN, ForceEndTurn())
        async with asyncio.TaskGroup() as group:
            group.create_task(way.say(0))
            await way.until("a session", lambda: way.heard.all(SessionOpened))
            for terms in (("a",), ("b",), ("c",)):
                way.uplink.run_action(CONFIGURE, Configure(keyterms=terms, eot_timeout_ms=3000))
            await way.until("three answers", lambda: len(way.heard.all(ActionAnswered)) == 3)
        await way.finish()
        assert [answer.reason for answer in way.heard.all(ActionAnswered)] == [None] * 3
        (session,) = way.emulator.sessions
        assert [each["keyterms"] for each in session.configured] == [["a"], ["c"]]
        assert session.config.tuning.eot_timeout_ms == 3000
        assert way.text() == [FIRST]
        assert rules(way.emulator) == []


async def what_was_asked_for_earlier_is_in_the_query() -> None:
    standing = {CONFIGURE: Configure(keyterms=("zigbee",), language_hints=("de", "en"))}
    async with flux_way(standing=standing) as way:
        await way.say(0)
        await way.finish()
        request = way.emulator.sessions[0].config.request
        assert (request["keyterm"], request["language_hint"]) == (["zigbee"], ["de", "en"])
        assert way.text() == [FIRST]
        assert rules(way.emulator) == []


# --- faults ------------------------------------------------------------------------------------------------------


async def a_connection_that_ends_in_speech_costs_no_sentence_after_it(fault: Fault) -> None:
    async with flux_way(faulty(fault)) as way:
        await way.say(0)
        await way.until("another session", lambda: len(way.heard.all(SessionOpened)) == 2)
        await way.say(1)
        await way.finish()
        spoken = " ".join(way.text()).split()
        assert spoken[-9:] == SECOND.split()
        assert all(word in FIRST.split() for word in spoken[:-9])
        assert len(way.heard.all(SessionFailed)) == 1
        assert way.heard.lost_ms < 1500
        assert way.missing_ms() <= way.heard.lost_ms + 20
        assert rules(way.emulator) == []


async def a_stall_costs_nothing_and_ends_without_a_burst() -> None:
    async with flux_way(faulty(Fault("stall", for_s=2.0, after_chunks=15))) as way:
        await way.say(0)
        await way.finish()
        assert way.text() == [FIRST]
        assert way.heard.lost_ms == 0
        assert rules(way.emulator) == []


async def a_session_that_does_not_come_about_is_asked_for_again(fault: Fault) -> None:
    async with flux_way(faulty(fault)) as way:
        await way.say(0)
        await way.until("the text", lambda: way.text() == [FIRST], 30.0)
        await way.finish()
        assert way.heard.lost_ms == 0
        assert way.heard.parks == []
        assert rules(way.emulator) == []


@pytest.mark.parametrize(
    ("status", "category"),
    [(401, ErrorCategory.AUTHENTICATION), (402, ErrorCategory.QUOTA), (403, ErrorCategory.AUTHORIZATION)],
)
async def test_a_refusal_parks_it(status: int, category: ErrorCategory) -> None:
    async with flux_way(faulty(Fault("handshake", status=status))) as way:
        await way.speak("u0", 800, 1000)
        await way.until("the park", lambda: way.heard.parks)
        (failure,) = way.heard.parks
        assert failure.category is category
        assert failure.detail == f"the handshake was answered with {status}: INJECTED: injected fault"
        assert failure.trace_id is not None


async def a_token_that_went_stale_is_replaced() -> None:
    settings = faulty(Fault("token", what="stale", on="POST"))
    async with flux_way(settings, authentication="token") as way:
        await way.say(0)
        await way.finish()
        assert way.text() == [FIRST]
        assert way.heard.all(SessionFailed) == []
        assert rules(way.emulator) == []


async def a_service_that_says_nothing_is_left() -> None:
    async with flux_way(variant(no_events=True)) as way:
        await way.speak("u0", 0, 12_500)
        await way.until("the failure", lambda: way.heard.all(SessionFailed))
        (failure,) = way.heard.all(SessionFailed)
        assert (failure.category, failure.detail) == (
            ErrorCategory.SERVER,
            "the service said nothing about 10 s of audio",
        )
        assert way.heard.lost_ms == pytest.approx(10_000, abs=200)


async def a_service_that_is_never_ready_is_left() -> None:
    async with flux_way(variant(no_connected=True)) as way:
        await way.speak("u0", 800, 1000)
        await way.until("the failure", lambda: way.heard.all(SessionFailed))
        assert way.heard.all(SessionFailed)[0].category is ErrorCategory.SERVER
        assert way.heard.lost_ms == 0
        assert way.backlog.samples == 3200


async def an_idle_connection_is_closed_in_order() -> None:
    async with flux_way(idle_close_s=1.0) as way:
        await way.speak("u0", 0, 200)
        way.uplink.utterance_ended("u0")
        await way.until("the end", lambda: way.heard.all(SessionEnded))
        assert way.heard.all(SessionEnded) == [SessionEnded("idle", expected=True)]
        assert rules(way.emulator) == []


# --- all of it ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_what_is_said_comes_out_whole() -> None:
    ways = {f"way {name}": partial(a_sentence_comes_out_whole, *way) for name, way in WAYS.items()}
    named = (
        the_recording_comes_out_whole,
        without_times_of_words_text_is_near_enough,
        settings_change_while_somebody_speaks,
        what_was_asked_for_earlier_is_in_the_query,
        a_token_that_went_stale_is_replaced,
        a_deployment_that_knows_no_force_costs_one_connection_and_no_word,
        a_force_that_nothing_comes_of_gives_way_to_silence,
        an_idle_connection_is_closed_in_order,
    )
    await together({**ways, **{run.__name__: run for run in named}})


@pytest.mark.slow
async def test_what_breaks_costs_little() -> None:
    ends = {f"{fault}": partial(a_connection_that_ends_in_speech_costs_no_sentence_after_it, fault) for fault in ENDS}
    refusals = {f"{fault}": partial(a_session_that_does_not_come_about_is_asked_for_again, fault) for fault in REFUSALS}
    named = (
        a_stall_costs_nothing_and_ends_without_a_burst,
        a_service_that_says_nothing_is_left,
        a_service_that_is_never_ready_is_left,
    )
    await together({**ends, **refusals, **{run.__name__: run for run in named}})
