from satellite.backends.base import CloseSocket
from satellite.core.events import SessionEnded, TranscriptUpdated, UtteranceSettled
from tests.fakes.playbook import Like
from tests.unit.backends.deepgram.stage import said, streaming


def test_the_end_leaves_no_text_untold() -> None:
    book = said(streaming(), "Turn off").falls_silent("u1").skip().close()
    book.expect(
        CloseSocket(),
        Like(TranscriptUpdated, tentative=()),
        UtteranceSettled("u1"),
        SessionEnded("closed", expected=True),
    )
