"""Sessions of the emulated Vurbo service, tried by a raw client: audio, text, speech, faults."""

import asyncio
import base64
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from satellite.adapters.encoder import WebmOpusEncoder
from satellite.emulator.faults import Fault
from satellite.emulator.vurbo.settings import VurboLimits, VurboSettings, VurboVariants
from tests.fakes.rawdeepl import demo_pcm
from tests.fakes.rawvurbo import (
    CONVERSATION,
    FIRST,
    SECOND,
    SETTINGS,
    TEXT,
    TRANSCRIBE,
    RawClient,
    emulated,
    rules,
)


def odd(**variants: bool) -> VurboSettings:
    return dataclasses.replace(SETTINGS, variants=dataclasses.replace(VurboVariants(), **variants))


def limited(**limits: float) -> VurboSettings:
    return dataclasses.replace(SETTINGS, limits=dataclasses.replace(VurboLimits(), **limits))


def faulty(*faults: Fault) -> VurboSettings:
    return dataclasses.replace(SETTINGS, faults=faults)


# --- a session ----------------------------------------------------------------------------------------------------


async def test_one_way_from_start_to_end() -> None:
    async with emulated() as (emulator, client):
        started = await client.start(**TRANSCRIBE, tts_enabled=True, tts_language="de-DE", realtime_translation=True)
        assert (started["action"], started["recording_type"]) == ("session_started", "transcribe")
        await client.speak()
        clip = await client.until("tts_ready")
        assert base64.b64decode(clip["audio"])[:4] == b"RIFF"
        await client.speak(SECOND)
        await client.finish()
    assert client.final_texts() == [TEXT, "Please close the window before it starts to rain."]
    finals = [each for each in client.of("result") if each.get("origin", {}).get("is_final")]
    assert [each["origin"]["sid"] for each in finals] == [1, 2]
    assert [each["origin"]["start_time"] for each in finals] == ["00:00", "00:03"]
    assert client.of("task_complete")[0]["task_id"] == started["task_id"]
    assert emulator.billed_ms == (len(FIRST) + len(SECOND)) // 32
    report = emulator.report()
    assert (report["billed_ms"], report["commands"]) == (emulator.billed_ms, {"stop": 1})
    assert len(emulator.spoken) == 2
    assert rules(emulator) == []


async def test_what_was_not_received_is_not_transcribed() -> None:
    async with emulated() as (_emulator, client):
        await client.start()
        await client.speak(demo_pcm(500, 1400))
        await client.finish()
    (text,) = client.final_texts()
    assert TEXT.startswith(text)
    assert len(text) < len(TEXT)
    assert client.received[-1]["data"]["action"] == "task_complete"


async def test_webm_is_decoded() -> None:
    encoder = WebmOpusEncoder()
    async with emulated() as (emulator, client):
        await client.start(**TRANSCRIBE, audio_format="webm")
        pieces = [encoder.encode(FIRST[at : at + 3200]) for at in range(0, len(FIRST), 3200)]
        for piece in [*pieces, encoder.finish()]:
            await client.send("audio", payload=base64.b64encode(piece).decode())
        await client.finish()
    assert client.final_texts() == [TEXT]
    assert rules(emulator) == []


async def test_what_is_no_webm_is_refused() -> None:
    async with emulated() as (emulator, client):
        await client.start(**TRANSCRIBE, audio_format="webm")
        await client.send("audio", payload=base64.b64encode(b"no webm at all").decode())
        assert (await client.until("error"))["error_code"] == "audio_decode_failed"
        await client.finish()
    assert rules(emulator) == ["undecodable_audio"]


def _payload(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


@pytest.mark.parametrize(
    ("payload", "code", "rule"),
    [
        ("AA=A", "audio_invalid_format", "bad_base64"),
        ("AA==\n", "audio_invalid_format", "bad_base64"),
        ("A-_A", "audio_invalid_format", "bad_base64"),
        (7, "audio_invalid_format", "bad_base64"),
        (_payload(b"\1\2\3"), "audio_decode_failed", "cut_sample"),
        ("", "audio_decode_failed", "empty_audio"),
        (_payload(b"RIFF" + bytes(40)), "audio_decode_failed", "wav_header"),
    ],
)
async def test_how_not_to_send_audio(payload: object, code: str, rule: str) -> None:
    async with emulated() as (emulator, client):
        await client.start()
        await client.send("audio", payload=payload)
        assert (await client.receive())["error_code"] == code
        await client.finish()
    assert rules(emulator) == [rule]


async def test_audio_has_its_place() -> None:
    async with emulated() as (emulator, client):
        await client.start(**CONVERSATION)
        await client.send("audio", payload=_payload(FIRST[:3200]))
        assert (await client.receive())["error_code"] == "conversation_not_speaking"
        await client.send("stop")
        await client.send("audio", payload=_payload(FIRST[:3200]))
        await client.send("pause")
        await client.until("task_complete")
        await client.close()
    assert rules(emulator) == ["audio_outside_speaking", "audio_after_stop", "command_after_stop"]


async def test_what_was_sent_before_is_noticed_and_so_is_endless_silence() -> None:
    async with emulated(limited(silence_s=1.0)) as (emulator, client):
        await client.start()
        await client.speak()
        await client.speak()
        await client.speak(bytes(32_000 * 2))
        await client.finish()
    assert set(rules(emulator)) == {"audio_resent", "streams_silence"}


async def test_a_second_start_and_an_unknown_action() -> None:
    async with emulated() as (emulator, client):
        await client.start()
        await client.send("start", **TRANSCRIBE)
        assert (await client.ask("dance"))["error_code"] == "invalid_action"
        await client.finish()
    assert rules(emulator) == ["second_start", "unknown_action"]


async def _stop_and_close(client: RawClient) -> None:
    await client.ask("stop")
    await client.close()


async def _end_oddly(client: RawClient) -> None:
    await client.send("stop")
    await client.until("task_complete")
    await client.close(4000)


@pytest.mark.parametrize(
    ("leave", "rule"),
    [
        (lambda client: client.close(), "closed_without_stop"),
        (_stop_and_close, "closed_before_task_complete"),
        (_end_oddly, "close_code"),
    ],
)
async def test_how_not_to_leave(leave: Callable[[RawClient], Any], rule: str) -> None:
    async with emulated(limited(upload_s=0.3)) as (emulator, client):
        await client.start()
        await leave(client)
        await asyncio.sleep(0.05)
    assert rules(emulator) == [rule]


async def test_a_session_for_each_utterance_is_noticed() -> None:
    async with emulated(limited(upload_s=0.0)) as (emulator, client):
        for _ in range(4):
            await client.start()
            await client.finish()
    assert rules(emulator) == ["session_per_utterance"]


async def test_a_budget_that_is_spent() -> None:
    async with emulated(limited(budget_s=0.0)) as (emulator, client):
        for _ in range(2):
            found = await client.start()
            assert (found["error_code"], found["severity"]) == ("auth_budget_exceeded", "fatal")
            await client.close()
    assert rules(emulator) == ["retry_after_budget"]


# --- odd but legal, and faults ------------------------------------------------------------------------------------


async def test_a_sentence_may_fail_in_a_switch() -> None:
    async with emulated(odd(failing_sentence=True, error_as_action=True)) as (_, client):
        await client.start()
        await client.speak()
        await client.speak(SECOND)
        while len(client.final_texts()) < 2:
            await client.receive()
        await client.send("switch_language", translation_languages=["fr-FR"])
        failed = await client.until("error")
        assert (failed["sid"], failed["severity"]) == (2, "fatal")
        await client.until("language_switch_done")
        await client.finish()


async def test_oddities() -> None:
    variants = odd(chinese_messages=True, extra_fields=True, unknown_messages=True, odd_tag_case=True, no_task_id=True)
    async with emulated(variants) as (emulator, client):
        started = await client.start()
        assert started["message"] == "語音辨識已開始"
        assert "task_id" not in started
        assert "x_trace" in started
        assert (await client.ask("pause"))["action"] in ("mood_changed", "weather")
        await client.send("resume")
        await client.speak()
        await client.finish()
    assert client.of("mood_changed")
    finals = [each for each in client.of("result") if each.get("origin", {}).get("is_final")]
    assert finals[0]["origin"]["language"] == "EN-gb"
    assert emulator.sessions[0].audio_ms > 0


@pytest.mark.parametrize(
    ("media", "magic"),
    [
        ("audio/mpeg", (b"ID3", b"\xff")),
        ("audio/ogg", (b"OggS",)),
        ("audio/webm", (b"\x1a\x45\xdf\xa3",)),
        ("audio/flac", (b"fLaC",)),
        ("audio/aac", (b"\xff\xf1", b"\xff\xf9")),
        ("audio/mp4", (b"\x00\x00\x00",)),
        ("audio/pcm", (b"",)),
    ],
)
async def test_speech_in_any_form(media: str, magic: tuple[bytes, ...]) -> None:
    settings = dataclasses.replace(odd(tts_nested=True, tts_data_url=True, tts_without_sid=True), target_media=media)
    async with emulated(settings) as (_, client):
        await client.start(**TRANSCRIBE, tts_enabled=True, tts_language="de-DE")
        await client.speak()
        clip = await client.until("tts_ready")
        text = clip["data"]["audio_base64"]
        assert text.startswith(f"data:{media};base64,")
        assert base64.b64decode(text.partition(",")[2]).startswith(magic)
        assert "sid" not in clip
        await client.finish()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("cut", after_chunks=3, how="close", code=1012), 1012),
        (Fault("cut", after_chunks=3), None),
        (Fault("error", after_chunks=3), 1011),
        (Fault("error", after_chunks=3, status=400), 1011),
        (Fault("duration_limit", at_s=0.1), 1000),
        (Fault("accept_close"), 1011),
    ],
)
async def test_faults_that_end_a_connection(fault: Fault, code: int | None) -> None:
    async with emulated(faulty(fault)) as (emulator, client):
        await client.dial()
        try:
            await client.send("start", **TRANSCRIBE)
            await client.speak()
        except ConnectionClosed:
            pass
        assert await client.is_closed() == code
    assert rules(emulator) == []


async def test_faults_that_do_not() -> None:
    faults = [Fault("garbage", what=what, skip=at) for at, what in enumerate(["array", "unknown", "huge"])]
    async with emulated(faulty(*faults, Fault("garbage", what="wrong_frame", skip=3))) as (_emulator, client):
        for _ in range(4):
            socket = await client.dial(max_size=2**24)
            await client.send("start", **TRANSCRIBE)
            frames = [await socket.recv() for _ in range(2)]
            assert any(isinstance(frame, bytes) or json.loads(frame) for frame in frames)
            await client.send("stop")
            while "task_complete" not in str(await socket.recv()):
                pass
            await client.close()


async def test_a_stall_and_a_missing_end() -> None:
    faults = (Fault("stall", for_s=0.5, after_chunks=1), Fault("no_end"), Fault("handshake", status=503))
    async with emulated(faulty(*faults, Fault("slow", on="ws", delay_s=0.05))) as (emulator, client):
        with pytest.raises(InvalidStatus, match="503"):
            await client.dial()
        await client.start()
        await client.speak()
        await client.send("stop")
        assert await client.is_closed() == 1000
        emulator.inject(Fault("reset", on="ws"))
        with pytest.raises((OSError, EOFError, ConnectionClosed, Exception)):
            await client.dial()
    assert client.final_texts() == [TEXT]
    assert rules(emulator) == []


async def test_going_away() -> None:
    async with emulated() as (emulator, client):
        await client.start()
        await emulator.disconnect()
        assert await client.is_closed() == 1001
    assert rules(emulator) == []
