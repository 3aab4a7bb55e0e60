"""Our Vurbo session through the real driver against the emulator: the recording comes out whole, and what breaks."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from satellite.backends.vurbo.arguments import (
    Announcement,
    Configure,
    MergeSpeakers,
    Nothing,
    ReassignSpeaker,
    RenameSpeaker,
    Retranslate,
    SetName,
    SetSpeakerLanguage,
    SetTts,
    SetTtsMode,
    StartSpeaking,
    SwitchConversationMode,
    SwitchLanguage,
    TtsPlay,
)
from satellite.backends.vurbo.vocabulary import Term
from satellite.core.events import (
    ActionAnswered,
    SessionFailed,
    SessionOpened,
    SpeechChunk,
    Stream,
    UtteranceSent,
    UtteranceSettled,
)
from satellite.emulator.faults import Fault
from satellite.emulator.vurbo.settings import VurboLimits, VurboVariants
from satellite.errors import ErrorCategory
from tests.fakes.rawdeepl import DATA
from tests.fakes.vurbo_way import SETTINGS, SPOKEN_AT_S, Way, way

pytestmark = pytest.mark.slow

LABELS = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
FIRST = (500, 3600)
"""The first sentence with a pause behind it, in ms of the recording."""
SECOND = (4100, 7900)
THIRD = (8300, 12000)
TEXT = LABELS[0]["text"]
"""What is said in the first."""


Case = TypeVar("Case")


async def side_by_side(cases: Sequence[Case], run: Callable[[Case], Awaitable[None]]) -> None:
    """Every case at the same time, as each of them is waiting most of it; a failure names its case."""
    failures: list[str] = []

    async def one(case: Case) -> None:
        try:
            await run(case)
        except* AssertionError as group:
            failures.append(f"{case}: {group.exceptions[0]!r}")

    async with asyncio.TaskGroup() as tasks:
        for case in cases:
            tasks.create_task(one(case))
    assert failures == []


def rules(run: Way) -> list[str]:
    return [violation.rule for violation in run.emulator.violations]


def odd(**variants: bool) -> Any:
    return replace(SETTINGS, variants=replace(VurboVariants(), **variants))


async def sentences_come_out_in_time(form: str) -> None:
    async with way(speech="de", audio_format=form) as run:
        for label in LABELS:
            run.say(round(label["start_ms"]) - 300, round(label["end_ms"]) + 800)
        await run.hears(len(LABELS))
        await run.ends()
        assert run.heard.text() == " ".join(label["text"] for label in LABELS)
        assert run.heard.text(Stream.TARGET).count("[de-DE]") == len(LABELS)
        assert [segment.utterance_id for segment in run.heard.segments()] == [f"u{n}" for n in range(1, 6)]
        for segment, label in zip(run.heard.segments(), LABELS, strict=True):
            assert segment.start_s - SPOKEN_AT_S == pytest.approx(label["start_ms"] / 1000, abs=1.0)
            assert segment.language == "en"
        assert len(run.heard.all(SpeechChunk)) == len(LABELS)
        assert [each.utterance_id for each in run.heard.all(UtteranceSent)] == [f"u{n}" for n in range(1, 6)]
        assert sorted(each.utterance_id for each in run.heard.all(UtteranceSettled)) == [f"u{n}" for n in range(1, 6)]
        assert len(run.emulator.sessions) == 1, "one session for many utterances"
        assert run.emulator.sessions[0].is_complete
        assert run.emulator.billed_ms == pytest.approx(run.uplink.streamed_samples / 16, abs=60)
        assert rules(run) == []


ODD = [
    {"echo_subprotocol": False, "no_pong": True, "chinese_messages": True, "extra_fields": True, "no_task_id": True},
    {"unknown_messages": True, "odd_tag_case": True, "no_start_time": True, "translations_apart": True},
    {"corrected_finals": True, "wall_clock_start_time": True, "no_interim": True, "tts_nested": True},
    {"early_task_complete": True, "tts_without_sid": True, "tts_data_url": True, "error_as_action": True},
]


async def text_and_speech_come(variants: dict[str, bool]) -> None:
    async with way(odd(**variants), speech="de") as run:
        run.say(*FIRST)
        await run.ends()
        assert [segment.text for segment in run.heard.segments()] == [TEXT]
        assert run.heard.text(Stream.TARGET).startswith("[de-DE] dooG")
        assert [segment.language for segment in run.heard.segments(Stream.TARGET)] == ["de"]
        assert len(run.heard.all(SpeechChunk)) == 1
        assert rules(run) == []


FORMS = (
    ("audio/wav", "audio/pcm;encoding=s16le;rate=24000"),
    ("audio/mpeg", "audio/mpeg"),
    ("audio/ogg", "audio/ogg"),
    ("audio/webm", "audio/webm"),
    ("audio/flac", "audio/flac"),
    ("audio/aac", "audio/aac"),
    ("audio/mp4", "audio/mp4"),
    ("audio/pcm", "application/octet-stream"),
)


async def speech_is_told_by_its_bytes(form: tuple[str, str]) -> None:
    media, content_type = form
    async with way(replace(SETTINGS, target_media=media), speech="de") as run:
        run.say(*FIRST)
        await run.ends()
        (chunk,) = run.heard.all(SpeechChunk)
        assert chunk.content_type == content_type
        is_playable = media not in ("audio/mp4", "audio/pcm")
        assert bool(chunk.data) is is_playable
        assert run.uplink.counters.ignored_messages == (not is_playable)
        assert run.heard.text() == TEXT


async def every_action_of_a_one_way_session_is_answered() -> None:
    async with way(speech="de", recognition_mode="multi_speaker") as run:
        run.say(*FIRST)
        run.say(*SECOND)
        await run.hears(2)
        asked = [
            ("config", Configure(terminology={"en": (Term(term="Zigbee", boost=2.0),)})),
            ("set_name", SetName(name="Kitchen")),
            ("pause", Nothing()),
            ("pause", Nothing()),
            ("resume", Nothing()),
            ("tts_mode", SetTtsMode(tts_mode="async")),
            ("tts_play", TtsPlay(sid=1, length=2)),
            ("tts_stop", Nothing()),
            ("retranslate", Retranslate(sid=1, translation_languages=("de",), text="Good night.")),
            ("rename_speaker", RenameSpeaker(speaker_id="Guest-1", new_label="Ann")),
            ("reassign_speaker", ReassignSpeaker(sid=2, target_speaker_id="Guest-1")),
            ("switch_language", SwitchLanguage(translation_languages=("fr",))),
        ]
        for action, arguments in asked:
            assert (await run.asked(action, arguments)).reason is None, action
        answer = await run.asked("merge_speakers", MergeSpeakers(source_speaker_id="Guest-2", target_speaker_id="Ann"))
        assert answer.reason == "there is no such speaker (speaker_not_found)"
        retranslated = next(each for each in run.heard.all(ActionAnswered) if each.action == "retranslate")
        assert retranslated.result == {"sid": 1, "translations": {"de": "[de-DE] dooG thgin."}}
        assert (await run.asked("stop_speaking", Nothing())).reason is not None
        run.say(*THIRD)
        await run.hears(3)
        assert run.heard.segments(Stream.TARGET)[-1].text.strip().startswith("[fr-FR] ehT")
        assert run.heard.segments(Stream.TARGET)[-1].language == "fr"
        assert run.heard.segments()[-1].speaker == "Ann"
        assert len(run.heard.segments(Stream.TARGET)) == 3, "what is translated anew is no new utterance"
        await run.ends()
        assert rules(run) == []


async def a_conversation_by_button_has_two_speakers_and_speaks_both_languages() -> None:
    async with way(speech="de", recording_type="conversation", conversation_mode="manual") as run:
        run.say(*FIRST)
        await run.hears(1)
        assert run.heard.segments()[0].speaker == "Speaker-1"
        assert (await run.asked("start_speaking", StartSpeaking(speaker=2))).reason is None
        run.say(*SECOND)
        await run.hears(2)
        assert [segment.speaker for segment in run.heard.segments()] == ["Speaker-1", "Speaker-2"]
        assert [segment.language for segment in run.heard.segments()] == ["en", "de"]
        assert [segment.language for segment in run.heard.segments(Stream.TARGET)] == ["de", "en"]
        changed = await run.asked("set_speaker_language", SetSpeakerLanguage(speaker=2, language="it"))
        assert changed.result == {"speaker_language_map": {"1": "en-US", "2": "it-IT"}}
        assert (await run.asked("set_tts", SetTts(tts_enabled=False))).reason is None
        assert (await run.asked("switch_language", SwitchLanguage())).reason is None
        assert (await run.asked("stop_speaking", Nothing())).result["note"]
        switched = await run.asked("switch_conversation_mode", SwitchConversationMode(conversation_mode="auto"))
        assert switched.reason is None
        run.say(*THIRD)
        await run.hears(3)
        assert run.heard.segments(Stream.TARGET)[-1].language == "it"
        await run.ends()
        assert {chunk.language for chunk in run.heard.all(SpeechChunk)} == {"de", "en"}
        assert rules(run) == []


async def a_broadcast_goes_live() -> None:
    options: dict[str, Any] = {
        "broadcast_token": "k7q2",
        "broadcast_phase": "standby",
        "standby_message": "We begin at eight.",
    }
    async with way(recording_type="broadcast", **options) as run:
        run.say(*FIRST)
        await run.hears(1)
        for action, message in (("set_standby_message", "Soon."), ("broadcast_announcement", "Welcome.")):
            assert (await run.asked(action, Announcement(message=message))).reason is None
        live = await run.asked("broadcast_go_live", Nothing())
        assert live.result == {"phase": "live"}
        refused = await run.asked("set_standby_message", Announcement(message="Soon."))
        assert refused.reason == "the broadcast is live (broadcast_not_in_standby)"
        await run.ends()
        assert run.heard.text() == TEXT
        assert rules(run) == []


async def what_is_said_in_a_pause_is_heard_after_it() -> None:
    async with way() as run:
        run.say(*FIRST)
        await run.hears(1)
        await run.asked("pause", Nothing())
        before = run.emulator.billed_ms
        run.say(*SECOND)
        await run.until("the audio waits", lambda: run.backlog.seconds > 3)
        assert run.emulator.billed_ms == before, "nothing goes out in a pause"
        await run.asked("resume", Nothing())
        await run.hears(2)
        await run.ends()
        assert run.heard.text() == f"{TEXT} {LABELS[1]['text']}"
        assert rules(run) == []


FAULTS = [
    Fault("cut", after_chunks=10),
    Fault("cut", after_chunks=10, how="close", code=1011),
    Fault("error", after_chunks=10),
    Fault("garbage", what="not_json", after_chunks=10),
    Fault("http", on="POST", status=503, retry_after_s=1),
    Fault("reset", on="POST"),
    Fault("lose_answer", on="POST"),
    Fault("handshake", status=503),
    Fault("reset", on="ws"),
    Fault("accept_close"),
]


async def a_new_session_goes_on(fault: Fault) -> None:
    async with way(replace(SETTINGS, faults=(fault,))) as run:
        run.say(*FIRST)
        run.say(*SECOND)
        await run.until("the second sentence", lambda: LABELS[1]["text"] in run.heard.text())
        await run.ends()
        assert rules(run) == []
        assert run.heard.lost_ms <= 600, "but what was under way"
        concluded = [segment.text.strip() for segment in run.heard.segments()]
        assert len(set(concluded)) == len(concluded)


async def garbage_that_is_only_useless_is_passed_over() -> None:
    faults = tuple(Fault("garbage", what=what, after_chunks=10) for what in ("unknown", "huge", "wrong_frame"))
    async with way(replace(SETTINGS, faults=faults[:1])) as run:
        run.say(*FIRST)
        await run.ends()
        assert run.heard.text() == TEXT
        assert run.uplink.counters.ignored_messages == 1
        assert len(run.emulator.sessions) == 1


async def a_service_that_closes_instead_of_storing_costs_nothing() -> None:
    async with way(replace(SETTINGS, faults=(Fault("no_end"),))) as run:
        run.say(*FIRST)
        await run.ends()
        assert run.heard.text() == TEXT
        assert run.heard.all(SessionFailed) == []
        assert rules(run) == []


async def a_switch_of_language_outlasts_the_connection() -> None:
    async with way() as run:
        run.say(*FIRST)
        await run.hears(1)
        arguments = SwitchLanguage(translation_languages=("fr",))
        await run.asked("switch_language", arguments)
        run.standing["switch_language"] = arguments
        run.emulator.inject(Fault("cut"))
        run.say(*SECOND)
        await run.until("French", lambda: "[fr-FR] esaelP" in run.heard.text(Stream.TARGET))
        await run.ends()
        assert len(run.emulator.sessions) == 2
        assert run.emulator.sessions[1].course.request["translation_languages"] == ["fr-FR"]
        assert len(run.heard.all(SessionOpened)) == 2
        assert rules(run) == []


PARKED: tuple[tuple[dict[str, Any], ErrorCategory], ...] = (
    ({"api_key": "vas_" + "x" * 32}, ErrorCategory.AUTHENTICATION),
    ({"recording_type": "broadcast", "broadcast_token": "0000"}, ErrorCategory.INVALID_REQUEST),
    ({"summary_template": "poem"}, ErrorCategory.INVALID_REQUEST),
)


async def it_parks(case: tuple[dict[str, Any], ErrorCategory]) -> None:
    changes, category = case
    async with way(**changes) as run:
        run.say(*FIRST)
        await run.until("the park", lambda: run.heard.parks)
        assert run.heard.parks[0].category is category
        assert run.backlog.seconds > 3, "what was said waits"


async def a_budget_that_is_spent_parks_it() -> None:
    async with way(replace(SETTINGS, limits=replace(VurboLimits(), budget_s=0.0))) as run:
        run.say(*FIRST)
        await run.until("the park", lambda: run.heard.parks)
        assert run.heard.parks[0].category is ErrorCategory.QUOTA


async def a_bad_ticket_may_be_told_in_the_first_message() -> None:
    limits = replace(VurboLimits(), ticket_ttl_s=-1.0)
    async with way(replace(odd(bad_ticket_in_band=True), limits=limits)) as run:
        run.say(*FIRST)
        await run.until("the refusal", lambda: run.heard.all(SessionFailed))
        assert "ticket_expired" in run.heard.all(SessionFailed)[0].detail


COURSES: tuple[Callable[[], Awaitable[None]], ...] = (
    every_action_of_a_one_way_session_is_answered,
    a_conversation_by_button_has_two_speakers_and_speaks_both_languages,
    a_broadcast_goes_live,
    what_is_said_in_a_pause_is_heard_after_it,
    garbage_that_is_only_useless_is_passed_over,
    a_service_that_closes_instead_of_storing_costs_nothing,
    a_switch_of_language_outlasts_the_connection,
    a_budget_that_is_spent_parks_it,
    a_bad_ticket_may_be_told_in_the_first_message,
)


async def test_courses() -> None:
    await side_by_side(COURSES, lambda course: course())


async def test_every_sentence_comes_out_in_time_in_either_form_and_speech_in_any() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(side_by_side(["pcm", "webm"], sentences_come_out_in_time))
        tasks.create_task(side_by_side(FORMS, speech_is_told_by_its_bytes))


async def test_faults_oddities_and_refusals() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(side_by_side(FAULTS, a_new_session_goes_on))
        tasks.create_task(side_by_side(ODD, text_and_speech_come))
        tasks.create_task(side_by_side(PARKED, it_parks))
