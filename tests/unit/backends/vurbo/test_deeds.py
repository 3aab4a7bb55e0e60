"""What users ask for: one command and one answer each."""

from typing import Any

import pytest

from satellite.backends.vurbo.arguments import ACTIONS, Nothing, SetName, SwitchLanguage
from satellite.backends.vurbo.commands import MAX_QUEUED
from satellite.backends.vurbo.deeds import ENDING, TOO_MANY
from satellite.core.events import ActionAnswered
from tests.fakes.sections import made
from tests.unit.backends.vurbo.stage import (
    Talking,
    answer,
    asked,
    conversing,
    event,
    new_play,
    options,
    result,
    sent,
    spoken,
    status,
    streaming,
    translation,
)

BROADCAST = {"recording_type": "broadcast", "broadcast_token": "k7q2"}


def one_way() -> Talking:
    return streaming(speech_language="de")


def broadcasting() -> Talking:
    return streaming(options(**BROADCAST), target_languages=())


CASES: list[tuple[Any, str, dict[str, Any], dict[str, Any], str, dict[str, Any]]] = [
    (one_way, "pause", {}, {}, status(), {}),
    (
        one_way,
        "switch_language",
        {"translation_languages": ["es"]},
        {"translation_languages": ["es-ES"]},
        event("language_switch_done", translation_language="es-ES", success_count=6, failed_count=1, message="x"),
        {"translation_language": "es-ES", "success_count": 6, "failed_count": 1},
    ),
    (one_way, "tts_play", {"sid": 1}, {"sid": 1, "length": 1}, event("tts_ready"), {}),
    (one_way, "tts_stop", {}, {}, status(), {}),
    (
        one_way,
        "tts_mode",
        {"tts_mode": "async"},
        {"tts_mode": "async"},
        event("tts_mode_changed", tts_mode="async"),
        {"tts_mode": "async"},
    ),
    (one_way, "set_name", {"name": "Kitchen"}, {"name": "Kitchen"}, status(), {}),
    (
        one_way,
        "rename_speaker",
        {"speaker_id": "Guest-1", "new_label": "Ann"},
        {"speaker_id": "Guest-1", "new_label": "Ann"},
        event("speaker_renamed", speaker_id="Guest-1", new_label="Ann", affected_sids=[1]),
        {"speaker_id": "Guest-1", "new_label": "Ann", "affected_sids": [1]},
    ),
    (
        one_way,
        "reassign_speaker",
        {"sid": 1, "target_speaker_id": "Guest-1"},
        {"sid": 1, "target_speaker_id": "Guest-1"},
        event("speaker_reassigned", sid=1),
        {"sid": 1},
    ),
    (
        one_way,
        "merge_speakers",
        {"source_speaker_id": "Guest-2", "target_speaker_id": "Guest-1"},
        {"source_speaker_id": "Guest-2", "target_speaker_id": "Guest-1"},
        event("speakers_merged"),
        {},
    ),
    (
        one_way,
        "retranslate",
        {"sid": 4, "translation_languages": ["de"], "text": "Hi."},
        {"sid": 4, "translation_languages": ["de-DE"], "text": "Hi."},
        translation(4, "Hallo.", is_retranslation=True),
        {"sid": 4, "translations": {"de": "Hallo."}},
    ),
    (
        one_way,
        "config",
        {"terminology": {"en": [{"term": "Zigbee"}]}},
        {"terminology": {"en-US": [{"term": "Zigbee", "boost": 1.0}]}},
        event("config_updated", updated=["terminology"]),
        {"updated": ["terminology"]},
    ),
    (conversing, "start_speaking", {"speaker": 2}, {"speaker": 2}, status(), {}),
    (conversing, "stop_speaking", {}, {}, result(1, "One."), {"sid": 1}),
    (
        conversing,
        "switch_conversation_mode",
        {"conversation_mode": "auto"},
        {"conversation_mode": "auto"},
        event("conversation_mode_changed", conversation_mode="auto"),
        {"conversation_mode": "auto"},
    ),
    (
        conversing,
        "set_speaker_language",
        {"speaker": 2, "language": "it"},
        {"speaker": 2, "language": "it-IT"},
        event("speaker_language_changed", speaker_language_map={"1": "en-US", "2": "it-IT"}),
        {"speaker_language_map": {"1": "en-US", "2": "it-IT"}},
    ),
    (
        conversing,
        "set_tts",
        {"tts_enabled": False, "tts_config": {"de": {}}},
        {"tts_enabled": False, "tts_config": {"de-DE": {"speaking_rate": 1.0}}},
        event("tts_updated", tts_enabled=False),
        {"tts_enabled": False},
    ),
    (conversing, "switch_language", {}, {}, event("language_switched"), {}),
    (
        conversing,
        "switch_language",
        {"transcription_languages": ["de"]},
        {"transcription_languages": ["de-DE"]},
        event("language_switched", language="de-DE"),
        {"language": "de-DE"},
    ),
    (
        broadcasting,
        "broadcast_go_live",
        {},
        {},
        event("broadcast_phase_changed", phase="live", message="x"),
        {"phase": "live"},
    ),
    (broadcasting, "broadcast_announcement", {"message": "Hi."}, {"message": "Hi."}, status(), {}),
    (broadcasting, "set_standby_message", {"message": "Soon."}, {"message": "Soon."}, status(), {}),
]


@pytest.mark.parametrize(("begin", "action", "given", "fields", "reply", "told"), CASES)
def test_each_is_one_command_and_one_answer(
    begin: Any, action: str, given: dict[str, Any], fields: dict[str, Any], reply: str, told: dict[str, Any]
) -> None:
    book = begin()
    book.asks(action, made(ACTIONS[action].arguments, given))
    assert sent(book)[-1] == {"action": action, **fields}
    assert book.all(ActionAnswered) == []
    book.says(reply)
    assert book.all(ActionAnswered) == [ActionAnswered(action, told)]


def test_every_action_has_its_case() -> None:
    assert {case[1] for case in CASES} == set(ACTIONS) - {"resume"}


@pytest.mark.parametrize(
    ("begin", "action", "given", "reason"),
    [
        (one_way, "start_speaking", {}, "this is for voice.vurbo.recording_type conversation"),
        (one_way, "set_tts", {"tts_enabled": True}, "this is for voice.vurbo.recording_type conversation"),
        (one_way, "broadcast_go_live", {}, "this is for voice.vurbo.recording_type broadcast"),
        (one_way, "switch_language", {}, "translation_languages: is missing"),
        (one_way, "config", {}, "nothing to change was given"),
        (conversing, "set_tts", {}, "nothing to change was given"),
        (lambda: conversing("auto"), "stop_speaking", {}, "this is for the conversation mode manual"),
    ],
)
def test_what_cannot_be_is_answered_at_once(begin: Any, action: str, given: dict[str, Any], reason: str) -> None:
    book = begin()
    before = asked(book)
    book.asks(action, made(ACTIONS[action].arguments, given))
    assert book.all(ActionAnswered) == [ActionAnswered(action, {}, reason)]
    assert asked(book) == before


def test_what_is_not_answered_is_told() -> None:
    book = one_way().asks("set_name", SetName(name="Kitchen"))
    book.after(10.1)
    assert answer(book).reason == "the service did not answer in time"


def test_too_many_at_once() -> None:
    book = one_way()
    for _ in range(MAX_QUEUED + 2):
        book.asks("set_name", SetName(name="Kitchen"))
    assert book.all(ActionAnswered) == [ActionAnswered("set_name", {}, TOO_MANY)]


def test_at_the_end_of_a_session_nothing_is_begun() -> None:
    book = one_way()
    book.finish()
    book.asks("set_name", SetName(name="Kitchen"))
    assert answer(book).reason == ENDING
    book.close()
    book.asks("set_name", SetName(name="Kitchen"))
    assert len(book.all(ActionAnswered)) == 2


def test_what_is_asked_before_the_session_is_open_waits_for_it() -> None:
    book = new_play()
    book.start()
    book.asks("set_name", SetName(name="Kitchen"))
    assert asked(book) == []


def test_a_session_begins_with_its_vocabulary_and_its_name() -> None:
    book = streaming(options(name="Kitchen", terminology={"en": [{"term": "Zigbee"}]}))
    book.hears("u1", 200)
    assert asked(book) == ["start", "config"]
    assert spoken(book) == [], "what is said is recognised with it"
    book.hears_of("config_updated", updated=["terminology"])
    assert asked(book) == ["start", "config", "set_name"]
    assert len(spoken(book)) > 0
    book.says(status())
    assert book.all(ActionAnswered) == []


def test_vocabulary_that_is_refused_costs_no_session() -> None:
    book = streaming(options(terminology={"en": [{"term": "Zigbee"}]}))
    book.fails("config_too_many_entries").hears("u1", 200).after(0.2)
    assert len(spoken(book)) > 0
    assert book.session.counters.ignored_messages == 1


def test_a_pause_keeps_what_is_said() -> None:
    book = one_way().asks("pause", Nothing())
    book.hears("u1", 300)
    assert spoken(book) == []
    paused = [book.session.counters.is_paused]
    book.says(status()).speaks("u1", 2.0)
    paused.append(book.session.counters.is_paused)
    assert spoken(book) == []
    book.asks("resume", Nothing()).after(0.5)
    assert spoken(book) == []
    book.says(status()).after(2.0)
    assert [*paused, book.session.counters.is_paused] == [False, True, False]
    assert sum(chunk.seconds for chunk in spoken(book)) == pytest.approx(2.3)


def test_a_pause_that_is_refused_is_none() -> None:
    book = one_way().asks("pause", Nothing())
    book.after(10.1).hears("u1", 200)
    assert len(spoken(book)) > 0
    book.asks("resume", Nothing()).fails("session_not_paused", severity="warning")
    assert answer(book) == ActionAnswered("resume", {"note": "it is not paused (session_not_paused)"})


def test_after_a_switch_text_comes_in_the_new_language() -> None:
    book = one_way()
    book.speaks("u1", 1.0)
    book.asks("switch_language", SwitchLanguage(translation_languages=("fr",)))
    book.hears_of("language_switch_start", total_segments=1).after(9.0)
    book.hears_of("language_switch_done")
    assert answer(book).reason is None
    assert book.session._wishes.targets_of("en") == ("fr",)  # type: ignore[attr-defined]  # a Vurbo session


def test_an_end_ends_a_pause() -> None:
    book = one_way().asks("pause", Nothing())
    book.says(status()).hears("u1", 300).finish()
    assert asked(book)[-1] == "resume"
    book.says(status())
    assert not book.session.counters.is_paused
