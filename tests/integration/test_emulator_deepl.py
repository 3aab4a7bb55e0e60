"""The DeepL emulator by a raw client: what it gives to a correct one, and that it catches every broken rule."""

import asyncio
import audioop
import io
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import av
import msgpack
import pytest
from websockets.exceptions import ConnectionClosed

from satellite.emulator.deepl import stream
from satellite.emulator.deepl.settings import DeepLLimits, DeepLVariants
from satellite.emulator.faults import Fault
from satellite.emulator.pcm import resample
from tests.fakes.emulated import CHUNK, FIRST_SENTENCE, FIRST_TEXT, SETTINGS, emulated, rules, say
from tests.fakes.rawdeepl import RawClient, demo_pcm, request

# ---- what a correct client gets


@pytest.mark.parametrize("message_format", ["json", "msgpack"])
async def test_a_session_from_post_to_end_of_stream(message_format: str) -> None:
    async with emulated() as (emulator, client):
        await client.open(
            target_languages=["fr"],
            target_media_languages=["de"],
            target_media_content_type="audio/pcm;encoding=s16le;rate=24000",
            message_format=message_format,
            source_language="en",
            source_language_mode="fixed",
        )
        await say(client, FIRST_SENTENCE)
    assert client.source_text() == FIRST_TEXT
    assert client.target_text("fr").startswith("[fr] dooG gninrom")
    assert "".join(part.get("text") or "" for part in client.of("target_media_chunk")) == client.target_text("de")
    assert b"".join(client.speech_elements()) == b"".join(item.pcm_24k for item in emulator.spoken)
    assert [name for message in client.received[-5:] for name in message] == [
        "end_of_source_transcript",
        "end_of_target_transcript",
        "end_of_target_transcript",
        "end_of_target_media",
        "end_of_stream",
    ]
    assert emulator.violations == []
    assert emulator.billed_ms == len(FIRST_SENTENCE) // 32
    assert bytes(emulator.sessions[0].connections[0].audio) == FIRST_SENTENCE


async def test_tentative_text_comes_while_words_come_in() -> None:
    async with emulated() as (_, client):
        await client.open(target_languages=["de"])
        await say(client, FIRST_SENTENCE)
    tentative = ["".join(s["text"] for s in update["tentative"]) for update in client.of("source_transcript_update")]
    assert tentative[:3] == ["Good", "Good morning,", " the"]
    assert tentative[-1] == ""
    times = [s for update in client.of("source_transcript_update") for s in update["concluded"]]
    assert abs(times[0]["start_time"] - 300) <= 1
    assert times[0]["language"] == "en"


async def test_what_was_not_received_is_not_transcribed() -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await say(client, demo_pcm(500, 1900))
    assert client.source_text() == "Good morning, the"
    assert emulator.violations == []


@pytest.mark.slow
async def test_a_reconnect_keeps_the_session() -> None:
    async with emulated() as (emulator, client):
        socket = await client.open()
        await client.stream(FIRST_SENTENCE)
        socket.transport.abort()
        old = client.token
        assert (await client.get()).status == 200
        assert client.token != old
        await client.dial()
        await say(client, demo_pcm(3600, 7300))
    text = client.source_text()
    assert text.endswith("Please close the window before it starts to rain.")
    assert emulator.violations == []
    assert len(emulator.sessions[0].connections) == 2
    assert len(emulator.sessions) == 1


async def test_what_could_not_be_sent_comes_with_the_next_connection() -> None:
    async with emulated(replace(SETTINGS, faults=(Fault("stall", after_chunks=25),))) as (emulator, client):
        socket = await client.open()
        async with asyncio.TaskGroup() as group:
            group.create_task(client.read_until())
            await client.stream(FIRST_SENTENCE)
            assert client.source_text() != FIRST_TEXT
            socket.transport.abort()
        await client.get()
        await client.dial()
        await client.finish()
    assert client.source_text() == FIRST_TEXT
    assert emulator.violations == []


async def test_only_the_end_concludes_in_the_variant() -> None:
    settings = replace(SETTINGS, variants=DeepLVariants(conclude_on_silence=False))
    async with emulated(settings) as (_, client):
        await client.open()
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(client.read_until())
            await client.stream(FIRST_SENTENCE)
            assert client.source_text() == ""
            await client.end()
            await reading
        await client.close()
    assert client.source_text() == FIRST_TEXT


async def test_usage_counts_streamed_minutes() -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await say(client, FIRST_SENTENCE)
        usage = await request(emulator.base_url, "GET", "/v2/usage", client.auth)
    assert usage.json["speech_to_text_minutes_count"] == 1
    assert "x-trace-id" in usage.headers


@pytest.mark.parametrize(
    ("media", "rate_hz", "width"),
    [
        ("audio/pcm;encoding=s16le;rate=8000", 8_000, 2),
        ("audio/pcm;encoding=s16le;rate=44100", 44_100, 2),
        ("audio/pcm;encoding=s16le;rate=48000", 48_000, 2),
        ("audio/pcm;encoding=alaw;rate=8000", 8_000, 1),
        ("audio/pcm;encoding=ulaw;rate=8000", 8_000, 1),
    ],
)
async def test_every_pcm_source_is_recognised(media: str, rate_hz: int, width: int) -> None:
    pcm = _converted(FIRST_SENTENCE, media, rate_hz)
    async with emulated() as (emulator, client):
        await client.open(source_media_content_type=media)
        await say(client, pcm, rate_hz=rate_hz, width=width)
    assert client.source_text() == FIRST_TEXT
    assert emulator.violations == []
    assert abs(emulator.billed_ms - len(FIRST_SENTENCE) // 32) <= 1


def _converted(pcm: bytes, media: str, rate_hz: int) -> bytes:

    pcm = resample(pcm, 16_000, rate_hz)
    laws: dict[str, Callable[[bytes, int], bytes]] = {"alaw": audioop.lin2alaw, "ulaw": audioop.lin2ulaw}
    law = laws.get(media.split("encoding=")[1].split(";", maxsplit=1)[0])
    return law(pcm, 2) if law else pcm


@pytest.mark.parametrize("media", ["audio/ogg;codecs=opus", "audio/ogg", "audio/auto"])
async def test_opus_in_ogg_is_recognised(media: str) -> None:
    data, pages = _ogg_opus(FIRST_SENTENCE)
    async with emulated() as (emulator, client):
        await client.open(source_media_content_type=media, message_format="msgpack")
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(client.read_until())
            for at in range(len(pages)):
                await client.send(pages[at])
                await asyncio.sleep(0.06)
            await client.end()
            await reading
        await client.close()
    assert len(data) < len(FIRST_SENTENCE) // 5
    assert client.source_text() == FIRST_TEXT
    assert emulator.violations == []


def _ogg_opus(pcm: bytes) -> tuple[bytes, list[bytes]]:
    """FFmpeg's own muxer, so that nothing of the emulator's is used to check it; pieces of about 100 ms."""

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg", options={"page_duration": "100000"}) as container:
        stream = container.add_stream("libopus", rate=48_000)
        stream.layout = "mono"
        stream.bit_rate = 24_000
        resampler = av.AudioResampler("s16", "mono", 48_000, frame_size=960)
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.planes[0].update(pcm)
        frame.sample_rate = 16_000
        frames: list[Any] = [*resampler.resample(frame), *resampler.resample(None)]
        for piece in [*frames, None]:
            container.mux(stream.encode(piece))
    data = buffer.getvalue()
    starts = [at for at in range(len(data)) if data.startswith(b"OggS", at)]
    # the two header pages go with the first audio
    edges = [0, *starts[3:], len(data)]
    return data, [data[start:end] for start, end in itertools.pairwise(edges)]


# ---- the socket


async def test_the_key_and_sub_protocols_do_not_belong_on_the_socket() -> None:
    async with emulated() as (emulator, client):
        await client.post()
        try:
            await client.dial(additional_headers=client.auth, subprotocols=["voice"])
        finally:
            assert rules(emulator) == ["key_on_socket", "subprotocol"]


async def test_offering_compression_is_fine() -> None:
    async with emulated() as (emulator, client):
        await client.post()
        await client.dial(compression="deflate")
        await client.finish()
    assert rules(emulator) == []


Act = Callable[[RawClient], Awaitable[None]]


async def _send_raw(client: RawClient, *frames: str | bytes) -> None:
    assert client.socket is not None
    for frame in frames:
        await client.socket.send(frame)


async def _burst(client: RawClient) -> None:
    for _ in range(3):
        await client.send(CHUNK)


async def _too_fast_within_jitter(client: RawClient) -> None:
    for _ in range(250):
        await client.send(CHUNK)
        await asyncio.sleep(0.042)


async def _audio_after_end(client: RawClient) -> None:
    await client.end()
    await client.send(CHUNK)


async def _end_twice(client: RawClient) -> None:
    await client.end()
    await client.end()


def _raw(frame: str | bytes) -> Act:
    return lambda client: _send_raw(client, frame)


@pytest.mark.parametrize(
    ("message_format", "act", "rule", "code"),
    [
        ("json", lambda c: c.send(b""), "empty_chunk", 400),
        ("json", lambda c: c.send(CHUNK[:-1]), "cut_sample", 400),
        ("json", lambda c: c.send(bytes(32_002)), "chunk_too_long", 400),
        ("json", lambda c: c.send(bytes(75_002)), "chunk_too_large", 400),
        ("msgpack", lambda c: c.send(bytes(100_002)), "chunk_too_large", 400),
        ("json", _burst, "gap_too_short", 429),
        ("json", _too_fast_within_jitter, "too_fast", 429),
        ("json", _audio_after_end, "audio_after_end", 400),
        ("json", _end_twice, "end_repeated", 400),
        ("json", _raw('{"source_media_chunk":{"data":"A-_A"}}'), "bad_base64", 400),
        ("json", _raw('{"keep_alive":{}}'), "unknown_message", 400),
        ("json", _raw('{"end_of_source_media":null}'), "payload_not_an_object", 400),
        ("json", _raw('{"source_media_chunk":{"data":"AAA=","n":1}}'), "unknown_field", 400),
        ("msgpack", _raw(msgpack.packb({"source_media_chunk": {"data": "ab"}})), "audio_not_binary", 400),
        ("json", _raw(b"\x81"), "wrong_frame_type", None),
        ("msgpack", _raw('{"end_of_source_media":{}}'), "wrong_frame_type", None),
        ("json", _raw("nonsense"), "undecodable", None),
        ("msgpack", _raw(msgpack.packb([b"ab"])), "not_an_object", None),
        ("msgpack", _raw(msgpack.packb({0: {1: b"ab"}})), "non_string_key", None),
    ],
)
async def test_stream_rules(message_format: str, act: Act, rule: str, code: int | None) -> None:
    """Code None: a connection error, which is a close; else the fatal error message."""
    async with emulated() as (emulator, client):
        await client.open(message_format=message_format)
        try:
            await act(client)
        except ConnectionClosed:
            assert rule == "too_fast"
        await client.read_until("never")
        assert rules(emulator) == [rule]
        assert [error["error_code"] for error in client.of("error")] == ([] if code is None else [code])
        for error in client.of("error"):
            assert set(error) == {"request_type", "error_code", "reason_code", "error_message"}
        assert (await client.get()).status == 400
        assert rules(emulator) == ([rule] if code is None else [rule, "reconnect_after_error"])


async def test_thirty_seconds_without_audio_end_the_session() -> None:
    for variants, errors in ((DeepLVariants(), [408]), (DeepLVariants(timeout_without_error=True), [])):
        async with emulated(replace(SETTINGS, limits=DeepLLimits(inactivity_s=0.3), variants=variants)) as (
            emulator,
            client,
        ):
            await client.open()
            await client.send(CHUNK)
            await client.read_until("never")
            assert rules(emulator) == ["inactivity"]
            assert [error["error_code"] for error in client.of("error")] == errors
            assert (await client.get()).status == 400


async def test_no_timer_after_the_end_of_the_input() -> None:
    async with emulated(replace(SETTINGS, limits=DeepLLimits(inactivity_s=0.2))) as (emulator, client):
        await client.open(target_languages=["de"])
        await say(client, demo_pcm(500, 2000))
    assert rules(emulator) == []


async def test_closing_before_the_end_of_the_stream() -> None:
    async with emulated() as (emulator, client):
        await client.open(target_languages=["de"])
        await client.stream(demo_pcm(500, 2000))
        await client.end()
        await client.close()
        await asyncio.sleep(0.05)
        assert rules(emulator) == ["closed_before_end_of_stream"]


async def test_leaving_without_an_end_is_noticed_at_the_end() -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await client.send(CHUNK)
        await client.close()
    assert rules(emulator) == ["closed_before_end_of_stream"]


async def test_losing_the_connection_is_nobodys_fault() -> None:
    async with emulated() as (emulator, client):
        socket = await client.open()
        await client.send(CHUNK)
        socket.transport.abort()
        await asyncio.sleep(0.05)
    assert rules(emulator) == []


async def test_the_normal_close_is_1000() -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await client.end()
        await client.read_until()
        await client.close(4000)
        await asyncio.sleep(0.05)
    assert rules(emulator) == ["close_code"]


async def test_sending_audio_again_after_a_reconnect() -> None:
    async with emulated() as (emulator, client):
        socket = await client.open()
        await client.stream(demo_pcm(500, 2500))
        socket.transport.abort()
        await client.get()
        await client.dial()
        await say(client, demo_pcm(1900, 3500))
    assert rules(emulator) == ["audio_resent"]


@pytest.mark.slow
async def test_a_recording_played_again_is_not_sent_again() -> None:
    async with emulated(replace(SETTINGS, resend_window_s=1.0)) as (emulator, client):
        await client.open()
        await say(client, FIRST_SENTENCE * 2)
    assert rules(emulator) == []
    assert client.source_text() == f"{FIRST_TEXT} {FIRST_TEXT}"


# ---- odd but legal


async def test_odd_but_legal_behaviour() -> None:
    variants = DeepLVariants(
        odd_tag_case=True,
        extra_fields=True,
        unknown_messages=True,
        null_text=True,
        trailing_semicolon=True,
        odd_elements=True,
        shuffled_end=True,
        no_session_id=True,
    )
    async with emulated(replace(SETTINGS, variants=variants)) as (emulator, client):
        answer = await client.post(
            target_languages=["fr", "en-GB"],
            target_media_languages=["de"],
            target_media_content_type="audio/pcm;encoding=s16le;rate=24000",
        )
        assert "session_id" not in answer.json
        await client.dial()
        await say(client, FIRST_SENTENCE)
    chunks = client.of("target_media_chunk")
    assert chunks[0]["content_type"] == "audio/pcm;encoding=s16le;rate=24000;"
    assert all("content_type" not in chunk for chunk in chunks[1:])
    assert any(chunk["text"] is None for chunk in chunks)
    assert {chunk["language"] for chunk in chunks} == {"DE"}
    assert any(len(element) % 2 for element in client.speech_elements())
    assert b"".join(client.speech_elements()) == b"".join(item.pcm_24k for item in emulator.spoken)
    assert client.of("session_statistics")
    assert client.target_text("EN-gb").startswith("[en-GB]")
    assert "end_of_stream" in client.received[-1]
    assert emulator.violations == []


@pytest.mark.slow
async def test_times_may_restart_with_a_connection() -> None:
    async with emulated(replace(SETTINGS, variants=DeepLVariants(times_restart=True))) as (_, client):
        socket = await client.open()
        await client.stream(FIRST_SENTENCE)
        socket.transport.abort()
        await client.get()
        await client.dial()
        await say(client, demo_pcm(3600, 7300))
    last = client.of("source_transcript_update")[-1]["concluded"][-1]
    assert last["end_time"] < 3700


async def test_a_client_that_never_closes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CLIENT_CLOSE_S", 0.1)
    async with emulated() as (emulator, client):
        socket = await client.open()
        await client.end()
        await client.read_until()
        await asyncio.wait_for(socket.wait_closed(), 5)
        assert socket.close_code == 1000
    assert rules(emulator) == []
