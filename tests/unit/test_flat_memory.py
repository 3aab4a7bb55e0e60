"""Ten hours of speech and of peers that never stop weigh as much as one: what is kept is measured, not believed."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from satellite.adapters.outbox import Bounds, Outbox
from satellite.backends.base import SessionState
from satellite.core import utterance
from satellite.core.audio import SAMPLE_BYTES, AudioChunk, samples_of_ms
from satellite.core.backlog import Backlog, Dropped
from satellite.core.events import (
    ConnectionLost,
    Segment,
    SessionFailed,
    SessionOpened,
    SpeechChunk,
    Stream,
    TranscriptUpdated,
)
from satellite.core.gate import EndReason
from satellite.core.timeline import Timeline
from satellite.core.transcript import BookSettings, TranscriptBook
from satellite.core.turn import TurnPolicy, TurnSettings
from satellite.errors import ErrorCategory
from satellite.homeassistant.commands import CommandRefused, Play, SetVolume
from satellite.homeassistant.messages import Message
from satellite.runtime.command_queue import CommandQueue
from satellite.runtime.floor import Floor
from satellite.runtime.intake import SpeechIntake
from satellite.runtime.reporter import Reporter, ReporterOptions
from satellite.runtime.router import Router
from tests.fakes.decoders import Decoders
from tests.fakes.publisher import TOPICS
from tests.fakes.stage import spoken
from tests.fakes.virtual_time import VirtualClock, pass_time, virtual
from tests.fakes.weight import weight_bytes
from tests.unit.backends.deepl.stage import error, media, source, streaming, target

HOUR_S = 3600.0
SEED = 7
MAY_GROW = 1.1
MAY_GROW_BYTES = 32 * 1024


def assert_flat(thing: object, hour: Callable[[int], None]) -> None:
    """As heavy after ten hours as after one."""
    hour(0)
    first = weight_bytes(thing)
    for number in range(1, 10):
        hour(number)
    last = weight_bytes(thing)
    assert last <= first * MAY_GROW + MAY_GROW_BYTES, f"{first} bytes after an hour, {last} after ten"


def text(rng: random.Random) -> str:
    return " ".join(rng.choices(("good", "morning", "the", "kitchen", "light", "is", "on"), k=rng.randint(1, 12)))


@dataclass
class Peer:
    """What a service without manners reports, at random."""

    rng: random.Random
    now_s: float = 0.0

    def segment(self, utterance_id: str | None) -> Segment:
        start_s = self.now_s + self.rng.uniform(-100, 1)
        language = self.rng.choice(("en", f"x{self.rng.randrange(10**6)}"))
        return Segment(text(self.rng), language, start_s, start_s + self.rng.random(), utterance_id)

    def update(self, utterance_id: str) -> TranscriptUpdated:
        language = self.rng.choice((None, "de", f"x{self.rng.randrange(10**6)}"))
        owners = (utterance_id, None, f"u{self.rng.randrange(10**6)}")
        concluded = tuple(self.segment(self.rng.choice(owners)) for _ in range(self.rng.randint(0, 4)))
        tentative = tuple(self.segment(self.rng.choice(owners)) for _ in range(self.rng.randint(0, 4)))
        return TranscriptUpdated(Stream.TARGET if language else Stream.SOURCE, language, concluded, tentative)

    def speech(self) -> SpeechChunk:
        language = self.rng.choice(("de", f"x{self.rng.randrange(10**6)}"))
        return spoken(0.0, self.rng.choice((None, text(self.rng))), language=language, data=())


def test_a_weight_counts_everything_once() -> None:
    """The scale itself."""
    heavy = ["x" * 10_000] * 100
    assert 10_000 < weight_bytes(heavy) < 12_000
    assert weight_bytes(Backlog(10)) < 2_000
    full = Backlog(10**6)
    full.append(AudioChunk(bytes(100_000), 0.0, "u1"))
    assert weight_bytes(full) > 100_000


@pytest.mark.parametrize("is_settled", [True, False], ids=["settled", "never settled"])
def test_the_transcript(is_settled: bool) -> None:
    book = TranscriptBook(BookSettings(("de",), "de"))
    peer = Peer(random.Random(SEED))

    def hour(number: int) -> None:
        for second in range(0, 3600, 30):
            now = peer.now_s = number * HOUR_S + second
            name = f"u{number}-{second}"
            book.utterance_started(name, now, now)
            for _ in range(4):
                book.updated(peer.update(name), now)
                book.spoke(peer.speech(), now)
            book.utterance_ended(name, now + 2, "silence", now)
            if is_settled:
                book.utterance_sent(name, now)
            book.deadline_reached(now)
            book.outputs()
        book.session_over(peer.now_s)
        book.outputs()

    assert_flat(book, hour)


def test_the_transcript_of_one_utterance_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of what may be remembered is reached in an hour here."""
    monkeypatch.setattr(utterance, "MAX_SEGMENTS", utterance.MAX_SEGMENTS // 10)
    book = TranscriptBook(BookSettings(("de",), None))
    peer = Peer(random.Random(SEED))
    book.utterance_started("u1", 0.0, 0.0)

    def hour(number: int) -> None:
        for second in range(1000):
            peer.now_s = number * HOUR_S + second
            book.updated(peer.update("u1"), peer.now_s)
            book.outputs()

    assert_flat(book, hour)


def test_the_timeline() -> None:
    timeline = Timeline()
    rng = random.Random(SEED)

    def hour(number: int) -> None:
        for second in range(900):
            timeline.sent(8_000, number * HOUR_S + second, f"u{number}-{second}")
            timeline.silence(100)
            timeline.observe("source", rng.uniform(0, timeline.sent_ms), rng.uniform(0, timeline.sent_ms))
            at_ms = rng.uniform(0, timeline.sent_ms)
            timeline.span(at_ms, at_ms + 1_000)
            if second % 100 == 0:
                timeline.reconnected()

    for number in range(-5, 0):  # to where it is full
        hour(number)
    assert_flat(timeline, hour)


@pytest.mark.parametrize("answers", [True, False], ids=["broker up and down", "broker away"])
def test_the_outbox(answers: bool) -> None:
    outbox = Outbox(Bounds(concluded=500))
    rng = random.Random(SEED)

    def hour(_: int) -> None:
        for _ in range(3600):
            for kind in rng.choices(range(3), k=3):
                outbox.put(published(rng, kind))
            if answers and rng.random() < 0.01:
                outbox.connected()
            if rng.random() < 0.01:
                outbox.lost()
            while answers and rng.random() < 0.8 and (entry := outbox.head()) is not None:
                outbox.remove(entry)

    assert_flat(outbox, hour)


def published(rng: random.Random, kind: int) -> Message:
    """One message of each delivery."""
    messages = (
        lambda: Message(f"{TOPICS.root}/transcript", text(rng).encode()),
        lambda: message_of("state", text(rng)),
        lambda: message_of("tentative", text(rng)),
    )
    return messages[kind]()


def message_of(name: str, words: str) -> Message:
    from satellite.homeassistant.messages import Delivery  # noqa: PLC0415 - kept out of the way of Message

    return Message(name, words.encode(), delivery=Delivery.LATEST if name == "state" else Delivery.TRANSIENT)


def test_the_backlog_while_nobody_takes_anything() -> None:
    backlog = Backlog(30 * 16_000)
    block = bytes(samples_of_ms(100) * SAMPLE_BYTES)

    def hour(number: int) -> None:
        for at in range(3600):
            name = f"u{number}-{at // 3}"
            backlog.append(AudioChunk(block, number * HOUR_S + at, name))
            if at % 3 == 2:
                backlog.end_utterance(name)

    assert_flat(backlog, hour)


def test_a_session_with_a_service_that_never_stops_talking() -> None:
    """Sessions follow each other as the uplink would have them; ever new languages, times and things unheard of."""
    rng = random.Random(SEED)
    plays = [streaming(speech_language="de")]

    def say() -> None:
        at_ms = rng.randrange(10**6)
        piece = {"text": text(rng), "start_time": at_ms, "end_time": at_ms + 500, "language": f"x{rng.randrange(999)}"}
        language = rng.choice(("de", f"x{rng.randrange(10**6)}"))
        said = (
            source([piece], [piece]),
            target(language, [piece], [piece] * rng.randint(0, 3)),
            media([b"ab"], language=language, text=text(rng), content_type=f"audio/{rng.randrange(999)}"),
            f'{{"news_{rng.randrange(10**6)}": {{}}}}',
        )
        plays[0].says(rng.choice(said))

    def hour(number: int) -> None:
        for turn in range(120):
            play = plays[0]
            if play.session.state is not SessionState.STREAMING:
                play = plays[0] = streaming(speech_language="de")
            play.after(25.0)
            if play.session.state is SessionState.STREAMING:
                play.speaks(f"u{number}-{turn}", 1.0).falls_silent(f"u{number}-{turn}")
            for _ in range(5):
                if play.session.state is SessionState.STREAMING:
                    say()
            play.history.clear()
            play.pings.clear()
            play.skip()

    hour(-1)
    assert_flat(plays, hour)
    plays[0].says(error(500))


@virtual
async def test_the_runtime_between_a_service_and_a_broker_that_come_and_go() -> None:
    clock = VirtualClock()
    peer = Peer(random.Random(SEED))
    publisher = OutboxPublisher(Outbox(Bounds(concluded=500)))
    reporter = Reporter(TOPICS, publisher, clock, ReporterOptions("deepl", True, False, False))
    floor = Floor(TurnPolicy(TurnSettings()), clock)
    router = Router(TranscriptBook(BookSettings(("de",), None)), floor, reporter, clock)
    kept = (reporter, router, publisher)

    async def ten_minutes() -> None:
        for turn in range(300):
            name = f"u{peer.rng.randrange(10**9)}"
            router.utterance_started(name, clock.wall(), clock.wall())
            router.utterance_ended(name, clock.wall() + 1, EndReason.SILENCE)
            router.session_event(name, SessionOpened(resumed=False, trace_id=name))
            router.session_event(name, peer.update(name))
            router.audio_dropped(Dropped(name, 100, is_whole=turn % 2 == 0))
            router.session_event(name, ConnectionLost(name))
            router.session_event(name, SessionFailed(peer.rng.choice(list(ErrorCategory)), name, name))
            router.session_over(name)
            reporter.microphone_failed(name)
            reporter.command_refused(CommandRefused(name, name, name))
            reporter.standing.republish()
            await pass_time(2)

    await ten_minutes()
    first = weight_bytes(kept)
    for _ in range(4):
        await ten_minutes()
    last = weight_bytes(kept)
    assert last <= first * MAY_GROW + MAY_GROW_BYTES, f"{first} bytes after ten minutes, {last} after fifty"


class OutboxPublisher:
    """ports.Publisher into an outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox

    def publish(self, message: Message) -> None:
        self.outbox.put(message)

    async def flush(self, timeout_s: float) -> bool:
        return timeout_s > 0


@virtual
async def test_commands_and_speech_that_nobody_gets_to() -> None:
    obeyed: list[object] = []
    queue = CommandQueue(obeyed.append, VirtualClock())
    intake = SpeechIntake(Decoders(), lambda: None, lambda _: None, 60.0)
    rng = random.Random(SEED)

    async def ten_minutes() -> None:
        for number in range(600):
            for _ in range(3):
                queue.put(SetVolume(number % 101))
                queue.put(Play(f"/usr/share/{number}"))
                queue.put(CommandRefused(f"x{number}", "", ""))
                intake.speech(spoken(0.1, text(rng), language=f"x{rng.randrange(9)}"), f"u{number}")
                if rng.random() < 0.01:
                    intake.stream_ended()
            await asyncio.sleep(1)
        obeyed.clear()

    await ten_minutes()
    first = weight_bytes((queue, intake))
    for _ in range(4):
        await ten_minutes()
    assert weight_bytes((queue, intake)) <= first * MAY_GROW + MAY_GROW_BYTES
