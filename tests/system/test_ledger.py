"""The ledger of the fault suite itself: it must see what is lost, doubled, changed, out of order, or silent."""

import json
import os
import struct
from pathlib import Path

import msgpack
import pytest

from tests.fakes.faults.campaign import plan
from tests.fakes.faults.injectors import KINDS, possible
from tests.fakes.faults.ledger import Verdict, judge
from tests.fakes.faults.losses import Cause, Sorter
from tests.fakes.faults.readings import READINGS
from tests.fakes.faults.samples import Sample, look, slope_per_hour
from tests.fakes.faults.speech import RATE_HZ, Playing, Reached, Script
from tests.fakes.faults.tap import Sent, Tap
from tests.fakes.faults.watcher import Got
from tests.fakes.faults.wire import FrameReader

HEAD = b"GET /?token=x HTTP/1.1\r\nHost: localhost\r\n\r\n"
ONE_TWO = [Sent("transcript", "one1.", 1.0, 1), Sent("transcript", "two2.", 2.0, 1)]


def told(text: str, number: int, at_s: float = 5.0) -> Got:
    return Got("transcript", json.dumps({"id": f"u-{number}", "text": text}).encode(), at_s)


def frame(payload: bytes, first: int = 0x82, key: bytes = b"") -> bytes:
    size = len(payload)
    mask = 0x80 if key else 0
    length = bytes([mask | size]) if size < 126 else bytes([mask | 126]) + struct.pack(">H", size)
    masked = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload)) if key else payload
    return bytes([first]) + length + key + masked


# --- text -------------------------------------------------------------------------------------------------------


def test_what_arrived_as_it_was_said_is_no_complaint() -> None:
    verdict = judge(ONE_TWO, [told("one1.", 1), told("two2.", 2)], [])
    assert (verdict.is_kept, verdict.sent, verdict.published) == (True, 2, 2)


def test_the_same_message_again_is_counted_and_allowed() -> None:
    verdict = judge(ONE_TWO, [told("one1.", 1), told("one1.", 1), told("two2.", 2)], [])
    assert (verdict.is_kept, verdict.repeated) == (True, 1)


@pytest.mark.parametrize(
    ("got", "field"),
    [
        ([told("one1.", 1)], "lost"),
        ([told("one1.", 1), told("two2.", 1)], "two_texts"),
        ([told("two2.", 2), told("one1.", 1)], "reordered"),
        ([told("one1.", 1), told("two2.", 2), told("two2.", 3)], "invented"),
        ([told("one1.", 1), told("two2.", 2), told("three3.", 3)], "invented"),
    ],
)
def test_what_breaks_a_promise_is_seen(got: list[Got], field: str) -> None:
    verdict = judge(ONE_TWO, got, [])
    assert not verdict.is_kept
    assert len(getattr(verdict, field)) == 1


def test_what_a_killed_process_had_no_time_to_read_is_counted_apart() -> None:
    verdict = judge(ONE_TWO, [told("one1.", 1)], [2.3])
    assert (verdict.is_kept, len(verdict.lost_with_process)) == (True, 1)
    assert judge(ONE_TWO, [told("one1.", 1)], [1.8]).is_kept, "nobody was there any more"
    assert len(judge(ONE_TWO, [told("one1.", 1)], [2.8]).lost) == 1
    assert len(judge(ONE_TWO, [told("one1.", 1)], [0.8]).lost) == 1


def test_what_the_service_says_twice_needs_telling_once() -> None:
    verdict = judge([*ONE_TWO, Sent("transcript", "two2.", 3.0, 2)], [told("one1.", 1), told("two2.", 2)], [])
    assert (verdict.is_kept, verdict.said_again) == (True, 1)


def test_words_of_another_round_of_the_loop_are_other_words() -> None:
    sent = [*ONE_TWO, Sent("transcript", "one1.", 601.0, 2)]
    assert judge(sent, [told("one1.", 1), told("two2.", 2), told("one1.", 3, 605.0)], []).is_kept
    lost = judge(sent, [told("two2.", 2), told("one1.", 3, 605.0)], []).lost
    assert [segment.at_s for segment in lost] == [1.0]


def test_what_satellites_tell_of_losses_is_added_up() -> None:
    bodies = [{"id": str(number), "lost_ms": 100} for number in range(3)]
    assert judge([], [Got("utterance", json.dumps(body).encode(), 1.0) for body in bodies], []).lost_ms == 300
    assert Verdict().is_kept


# --- bytes ------------------------------------------------------------------------------------------------------


def test_messages_are_read_off_the_bytes_however_they_are_cut() -> None:
    payload = b"x" * 300
    data = HEAD + frame(b"ping", 0x89) + frame(payload[:100], 0x02, b"abcd") + frame(payload[100:], 0x80, b"efgh")
    reader = FrameReader()
    messages = [message for at in range(0, len(data), 7) for message in reader.feed(data[at : at + 7])]
    assert messages == [payload]


def test_the_tap_sees_text_errors_and_sound(script: Script) -> None:
    playing = Playing(script)
    reached = Reached(script, playing)
    tap = Tap(READINGS["deepl"], reached, lambda: 1.0)
    playing.told(0.0, 0)
    playing.told(10.0, 10 * RATE_HZ)
    sound = msgpack.packb({"source_media_chunk": {"data": script.pcm[: 2 * RATE_HZ * 2]}})
    update = {"language": "de", "concluded": [{"text": " zwei2."}]}
    tap(1, True, HEAD + frame(sound, key=b"abcd"))
    tap(1, False, HEAD + frame(msgpack.packb({"target_transcript_update": update})) + frame(b"\xc1"))
    tap(1, False, frame(json.dumps({"error": {}}).encode(), 0x81))
    assert [(sent.topic, sent.text) for sent in tap.sent] == [("translation/de", "zwei2.")]
    assert (tap.errors_s, tap.audio_bytes) == ([1.0], 2 * RATE_HZ * 2)
    early = [word for word in script.words if word[1] < 2 * RATE_HZ]
    assert early
    assert reached.missing(0, early[-1][1]) == []
    assert reached.missing(0, 10 * RATE_HZ) != []


# --- speech -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Script:
    return Script(tmp_path_factory.mktemp("speech"), 1.5, 1)


def test_every_sentence_of_the_loop_can_be_told_by_its_words(script: Script) -> None:
    labels = json.loads(script.recording.labels.read_text())["sentences"]
    for sentence in labels:
        assert script.start_of(sentence["text"]) == round(sentence["words"][0]["start_ms"] * 16)
    assert script.start_of("never said.") is None


def test_the_loop_is_dated_over_stalls_and_rounds(script: Script) -> None:
    playing = Playing(script)
    for at_s, sample in ((100.0, 0), (110.0, 10 * RATE_HZ), (115.0, 10 * RATE_HZ), (120.0, 15 * RATE_HZ)):
        playing.told(at_s, sample)
    assert playing.heard_at(5 * RATE_HZ) == pytest.approx(105.0)
    assert playing.heard_at(12 * RATE_HZ) == pytest.approx(117.0)
    assert playing.heard_at(16 * RATE_HZ) == pytest.approx(121.0)
    assert playing.sample_at(117.0) == 12 * RATE_HZ
    assert playing.sample_at(112.0) == 10 * RATE_HZ
    playing.told(300.0, script.samples + RATE_HZ)
    assert playing.absolute(500, 300.0) == script.samples + 500
    assert playing.absolute(30 * RATE_HZ, 300.0) == 30 * RATE_HZ


@pytest.mark.parametrize(
    ("passed_after_s", "ends_s", "cause"),
    [(0.2, [], Cause.IN_FLIGHT), (80.0, [], Cause.RING), (80.0, [40.0], Cause.DEAF), (0.2, [40.0], Cause.IN_FLIGHT)],
)
def test_a_loss_has_a_cause(script: Script, passed_after_s: float, ends_s: list[float], cause: Cause) -> None:
    playing = Playing(script)
    playing.told(0.0, 0)
    playing.told(90.0, 90 * RATE_HZ)
    reached = Reached(script, playing)
    first, later = script.words[0], script.words[-1]
    spoken_s = first[0] / RATE_HZ
    reached.audio(1, script.pcm[later[0] * 2 : later[1] * 2], spoken_s + passed_after_s)
    loss = Sorter(script, playing, reached, ends_s).loss(first[0])
    assert loss.cause is cause
    assert loss.at_s == (40.0 if cause is Cause.DEAF else pytest.approx(spoken_s))


# --- the rest ---------------------------------------------------------------------------------------------------


def test_a_plan_is_the_same_for_the_same_seed_and_has_every_kind() -> None:
    kinds = possible(has_mounts=False, has_clock=False)
    assert plan(1, kinds, (0, 3)) == plan(1, kinds, (0, 3)) != plan(2, kinds, (0, 3))
    assert {planned.kind for planned in plan(1, kinds, (0, 3))[:100]} == set(kinds)
    assert set(possible(has_mounts=True, has_clock=True)) == set(KINDS)


def test_the_trend_is_per_hour(tmp_path: Path) -> None:
    samples = [Sample(at_s, 40 + at_s / 1800, 0, 10, 3, 0) for at_s in range(0, 3600, 10)]
    assert slope_per_hour(samples) == pytest.approx(2.0)
    assert slope_per_hour(samples[:1]) == 0
    mine = look(os.getpid(), 1.0)
    assert mine is not None
    assert mine.rss_mb > 1
    assert mine.fds > 2
    assert look(2**22 + 1, 1.0) is None
