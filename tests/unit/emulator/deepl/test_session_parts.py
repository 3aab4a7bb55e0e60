"""The parts of a session one by one: tokens, intake, conversation, what is said and how it is written."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from satellite.emulator.conversation import Conversation, Truth
from satellite.emulator.deepl.desk import SessionDesk, refusal
from satellite.emulator.deepl.dress import dress
from satellite.emulator.deepl.framing import encode
from satellite.emulator.deepl.intake import Intake, Verdict
from satellite.emulator.deepl.rest import RetryWatch
from satellite.emulator.deepl.schema import SessionConfig, check_request
from satellite.emulator.deepl.script import Script
from satellite.emulator.deepl.service import Service
from satellite.emulator.deepl.settings import DeepLSettings, DeepLVariants
from satellite.emulator.deepl.tokens import SessionBook, SessionState
from satellite.emulator.deepl.voice import Voice
from satellite.emulator.faults import Fault
from satellite.emulator.http import HttpAnswer, HttpRequest
from satellite.emulator.recogniser import SilentRecogniser
from satellite.emulator.report import ConnectionLog, Ledger, Pacing
from satellite.emulator.speech import Synthesiser, tones
from satellite.emulator.trouble import usual_code

SETTINGS = DeepLSettings(speech="tones", speech_speed=1e6)
MEDIA = "audio/pcm;encoding=s16le;rate=16000"


def config(**extra: object) -> SessionConfig:
    checked = check_request({"source_media_content_type": MEDIA, **extra})
    assert isinstance(checked, SessionConfig)
    return checked


def service(settings: DeepLSettings = SETTINGS, clock: Callable[[], float] = lambda: 5.0) -> Service:
    return Service(settings, clock, Truth(), Synthesiser(settings.speech, None), Ledger(clock))


def conversation() -> Conversation:
    return Conversation(SilentRecogniser(), Script("en", config(), on_silence=True, seed=1))


# ---- tokens


def test_tokens_rotate_need_percent_encoding_and_are_found_for_ever() -> None:
    book = SessionBook()
    session = book.open(config(), 1.0)
    first = session.newest
    second = session.rotate(2.0)
    assert {"+", "/", "="} <= set(first.value)
    assert session.newest is second
    assert book.find(first.value) == (session, first)
    assert book.find("other") is None
    assert book.live() == []


def test_the_first_cause_of_death_is_kept() -> None:
    session = SessionBook().open(config(), 1.0)
    session.kill("error")
    session.kill("later")
    assert (session.state, session.death) == (SessionState.DEAD, "error")


def test_pacing_of_several_connections_keeps_the_worst() -> None:
    total = Pacing()
    for part in (Pacing(), Pacing(1.5, 3.0, 1.2, 4.0), Pacing(1.1, 2.0, 1.9, 0.0)):
        total.merge(part)
    assert total == Pacing(1.1, 3.0, 1.9, 4.0)


# ---- REST


def watch(*answers: tuple[float, int, dict[str, str]]) -> list[str | None]:
    """Feed answers to one request at given times; what each coming and going breaks."""
    retry = RetryWatch(no_retry_s=10.0)
    found = []
    for at, status, headers in answers:
        found.append(retry.arriving(b"k", at))
        found.append(retry.answered(b"k", HttpAnswer(status, headers=headers), at))
    return [rule for rule in found if rule]


def test_refusals_are_not_to_be_repeated_soon() -> None:
    for status in (400, 401, 403, 456):
        assert watch((0, status, {}), (9, 200, {})) == [f"retry_after_{status}"]
        assert watch((0, status, {}), (11, 200, {})) == []


def test_retry_after_is_to_be_waited_for() -> None:
    assert watch((0, 429, {"Retry-After": "3"}), (2, 200, {})) == ["retry_after_ignored"]
    assert watch((0, 429, {"Retry-After": "3"}), (3, 200, {})) == []


def test_failures_in_quick_succession_are_a_storm_and_growing_delays_are_not() -> None:
    assert watch(*((at * 0.3, 503, {}) for at in range(6))) == ["retry_storm"]
    assert watch(*((float(2**at), 503, {}) for at in range(12))) == []


async def test_the_desk_grants_and_refuses() -> None:
    desk = SessionDesk(shared := service(replace(SETTINGS, variants=DeepLVariants(no_session_id=True))))
    assert b"session_id" not in desk.open(config()).body
    assert desk.open(config(source_media_content_type="audio/flac")).status == 400
    get = HttpRequest("GET", "/", (("token", shared.book.sessions[0].newest.value),), {}, b"body")
    assert (await desk.join(get)).status == 200
    assert (await desk.join(HttpRequest("GET", "/", (), {}, b""))).status == 400
    assert [violation.rule for violation in shared.ledger.violations] == ["unexpected_body", "bad_query"]
    assert refusal(403, "no") == HttpAnswer.json(403, {"message": "no"})


def test_a_session_left_early_is_judged_once() -> None:
    shared = service()
    session = shared.book.open(config(), 0.0)
    shared.settle(session)
    session.left_early_at_s = 3.0
    shared.settle(session)
    shared.settle(session)
    assert [violation.rule for violation in shared.ledger.violations] == ["closed_before_end_of_stream"]


# ---- upstream


def intake(settings: DeepLSettings = SETTINGS, media: str = MEDIA) -> tuple[Intake, ConnectionLog, Service]:
    shared = service(settings)
    session = shared.book.open(config(source_media_content_type=media), 0.0)
    shared.conversations[1] = conversation()
    log = ConnectionLog(1, 0.0)
    return Intake(shared, session, log), log, shared


def chunk(data: bytes) -> str | bytes:
    return encode({"source_media_chunk": {"data": data}}, "json")


def test_good_audio_is_kept_and_counted() -> None:
    taking, log, shared = intake()
    assert taking.take(chunk(bytes(3_200)), 1.0) is None
    assert taking.take(chunk(bytes(1_600)), 1.1) is None
    assert (len(log.audio), log.audio_ms, shared.book.sessions[0].last_data_s) == (4_800, 150.0, 1.1)


def test_audio_can_be_forgotten() -> None:
    taking, log, _ = intake(replace(SETTINGS, keep_audio=False))
    taking.take(chunk(bytes(3_200)), 1.0)
    assert (len(log.audio), log.audio_ms) == (0, 100.0)


def test_undecodable_containers_are_an_error_400() -> None:
    taking, _, _ = intake(media="audio/ogg")
    verdict = taking.take(chunk(b"nonsense" * 10), 1.0)
    assert verdict == Verdict("undecodable_audio", "Audio format not supported", "source_media_chunk")


# ---- what a session has to say


async def test_a_message_that_was_given_back_comes_first() -> None:
    talk = conversation()
    talk.listen(None, 0.0)
    await talk.understand()
    assert await talk.next_message() is None
    talk.give_back({"second": {}})
    talk.give_back({"first": {}})
    assert [await talk.next_message(), await talk.next_message()] == [{"first": {}}, {"second": {}}]


async def test_speech_that_nobody_heard_is_spoken_on_the_next_connection() -> None:
    talk = conversation()
    talk.speeches.append("text")
    assert await talk.next_speech() == "text"
    assert talk.is_speaking
    talk.speech_over("text")
    assert await talk.next_speech() == "text"
    talk.speech_over(None)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(talk.next_speech(), 0.01)


@pytest.mark.parametrize(
    ("variants", "sizes"),
    [(DeepLVariants(), {1}), (DeepLVariants(many_elements=True), {3, 6}), (DeepLVariants(odd_elements=True), {2})],
)
async def test_pcm_goes_out_in_one_element_or_several(variants: DeepLVariants, sizes: set[int]) -> None:
    shared = service(replace(SETTINGS, variants=variants))
    voice = Voice(shared, "de", "audio/pcm;encoding=s16le;rate=24000")
    chunks: list[Any] = [message["target_media_chunk"] async for message in voice.speak("two words")]
    assert {len(item["data"]) for item in chunks} == sizes
    assert b"".join(part for item in chunks for part in item["data"]) == tones("two words")
    assert sum(item["duration"] for item in chunks) == 360
    assert [item.get("text") for item in chunks] == ["two words", None]
    assert [name for item in chunks[1:] for name in item] == ["language", "data", "duration"]


def test_without_variants_a_message_stays_as_it_is() -> None:
    message = {"source_transcript_update": {"concluded": [{"language": "en", "text": "a", "start_time": 900}]}}
    assert dress(message, DeepLVariants(), 500) == message


def test_variants_dress_messages_and_segments() -> None:
    segment = {"language": "en-GB", "text": "a", "start_time": 900, "end_time": 400}
    variants = DeepLVariants(odd_tag_case=True, extra_fields=True, times_restart=True)
    dressed = dress({"target_transcript_update": {"language": "zh-HANS", "concluded": [segment]}}, variants, 500)
    update = dressed["target_transcript_update"]
    assert update["language"] == "ZH-hans"
    assert update["x_trace"]
    assert {"language": "EN-gb", "text": "a", "start_time": 400, "end_time": 0}.items() <= update["concluded"][
        0
    ].items()
    assert dress({"end_of_stream": {}}, variants, 0) == {"end_of_stream": {}}


def test_close_codes_of_faults() -> None:
    kinds = ("cut", "duration_limit", "accept_close", "no_end")
    assert [usual_code(Fault(kind)) for kind in kinds] == [1011, 1000, 1011, 1000]
    assert usual_code(Fault("cut", code=1012)) == 1012
