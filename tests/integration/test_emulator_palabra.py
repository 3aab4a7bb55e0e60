"""The Palabra emulator by a raw client: what it gives to a correct one, and that it catches every broken rule."""

import asyncio
import base64
import json
import zlib
from dataclasses import replace

import pytest

from satellite.emulator.palabra.settings import PalabraSettings, PalabraVariants
from satellite.emulator.palabra.talk import CONTROL
from tests.fakes.rawpalabra import (
    BEAT_BYTES,
    FIRST_SENTENCE,
    FIRST_TEXT,
    QUICK,
    SETTINGS,
    emulated,
    task,
)

QUIET = bytes(BEAT_BYTES)


def with_variants(**variants: bool) -> PalabraSettings:
    return replace(SETTINGS, variants=PalabraVariants(**variants))


def with_limits(**limits: float) -> PalabraSettings:
    return replace(SETTINGS, limits=replace(QUICK, **limits))


# ---- what a correct client gets


async def test_a_conversation_by_key() -> None:
    async with emulated() as (emulator, client):
        await client.dial()
        await client.converse()
    assert 3.1 <= emulator.sessions[0].running_s <= 8.0
    assert client.texts("partial_transcription")[:2] == ["Good", "Good morning,"]
    assert client.texts("validated_transcription") == [FIRST_TEXT]
    (translation,) = client.of("translated_transcription")
    assert translation["transcription"]["text"].startswith("[de] dooG gninrom,")
    assert translation["transcription"]["translation_part_id"] == 0
    assert "segments" not in translation["transcription"]
    source = client.of("validated_transcription")[0]["transcription"]
    assert source["segments"][0]["start"] == pytest.approx(0.3, abs=0.01)
    speech = client.of("output_audio_data")
    assert [each["last_chunk"] for each in speech] == [False] * (len(speech) - 1) + [True]
    assert {each["translation_part_id"] for each in speech} == {"0"}
    assert b"".join(base64.b64decode(each["data"]) for each in speech) == emulator.spoken[0].pcm_24k
    assert client.received[-1] == {"message_type": "eos", "data": {}}
    assert client.close_code == 1000
    assert emulator.violations == []
    assert emulator.report()["violations"] == []


async def test_a_session_of_an_application_is_its_own_to_delete() -> None:
    async with emulated() as (emulator, client):
        assert (await client.call("GET", "/session-storage/sessions")).json["data"]["sessions"] is None
        assert (await client.create()).status == 201
        (listed,) = (await client.call("GET", "/session-storage/sessions")).json["data"]["sessions"]
        assert listed["id"] == client.answer["id"]
        await client.join()
        await client.converse(FIRST_SENTENCE[: 4 * BEAT_BYTES], task(speaks=False))
        assert (await client.delete()).status == 204
    assert client.of("output_audio_data") == []
    assert emulator.violations == []


async def test_what_was_not_received_is_not_transcribed_and_silence_confirms() -> None:
    async with emulated() as (emulator, client):
        await client.dial()
        await client.run()
        await client.stream(FIRST_SENTENCE[: 5 * BEAT_BYTES])
        await client.stream(QUIET * 3)
        await client.one("validated_transcription")
        assert emulator.violations == []
        await client.say("end_task", force=True)
        await client.until_closed()
    assert client.texts("validated_transcription") == ["Good morning, the"]


async def test_a_pause_ends_billing_and_is_resumed_by_the_task() -> None:
    async with emulated() as (emulator, client):
        await client.dial()
        await client.run()
        await client.audio(QUIET)
        await client.say("pause_task")
        await client.say("get_task")
        assert (await client.one("current_task"))["data"]["task_status"] == "paused"
        billed = emulator.billed_ms
        await asyncio.sleep(0.3)
        assert emulator.billed_ms == billed
        await client.run()
        await client.audio(QUIET)
        await client.say("end_task", eos_timeout=1)
        await client.until_closed()
    assert emulator.violations == []
    assert emulator.billed_ms > billed


async def test_text_to_be_said_and_its_end() -> None:
    async with emulated() as (emulator, client):
        await client.dial()
        await client.run(task("de", "fr"))
        await client.audio(QUIET)
        await client.say("tts_task", text="Hallo.", language="de", translate_text=False)
        assert (await client.one("output_audio_data"))["data"]["language"] == "de"
        await client.say("tts_task", text="Hello.", language="en", translate_text=True)
        await client.say("end_task", eos_timeout=1)
        await client.until_closed()
    assert sorted(item.text for item in emulator.spoken) == ["Hallo.", "[de] Hello.", "[fr] Hello."]
    assert emulator.violations == []


@pytest.mark.parametrize(("variants", "kind"), [({}, "flush_task"), ({"interrupt_only": True}, "interrupt_task")])
async def test_what_is_being_said_is_cancelled(variants: dict[str, bool], kind: str) -> None:
    async with emulated(with_variants(**variants)) as (emulator, client):
        await client.dial()
        await client.run()
        await client.stream(FIRST_SENTENCE[: 5 * BEAT_BYTES])
        if variants:
            await client.say("flush_task", languages=["global"], pause_task=False)
            assert (await client.one("error"))["data"]["code"] == "VALIDATION_ERROR"
        await client.say(kind, languages=["global"], pause_task=False)
        await client.say("end_task", eos_timeout=1)
        await client.until_closed()
    assert "Good" not in " ".join(client.texts("validated_transcription"))
    assert emulator.violations == []


async def test_only_what_was_asked_for_is_told_besides_control() -> None:
    async with emulated() as (_, client):
        await client.dial()
        await client.converse(
            FIRST_SENTENCE[: 5 * BEAT_BYTES], task(allowed_message_types=["translated_transcription"])
        )
    kinds = {message["message_type"] for message in client.received}
    assert kinds - CONTROL == {"translated_transcription"}


# ---- variants


@pytest.mark.slow
async def test_every_oddity_at_once() -> None:
    settings = with_variants(
        publisher_list=True, old_names=True, string_data=True, binary_frames=True, part_texts=True,
        audio_part_numbers=True, variant_codes=True, duplicate_finals=True, no_segments=True, two_parts=True,
        audio_first=True, telemetry=True, end_of_stream_name=True,
    )  # fmt: skip
    async with emulated(settings) as (emulator, client):
        await client.create()
        assert client.answer["publisher"][0].startswith("eyJh.")
        assert "ws_url" not in client.answer
        await client.join()
        await client.converse(wanted=task("en-gb"))
        await client.delete()
    parts = [json.loads(str(each))["transcription"] for each in client.of("translated_transcription")]
    assert [part["translation_part_id"] for part in parts] == ["0", "0", "1", "1"]
    assert {part["language"] for part in parts} == {"en-gb"}
    assert client.received[-1]["message_type"] == "end_of_stream"
    assert {} in client.received
    assert emulator.violations == []


@pytest.mark.slow
async def test_a_stream_may_be_counted_anew_after_a_pause_and_a_pause_not_be_taken() -> None:
    async with emulated(with_variants(times_restart=True)) as (_, client):
        await client.dial()
        await client.run()
        await client.stream(QUIET * 5)
        await client.say("pause_task")
        await client.converse()
    assert client.of("validated_transcription")[0]["transcription"]["segments"][0]["start"] < 1.0
    async with emulated(with_variants(deaf_to_pause=True)) as (_, client):
        await client.dial()
        await client.run()
        await client.audio(QUIET)
        await client.say("pause_task")
        await client.say("get_task")
        assert (await client.one("current_task"))["data"]["task_status"] == "running"
        await client.say("end_task", force=True)


async def test_compressed_speech() -> None:
    wanted = task()
    wanted["output_stream"]["target"]["format"] = "zlib_pcm_s16le"
    async with emulated() as (emulator, client):
        await client.dial()
        await client.run(wanted)
        await client.audio(QUIET)
        await client.say("tts_task", text="Hallo.", language="de")
        piece = await client.one("output_audio_data")
        assert emulator.spoken[0].pcm_24k.startswith(zlib.decompress(base64.b64decode(piece["data"]["data"])))
        await client.say("end_task", force=True)


async def test_a_voice_that_is_not_there_is_a_warning() -> None:
    wanted = task()
    wanted["pipeline"]["translations"][0]["speech_generation"] = {"voice_id": "nobody"}
    async with emulated() as (_, client):
        await client.dial()
        await client.say("set_task", **wanted)
        assert (await client.one("warning"))["data"]["code"] == "VOICE_NOT_FOUND"
        await client.say("end_task", force=True)


async def test_with_another_rate_and_two_channels_sizes_are_judged_by_them() -> None:
    wanted = task()
    wanted["input_stream"]["source"]["sample_rate"] = 48_000
    async with emulated() as (emulator, client):
        await client.dial()
        await client.run(wanted)
        await client.audio(bytes(30_720))
        await client.say("end_task", force=True)
        await client.until_closed()
    assert emulator.sessions[0].audio_ms == pytest.approx(320, abs=5)
    assert emulator.violations == []
