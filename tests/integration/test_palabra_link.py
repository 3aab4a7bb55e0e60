"""Palabra through the real driver against the emulator, in real time: what arrives, faults, and the end.

Plays in real time wait most of the time, so they run side by side.
"""

import asyncio
from dataclasses import replace

import pytest

from satellite.core.events import (
    SessionEnded,
    SessionFailed,
    SessionOpened,
    SpeechChunk,
    Stream,
    TranscriptUpdated,
    UtteranceSettled,
)
from satellite.emulator.faults import Fault
from satellite.emulator.palabra.settings import PalabraLimits, PalabraVariants
from satellite.errors import ErrorCategory
from tests.fakes.palabra_link import SETTINGS, PalabraWay, palabra_way
from tests.fakes.rawpalabra import rules
from tests.fakes.voice_link import UNIT_MS
from tests.integration.test_voice_link import until

pytestmark = pytest.mark.slow

FIRST_TWO_S = 7.6
"""The first two sentences of the recording, and the silence behind them."""
APPLICATION = replace(SETTINGS, variants=PalabraVariants(application=True))


async def spoken_out(run: PalabraWay, seconds: float) -> None:
    """Say the rest, and wait until all of it went out and was answered."""
    await run.speak(seconds)
    await run.end()
    await until("the end", lambda: run.backlog.is_empty and run.uplink._present is None, 40.0)


def texts(run: PalabraWay, stream: Stream) -> list[str]:
    updates = [update for update in run.heard.all(TranscriptUpdated) if update.stream is stream]
    return [segment.text.strip() for update in updates for segment in update.concluded]


async def what_is_said_arrives_whole_and_is_answered() -> None:
    async with palabra_way(APPLICATION) as run:
        await spoken_out(run, FIRST_TWO_S)
        assert run.missing_ms() == 0
        assert texts(run, Stream.SOURCE) == [
            "Good morning, the kitchen light is on.",
            "Please close the window before it starts to rain.",
        ]
        assert [text[:4] for text in texts(run, Stream.TARGET)] == ["[de]", "[de]"]
        speech = b"".join(unit for chunk in run.heard.all(SpeechChunk) for unit in chunk.data)
        assert speech == b"".join(item.pcm_24k for item in run.emulator.spoken)
        assert run.worst_time_off_ms(0.0) <= 100
        assert run.heard.all(UtteranceSettled) == [UtteranceSettled("u1")]
        assert run.heard.lost_ms == 0
        (session,) = run.emulator.sessions
        assert session.is_deleted
    assert rules(run.emulator) == []


async def a_short_stall_costs_nothing_and_makes_no_burst() -> None:
    async with palabra_way() as run:
        await run.speak(3.0)
        run.relay.blackhole()
        await run.speak(2.0)
        assert run.backlog.seconds >= 1.3, "what is not taken up stays with us"
        await run.relay.up()
        await spoken_out(run, 1.0)
        assert run.missing_ms() == 0
        assert len(run.emulator.sessions) == 1
    assert rules(run.emulator) == []


async def a_link_that_is_cut_costs_what_was_under_way() -> None:
    async with palabra_way() as run:
        await run.speak(3.0)
        await run.relay.interrupt()
        await spoken_out(run, 1.0)
        assert len(run.heard.all(SessionOpened)) == 2
        assert run.missing_ms() <= run.heard.lost_ms + UNIT_MS
    assert rules(run.emulator) == []


async def test_a_key_that_is_not_known_parks() -> None:
    async with palabra_way(api_key="plbr_wrong") as run:
        await run.speak(0.5)
        await until("a park", lambda: run.heard.parks)
        assert run.heard.parks[0].category is ErrorCategory.AUTHENTICATION
        run.uplink.finish()


async def test_a_task_that_is_refused_parks_and_leaves_no_session() -> None:
    async with palabra_way(APPLICATION, transcription={"denoise": "x"}, preprocessing={"record_tracks": ["a"]}) as run:
        run.emulator.inject(Fault("error", status=422))
        await run.speak(0.5)
        await until("a park", lambda: run.heard.parks)
        assert run.heard.parks[0].category is ErrorCategory.INVALID_REQUEST
        assert run.emulator.sessions[0].is_deleted
        run.uplink.finish()


async def trouble_passes_and_every_word_that_was_not_under_way_arrives(fault: Fault) -> None:
    async with palabra_way(APPLICATION) as run:
        run.emulator.inject(fault)
        await spoken_out(run, 3.6)
        assert run.missing_ms() <= run.heard.lost_ms + UNIT_MS
        assert all(session.is_deleted for session in run.emulator.sessions)
    assert rules(run.emulator) == []


async def silence_is_paused_and_speech_after_it_is_whole() -> None:
    limits = PalabraLimits(inactivity_s=3.0)
    async with palabra_way(replace(SETTINGS, limits=limits), pause_after_s=0.5) as run:
        await run.speak(3.6)
        run.uplink.utterance_ended("u1")
        await until("the pause", lambda: run.emulator.report()["violations"] or _paused(run))
        billed = run.emulator.billed_ms
        await asyncio.sleep(3.5)
        assert run.emulator.billed_ms == billed
        run.utterance_id = "u2"
        await spoken_out(run, 4.0)
        assert run.missing_ms() == 0
        assert len(texts(run, Stream.SOURCE)) == 2
        assert len(run.emulator.sessions) == 1
        assert run.emulator.billed_ms <= 16_000
    assert rules(run.emulator) == []


def _paused(run: PalabraWay) -> bool:
    (session,) = run.emulator.sessions
    return session.running_s > 0


async def test_a_session_that_is_granted_too_late_is_given_back() -> None:
    async with palabra_way(APPLICATION) as run:
        run.emulator.inject(Fault("slow", on="POST", delay_s=1.0))
        await run.speak(0.3)
        assert run.uplink._present is not None
        run.uplink._present.session.close(0.0)
        run.uplink._present.link.wake()
        await until("its deletion", lambda: run.emulator.sessions and run.emulator.sessions[0].is_deleted)
        run.uplink.finish()
        await until("the end", lambda: run.uplink._present is None)
    assert rules(run.emulator) == []


async def an_end_that_is_never_said_comes_all_the_same() -> None:
    async with palabra_way() as run:
        run.emulator.inject(Fault("no_end", code=1000))
        await spoken_out(run, 3.6)
        assert run.heard.all(SessionEnded)
        assert run.heard.all(SessionFailed) == []


TROUBLES = (
    Fault("reset", on="POST"),
    Fault("handshake", status=503),
    Fault("error", status=408, after_chunks=3),
    Fault("cut", how="close", code=1011, after_chunks=3),
)


async def test_plays() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(what_is_said_arrives_whole_and_is_answered())
        group.create_task(a_short_stall_costs_nothing_and_makes_no_burst())
        group.create_task(a_link_that_is_cut_costs_what_was_under_way())
        group.create_task(silence_is_paused_and_speech_after_it_is_whole())
        group.create_task(an_end_that_is_never_said_comes_all_the_same())
        for fault in TROUBLES:
            group.create_task(trouble_passes_and_every_word_that_was_not_under_way_arrives(fault))
