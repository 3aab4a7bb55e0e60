"""What becomes of audio on its way to the socket: encoding, counting, and what is lost with a connection."""

from itertools import pairwise

import pytest

from satellite.backends.deepl.outlet import LOSS_WINDOW_S
from satellite.core.audio import RATE_HZ
from satellite.core.events import AudioLost
from tests.unit.backends.deepl.stage import (
    END,
    HoldingEncoder,
    PcmEncoder,
    chunks,
    resumed,
    said_and_answered,
    segment,
    silences,
    source,
    spoken,
    streaming,
)


def test_an_encoder_that_keeps_audio_back_never_makes_an_empty_chunk() -> None:
    book = streaming(encoder=HoldingEncoder(page_samples=4000)).speaks("u1", 3.0)
    sent = chunks(book)
    assert all(chunk.audio for chunk in sent)
    assert all(after.at - before.at >= before.seconds / 2 for before, after in pairwise(sent))
    assert book.session.counters.sent_samples == pytest.approx(3 * RATE_HZ, abs=1600)


def test_what_was_sent_is_counted_silence_included() -> None:
    book = said_and_answered().at(25.0)
    assert len(silences(book)) == 2
    assert book.session.counters.sent_samples == RATE_HZ + 2 * 1600


@pytest.mark.parametrize("rest", [b"\1\2", b""])
def test_what_the_encoder_kept_back_goes_out_before_the_end(rest: bytes) -> None:
    encoder = PcmEncoder()
    encoder.rest = rest
    book = streaming(encoder=encoder, idle_close_s=1.0).at(2.0)
    assert [chunk.audio for chunk in chunks(book)] == [rest] * bool(rest)
    assert book.history[-1].what == END


def test_audio_of_the_last_second_that_nothing_was_heard_after_is_lost() -> None:
    book = streaming().speaks("u1", 3.0).closes()
    (lost,) = book.all(AudioLost)
    assert (lost.utterance_id, lost.samples) == ("u1", LOSS_WINDOW_S * RATE_HZ)


def test_caught_up_audio_is_bounded_to_a_second_too() -> None:
    book = streaming().waits("u1", 2000).hears("u2", 2000).at(2.0).closes()
    assert sum(lost.samples for lost in book.all(AudioLost)) <= RATE_HZ


def test_each_utterance_is_told_what_it_lost() -> None:
    book = streaming().speaks("u1", 0.3).falls_silent("u1").speaks("u2", 0.3).closes()
    assert book.all(AudioLost) == [AudioLost("u1", 4800), AudioLost("u2", 4800)]


def test_what_was_answered_or_is_long_gone_is_not_lost() -> None:
    assert streaming().speaks("u1", 1.0).says(source([segment("Hello.", 0, 900)], [])).closes().all(AudioLost) == []
    assert streaming().hears("u1", 100).at(1.5).closes().all(AudioLost) == []


def test_after_a_reconnect_sending_goes_on_behind_what_was_sent() -> None:
    encoder = PcmEncoder()
    book = streaming(encoder=encoder).speaks("u1", 1.0).waits("u1", 500)
    resumed(book).at(3.0)
    assert encoder.restarts == 1
    assert round(sum(chunk.seconds for chunk in spoken(book)), 3) == 1.5
