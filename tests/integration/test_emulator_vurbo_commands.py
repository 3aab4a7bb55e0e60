"""Commands to the emulated Vurbo service, tried by a raw client: each answer and each error."""

import asyncio
import dataclasses
from typing import Any

from satellite.emulator.faults import Fault
from satellite.emulator.vurbo.settings import VurboLimits, VurboSettings, VurboVariants
from tests.fakes.rawdeepl import demo_pcm
from tests.fakes.rawvurbo import (
    BROADCAST,
    CONVERSATION,
    FIRST,
    SECOND,
    SETTINGS,
    TEXT,
    TRANSCRIBE,
    emulated,
    rules,
)


def odd(**variants: bool) -> VurboSettings:
    return dataclasses.replace(SETTINGS, variants=dataclasses.replace(VurboVariants(), **variants))


def limited(**limits: float) -> VurboSettings:
    return dataclasses.replace(SETTINGS, limits=dataclasses.replace(VurboLimits(), **limits))


def faulty(*faults: Fault) -> VurboSettings:
    return dataclasses.replace(SETTINGS, faults=faults)


# --- commands -----------------------------------------------------------------------------------------------------


async def test_two_commands_with_one_answer_must_not_be_under_way_together() -> None:
    async with emulated() as (emulator, client):
        await client.start()
        await client.send("pause")
        await client.send("set_name", name="x")
        await client.until("status")
        await client.until("status")
        assert (await client.ask("resume"))["action"] == "status"
        await client.finish()
    assert rules(emulator) == ["two_commands_in_flight"]


async def test_what_is_sent_in_a_pause_is_processed_after_it() -> None:
    async with emulated() as (emulator, client):
        await client.start()
        assert (await client.ask("pause"))["message"] == "Speech recognition paused"
        assert (await client.ask("pause"))["error_code"] == "session_already_paused"
        await client.speak()
        await asyncio.sleep(0.1)
        assert client.of("result") == []
        assert (await client.ask("resume"))["action"] == "status"
        assert (await client.ask("resume"))["error_code"] == "session_not_paused"
        await client.finish()
    assert client.final_texts() == [TEXT]
    assert rules(emulator) == []


ONE_WAY: list[tuple[str, dict[str, Any], str]] = [
    ("config", {}, "config_empty"),
    ("config", {"translation_dict": "x"}, "invalid_data"),
    ("config", {"translation_dict": [{}] * 51}, "config_too_many_dict_entries"),
    ("config", {"terminology": {"en-GB": [{"term": "x"}] * 501}}, "config_too_many_entries"),
    ("config", {"terminology": {"en-GB": [{"term": "x" * 101}]}}, "config_term_too_long"),
    ("config", {"terminology": {"en-GB": [{"term": "x", "boost": 9}]}}, "invalid_data"),
    ("config", {"terminology": {"en": []}}, "invalid_data"),
    ("config", {"fuzzy_correction": {"en-GB": []}}, "config_updated"),
    ("set_name", {}, "set_name_empty"),
    ("set_name", {"name": "x" * 61}, "set_name_too_long"),
    ("tts_play", {"sid": 9}, "tts_segment_not_found"),
    ("tts_play", {"sid": 1, "length": 21}, "invalid_data"),
    ("tts_stop", {}, "status"),
    ("tts_mode", {"tts_mode": "loud"}, "invalid_data"),
    ("tts_mode", {"tts_mode": "async"}, "tts_mode_changed"),
    ("set_tts", {}, "invalid_action"),
    ("retranslate", {"sid": 9}, "retranslate_sid_not_found"),
    ("retranslate", {"sid": 1, "translation_languages": "de-DE", "text": "x"}, "retranslate_no_target_lang"),
    ("retranslate", {"sid": 1, "translation_languages": [], "text": "x"}, "retranslate_no_target_lang"),
    ("retranslate", {"sid": 1, "translation_languages": ["de-DE"], "text": " "}, "retranslate_no_text"),
    ("retranslate", {"sid": 1, "translation_languages": ["de-DE"], "text": "Hi."}, "translation"),
    ("rename_speaker", {"speaker_id": "Guest-9", "new_label": "Ann"}, "speaker_not_found"),
    ("rename_speaker", {"speaker_id": "Guest-1"}, "speaker_name_empty"),
    ("rename_speaker", {"speaker_id": "Guest-1", "new_label": "a\nb"}, "invalid_parameter"),
    ("rename_speaker", {"speaker_id": "Guest-1", "new_label": "Ann"}, "speaker_renamed"),
    ("rename_speaker", {"speaker_id": "Ann", "new_label": "Anna"}, "speaker_renamed"),
    ("rename_speaker", {"speaker_id": "Guest-2", "new_label": "Anna"}, "speaker_name_duplicate"),
    ("reassign_speaker", {"sid": 9, "target_speaker_id": "Guest-1"}, "speaker_sid_not_found"),
    ("reassign_speaker", {"sid": 1}, "speaker_name_empty"),
    ("reassign_speaker", {"sid": 1, "target_speaker_id": "Anna"}, "speaker_not_found"),
    ("reassign_speaker", {"sid": 1, "target_speaker_id": "Guest-2"}, "speaker_reassigned"),
    ("merge_speakers", {"source_speaker_id": "Guest-2"}, "speaker_name_empty"),
    ("merge_speakers", {"source_speaker_id": "x", "target_speaker_id": "x"}, "merge_speakers_same_id"),
    ("merge_speakers", {"source_speaker_id": "Guest-2", "target_speaker_id": "Guest-9"}, "speaker_not_found"),
    ("switch_language", {"translation_languages": "fr-FR"}, "switch_language_no_target"),
    ("switch_language", {"translation_languages": []}, "switch_language_no_target"),
    ("switch_language", {"translation_languages": ["de-DE"]}, "switch_language_same_target"),
    ("switch_language", {"translation_languages": ["fr-FR"]}, "language_switch_start"),
    ("broadcast_go_live", {}, "broadcast_not_enabled"),
    ("broadcast_announcement", {"message": "x"}, "broadcast_not_enabled"),
    ("set_standby_message", {"message": "x"}, "broadcast_not_enabled"),
    ("start_speaking", {"speaker": 1}, "invalid_action"),
    ("stop_speaking", {}, "invalid_action"),
    ("set_speaker_language", {"speaker": 1, "language": "fr-FR"}, "invalid_action"),
    ("switch_conversation_mode", {"conversation_mode": "auto"}, "invalid_action"),
]


async def test_commands_of_a_one_way_session() -> None:
    async with emulated() as (_, client):
        start = {**TRANSCRIBE, "tts_enabled": True, "tts_language": "de-DE", "recognition_mode": "multi_speaker"}
        await client.start(**start)
        await client.speak()
        await client.speak(SECOND)
        await client.until("tts_ready")
        await client.until("tts_ready")
        for action, data, expected in ONE_WAY:
            found = await client.ask(action, **data)
            assert found.get("error_code", found["action"]) == expected, (action, data, found)
            if expected == "language_switch_start":
                done = await client.until("language_switch_done")
                assert (found["total_segments"], done["success_count"]) == (2, 2)
        batch = client.of("batch_retranslation")
        assert [each["sid"] for each in batch] == [1, 2]
        assert all(entry["is_retranslation"] for each in batch for entry in each["translations"].values())
        merged = await client.ask("merge_speakers", source_speaker_id="Guest-2", target_speaker_id="Guest-1")
        assert merged["action"] in ("speakers_merged", "error")
        await client.send("tts_play", sid=1, length=2)
        await client.until("tts_ready")
        await client.finish()


async def test_commands_without_speech() -> None:
    async with emulated() as (_, client):
        await client.start()
        assert (await client.ask("tts_play", sid=1))["error_code"] == "tts_not_enabled"
        assert (await client.ask("tts_mode", tts_mode="sync"))["error_code"] == "tts_not_enabled"
        await client.finish()


async def test_a_sentence_that_has_no_translation_is_not_spoken() -> None:
    async with emulated() as (_, client):
        await client.start(**{**TRANSCRIBE, "translation_languages": ["de-DE"]}, tts_enabled=True)
        await client.speak()
        await client.until("result")
        assert (await client.ask("tts_play", sid=1))["error_code"] == "tts_translation_not_found"
        await client.finish()


CONVERSING: list[tuple[str, dict[str, Any], str]] = [
    ("start_speaking", {"speaker": 3}, "conversation_invalid_speaker"),
    ("start_speaking", {"speaker": 2}, "status"),
    ("start_speaking", {"speaker": 1}, "conversation_speaking"),
    ("set_speaker_language", {"speaker": 1, "language": "it-IT"}, "conversation_speaking"),
    ("switch_conversation_mode", {"conversation_mode": "loud"}, "conversation_invalid_mode"),
    ("switch_conversation_mode", {"conversation_mode": "auto"}, "conversation_mode_changed"),
    ("start_speaking", {"speaker": 1}, "conversation_not_manual_mode"),
    ("set_speaker_language", {"speaker": 3, "language": "it-IT"}, "conversation_invalid_speaker"),
    ("set_speaker_language", {"speaker": 1, "language": "it"}, "conversation_invalid_language"),
    ("set_speaker_language", {"speaker": 1, "language": "en-GB"}, "conversation_same_language"),
    ("set_speaker_language", {"speaker": 1, "language": "de-DE"}, "conversation_language_same_as_peer"),
    ("set_speaker_language", {"speaker": 1, "language": "it-IT"}, "speaker_language_changed"),
    ("switch_language", {}, "language_switched"),  # from Italian, which was English, to German
    ("switch_language", {"transcription_languages": ["fr-FR"]}, "conversation_invalid_language"),
    ("switch_language", {"transcription_languages": "de-DE"}, "switch_language_no_target"),
    ("switch_language", {"transcription_languages": ["de-DE"]}, "conversation_same_language"),
    ("switch_language", {"transcription_languages": ["it-IT"]}, "language_switched"),
    ("switch_language", {}, "language_switched"),
    ("set_tts", {"tts_config": {"de-DE": {"loud": True}}}, "invalid_data"),
    ("set_tts", {"tts_config": {"de-DE": {"voice": "x"}}, "tts_enabled": False}, "tts_updated"),
]


async def test_commands_of_a_conversation() -> None:
    async with emulated() as (_, client):
        await client.start(**CONVERSATION)
        for action, data, expected in CONVERSING:
            found = await client.ask(action, **data)
            assert found.get("error_code", found["action"]) == expected, (action, data, found)
        assert client.of("tts_updated")[0]["tts_config"] == {"it-IT": {"speaking_rate": 1.0}, "de-DE": {"voice": "x"}}
        assert client.of("speaker_language_changed")[0]["speaker_language_map"] == {"1": "it-IT", "2": "de-DE"}
        await client.finish()


async def test_all_that_is_said_between_two_presses_is_one_sentence() -> None:
    async with emulated() as (emulator, client):
        await client.start(**CONVERSATION)
        await client.ask("start_speaking", speaker=2)
        await client.speak(FIRST + SECOND)
        await client.send("stop_speaking")
        while not (found := await client.until("result"))["origin"]["is_final"]:
            pass
        assert found["origin"]["text"].startswith(TEXT)
        assert (found["origin"]["speaker_id"], found["origin"]["language"]) == ("Speaker-2", "de-DE")
        assert found["translations"]["en-GB"]["is_final"]
        await client.until("tts_ready")
        await client.ask("start_speaking", speaker=1)
        await client.send("stop_speaking")
        assert (await client.ask("stop_speaking"))["error_code"] == "conversation_not_speaking"
        await client.ask("start_speaking", speaker=1)
        await client.speak(demo_pcm(8300, 12_000))
        assert (await client.ask("switch_conversation_mode", conversation_mode="auto"))["action"]
        await client.finish()
    assert len(client.final_texts()) == 2
    assert rules(emulator) == []


async def test_a_broadcast() -> None:
    async with emulated() as (_emulator, client):
        started = await client.start(**BROADCAST, broadcast_phase="standby")
        assert (started["phase"], started["viewer_count"]) == ("standby", 0)
        assert (await client.ask("set_standby_message", message="Soon."))["action"] == "status"
        assert (await client.ask("set_standby_message", message=""))["error_code"] == "invalid_parameter"
        assert (await client.ask("broadcast_announcement", message=""))["error_code"] == "invalid_parameter"
        assert (await client.ask("broadcast_announcement", message="Hi."))["action"] == "status"
        assert (await client.ask("broadcast_go_live"))["action"] == "broadcast_phase_changed"
        assert (await client.ask("broadcast_go_live"))["action"] == "status"
        assert (await client.ask("set_standby_message", message="x"))["error_code"] == "broadcast_not_in_standby"
        await client.speak()
        await client.finish()
    assert client.of("tts_ready") == []
    assert client.final_texts() == [TEXT]


async def test_one_switch_at_a_time() -> None:
    async with emulated(limited(reply_s=0.05)) as (emulator, client):
        await client.start()
        await client.speak()
        await client.until("result")
        await client.send("switch_language", translation_languages=["fr-FR"])
        await asyncio.sleep(0.1)
        await client.send("switch_language", translation_languages=["es-ES"])
        assert (await client.until("error"))["error_code"] == "switch_language_in_progress"
        await client.until("language_switch_done")
        await client.finish()
    assert rules(emulator) == ["second_switch"]
