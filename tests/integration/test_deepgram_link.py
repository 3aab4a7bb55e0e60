"""Our Deepgram session through the real driver against the emulated service, over real sockets in real time."""

import pytest

from satellite.core.events import SessionFailed, SessionOpened, UtteranceSent, UtteranceSettled
from tests.fakes.flux import SENTENCES, flux_way, rules

pytestmark = pytest.mark.slow


async def test_the_recording_comes_out_whole() -> None:
    async with flux_way() as way:
        for number in range(len(SENTENCES)):
            await way.say(number)
        await way.finish()
        assert " ".join(way.text()).split() == " ".join(each["text"] for each in SENTENCES).split()
        assert rules(way.emulator) == []
        utterances = [f"u{number}" for number in range(len(SENTENCES))]
        assert [event.utterance_id for event in way.heard.all(UtteranceSent)] == utterances
        assert [event.utterance_id for event in way.heard.all(UtteranceSettled)] == utterances
        assert [segment.utterance_id for segment in way.heard.text()] == utterances
        assert len(way.heard.all(SessionOpened)) == 1
        assert way.heard.all(SessionFailed) == []
