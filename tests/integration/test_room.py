"""Rooms on a real LiveKit server: who is heard, what is sent, how it ends, and Palabra in one.

Without a server these tests are skipped, and say what they need.
"""

import array
import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from satellite.adapters.room import RoomHooks, RoomLife
from satellite.backends.base import CloseSocket, OpenRoom, SocketClosed
from satellite.core.events import AudioLost, SessionEnded, SpeechChunk, Stream, TranscriptUpdated
from satellite.core.level import tone
from satellite.emulator.palabra.book import SessionBook
from satellite.emulator.palabra.room import Rooms
from satellite.emulator.palabra.settings import PalabraSettings, PalabraVariants
from satellite.emulator.pcm import likeness
from tests.fakes.daemon import words
from tests.fakes.livekit import LiveKit, livekit
from tests.fakes.palabra_link import SETTINGS, palabra_way
from tests.fakes.rawdeepl import demo_pcm
from tests.fakes.rawpalabra import rules
from tests.integration.test_palabra_link import spoken_out, texts
from tests.integration.test_voice_link import until

pytestmark = pytest.mark.slow

TRIES = 3
"""A machine that is busy with other things stretches sound in real time: what counts is that it can come whole."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKit]:
    with livekit(tmp_path_factory.mktemp("livekit")) as running:
        yield running


def token(identity: str) -> str:
    rooms = Rooms(_Service(PalabraSettings()))  # type: ignore[arg-type]  # a token needs the settings only
    return rooms.token(identity, "room-1")


@dataclass
class _Service:
    settings: PalabraSettings
    book: SessionBook = field(default_factory=SessionBook)


@dataclass
class Guest:
    """A room of ours, and what it told."""

    life: RoomLife
    opened: asyncio.Event
    messages: list[bytes]
    sounds: list[tuple[str, bytes]]
    closed: list[SocketClosed]


def guest() -> Guest:
    opened = asyncio.Event()
    messages: list[bytes] = []
    sounds: list[tuple[str, bytes]] = []
    hooks = RoomHooks(opened.set, messages.append, lambda track, pcm: sounds.append((track, pcm)))
    return Guest(RoomLife(hooks), opened, messages, sounds, [])


@asynccontextmanager
async def in_room(server: LiveKit, **changes: Any) -> AsyncIterator[Guest]:
    """Our side of the room, joining or in it; left at the end."""
    ours = guest()
    action = OpenRoom(server.url.replace("http", "ws"), token("client"), "Palabra_Translator_")

    async def live() -> None:
        ours.closed.append(await ours.life.live(replace(action, **changes)))

    async with asyncio.TaskGroup() as group:
        group.create_task(live())
        yield ours
        ours.life.close(CloseSocket())


@asynccontextmanager
async def somebody(server: LiveKit, identity: str = "palabra_translator_7") -> AsyncIterator[Any]:
    """Somebody else in the room, by the SDK itself."""
    from livekit import rtc  # noqa: PLC0415 - only where there is a server

    room = rtc.Room()
    await room.connect(server.url.replace("http", "ws"), token(identity))
    try:
        yield room
    finally:
        await room.disconnect()


async def test_messages_go_both_ways_and_only_those_of_the_translator_count(server: LiveKit) -> None:
    got: list[tuple[str, str]] = []
    async with somebody(server) as translator, somebody(server, "stranger") as stranger, in_room(server) as ours:
        translator.on("data_received", lambda packet: got.append((packet.data.decode(), packet.topic or "")))
        await asyncio.wait_for(ours.opened.wait(), 20)
        ours.life.send("hello")
        ours.life.send(b"bytes")
        await until("our messages", lambda: len(got) == 2)
        assert got == [("hello", ""), ("bytes", "")]
        await stranger.local_participant.publish_data(b"noise", reliable=True, topic="")
        await translator.local_participant.publish_data(b"other", reliable=True, topic="chat")
        await translator.local_participant.publish_data(b"answer", reliable=True, topic="")
        await until("their answer", lambda: ours.messages)
    assert ours.messages == [b"answer"]
    assert ours.closed == [SocketClosed(was_open=True, code=1000)]


@pytest.mark.alone
async def test_our_track_is_a_microphones_and_arrives_intact(server: LiveKit) -> None:
    from livekit import rtc  # noqa: PLC0415 - only where there is a server

    said = demo_pcm(800, 2800)
    got = bytearray()
    published: list[Any] = []
    found: list[float] = []

    async def listen(track: Any) -> None:
        async for event in rtc.AudioStream(track, sample_rate=16_000, num_channels=1):
            got.extend(bytes(event.frame.data.cast("B")))

    async with asyncio.TaskGroup() as group:
        readers: list[asyncio.Task[None]] = []

        def subscribed(track: Any, publication: Any, _who: Any) -> None:
            published.append(publication)
            readers.append(group.create_task(listen(track)))

        async with somebody(server) as translator:
            translator.on("track_subscribed", subscribed)
            async with in_room(server) as ours:
                await asyncio.wait_for(ours.opened.wait(), 20)
                await until("our track", lambda: readers)
                await asyncio.sleep(0.5)
                for _ in range(TRIES):
                    got.clear()
                    await play(ours, said)
                    found.append(best_likeness(bytes(got), said))
                    if found[-1] >= 0.9:
                        break
            for reader in readers:
                reader.cancel()
    (publication,) = published
    assert (publication.name, publication.source) == ("microphone", rtc.TrackSource.SOURCE_MICROPHONE)
    assert max(found) >= 0.9, found


async def play(ours: Guest, said: bytes) -> None:
    """On our track, as a microphone would, and until it came through."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for at in range(0, len(said), 3200):
        ours.life.audio(said[at : at + 3200])
        due += 0.1
        await asyncio.sleep(due - loop.time())
    await asyncio.sleep(1.0)


def best_likeness(got: bytes, said: bytes, piece_ms: int = 500, rate_hz: int = 16_000) -> float:
    """How alike they are on average, piece by piece, each where it is most alike.

    A machine that is busy with other things may let a track run dry for a moment, which shifts what follows.
    """
    numpy = pytest.importorskip("numpy")
    left = numpy.frombuffer(got, dtype="<i2").astype(float)
    found = []
    step = min(piece_ms * rate_hz // 1000 * 2, len(said))
    for begin in range(0, len(said) - step + 1, step):
        piece = said[begin : begin + step]
        right = numpy.frombuffer(piece, dtype="<i2").astype(float)
        size = len(left) + len(right)
        spectrum = numpy.fft.rfft(left, size) * numpy.conj(numpy.fft.rfft(right, size))
        at = int(numpy.fft.irfft(spectrum, size)[: len(left)].argmax())
        part = got[at * 2 : at * 2 + len(piece)]
        found.append(likeness(part, piece[: len(part)]))
    return sum(found) / len(found)


@pytest.mark.alone
async def test_a_track_of_the_translator_is_handed_on(server: LiveKit) -> None:
    from livekit import rtc  # noqa: PLC0415 - only where there is a server

    async with somebody(server) as translator, in_room(server) as ours:
        await asyncio.wait_for(ours.opened.wait(), 20)
        source = rtc.AudioSource(24_000, 1)
        track = rtc.LocalAudioTrack.create_audio_track("translation_de", source)
        publication = await translator.local_participant.publish_track(track)
        await asyncio.sleep(0.5)
        sound = tone(440, 1.0, -10, 24_000)
        for at in range(0, len(sound), 4800):
            await source.capture_frame(rtc.AudioFrame(sound[at : at + 4800], 24_000, 1, 2400))
        await source.wait_for_playout()
        await until("the sound", lambda: sum(map(is_loud, ours.sounds)) >= 9)
        await translator.local_participant.unpublish_track(publication.sid)
        await asyncio.sleep(0.3)
    assert {name for name, _ in ours.sounds} == {"translation_de"}
    assert {len(pcm) for _, pcm in ours.sounds} == {4800}


def is_loud(sound: tuple[str, bytes]) -> bool:
    return max(array.array("h", sound[1])) > 2000


async def test_when_the_translator_leaves_the_room_is_over(server: LiveKit) -> None:
    async with in_room(server) as ours:
        async with somebody(server):
            await asyncio.wait_for(ours.opened.wait(), 20)
        await until("the end", lambda: ours.closed)
        ours.life.send("too late")
    assert ours.closed == [SocketClosed(was_open=True, code=1000, reason="the other side has left")]


async def test_a_room_whose_server_goes_away_is_lost(tmp_path: Path) -> None:
    with livekit(tmp_path) as short_lived:
        async with in_room(short_lived) as ours, somebody(short_lived) as translator:
            await asyncio.wait_for(ours.opened.wait(), 20)
            short_lived.kill()
            await until("the end", lambda: ours.closed, 40.0)
            del translator
    assert (ours.closed[0].was_open, ours.closed[0].code) == (True, 1006)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"join_timeout_s": 1.5}, "the room could not be opened: nobody came to translate"),
        ({"token": "nonsense"}, "the room could not be joined: the server refused, or could not be reached"),
    ],
)
async def test_a_room_that_cannot_be_used(server: LiveKit, changes: dict[str, Any], reason: str) -> None:
    async with in_room(server, **changes) as ours:
        await until("the end", lambda: ours.closed)
    assert (ours.closed[0].was_open, ours.closed[0].reason) == (False, reason)
    if "token" in changes:
        assert ours.closed[0].http_status == 401


@pytest.mark.parametrize("wait_s", [0.0, 0.3])
async def test_joining_can_be_given_up(server: LiveKit, wait_s: float) -> None:
    async with in_room(server) as ours:
        await asyncio.sleep(wait_s)
    assert ours.closed == [SocketClosed(was_open=False, reason="given up while joining")]


async def test_one_that_is_closed_before_it_is_joined_never_is(server: LiveKit) -> None:
    ours = guest()
    ours.life.close(CloseSocket())
    assert not (await ours.life.live(OpenRoom(server.url, token("client")))).was_open


async def test_what_the_sdk_does_not_take_ends_the_room(server: LiveKit) -> None:
    async with somebody(server), in_room(server) as ours:
        await asyncio.wait_for(ours.opened.wait(), 20)
        for _ in range(100):
            ours.life.audio(bytes(3200))
        await until("the end", lambda: ours.closed)
    assert ours.closed == [SocketClosed(was_open=True, code=1006, reason="the room takes nothing any more")]


# --- Palabra in a room ---------------------------------------------------------------------------------------------


@pytest.mark.alone
async def test_palabra_in_a_room(server: LiveKit) -> None:
    settings = replace(SETTINGS, livekit_url=server.url, variants=PalabraVariants(application=True, webrtc=True))
    async with palabra_way(settings) as run:
        await spoken_out(run, 7.6)
        said = words(" ".join(texts(run, Stream.SOURCE)))
        assert len({"good", "morning", "kitchen", "light", "window", "starts", "rain"} & set(said)) >= 5, said
        sentences = [best_likeness(run.received(), demo_pcm(*span)) for span in ((800, 2800), (4400, 7000))]
        assert max(sentences) >= 0.9, sentences
        assert min(sentences) >= 0.7, sentences
        assert run.heard.all(AudioLost) == []
        assert [update.language for update in run.heard.all(TranscriptUpdated) if update.concluded][1] == "de"
        spoken = b"".join(unit for chunk in run.heard.all(SpeechChunk) for unit in chunk.data)
        for item in run.emulator.spoken:
            assert best_likeness(spoken, item.pcm_24k[:48_000], rate_hz=24_000) >= 0.8
        first = run.heard.all(SpeechChunk)[0]
        assert first.text.startswith("[de] dooG")
        assert run.heard.all(SessionEnded)[-1].expected
        (session,) = run.emulator.sessions
        assert session.is_deleted
    assert rules(run.emulator) == []
    assert json.dumps(run.emulator.report())
