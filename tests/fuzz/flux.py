"""Target: whatever Deepgram Flux may say to a session that streams, several messages one after the other.

An input is a JSON list of messages; what is no list is one message as it stands.
"""

from typing import Any

from satellite.backends.base import SessionState, SocketClosed
from satellite.backends.deepgram.actions import CONFIGURE, Configure
from satellite.backends.deepgram.messages import MAX_SECONDS, MAX_TEXT_CHARACTERS, Malformed, TurnInfo, decode
from satellite.core.events import ActionAnswered, TranscriptUpdated, UtteranceSettled
from tests.fuzz.mutation import json_bytes
from tests.fuzz.target import Outcome, Shape, Target, hold, loads
from tests.unit.backends.deepgram.stage import asks, streaming

NAMES = (
    *("TurnInfo", "StartOfTurn", "Update", "EagerEndOfTurn", "TurnResumed", "EndOfTurn", "Connected", "Error"),
    *("ConfigureSuccess", "ConfigureFailure", "Warning", "FORCE_END_TURN_NO_ACTIVE_TURN", "UNPARSABLE_CLIENT_MESSAGE"),
    *("turn_index", "transcript", "words", "start", "end", "audio_window_start", "audio_window_end", "languages"),
)
MESSAGES_MAX = 40


def _info(event: str, text: str, index: int = 0, **more: Any) -> dict[str, Any]:
    window = {"audio_window_start": 0.0, "audio_window_end": 0.72}
    words = [{"word": word, "confidence": 0.9, "start": 0.1, "end": 0.4} for word in text.split()]
    turn = {"event": event, "turn_index": index, "transcript": text, "words": words}
    return {"type": "TurnInfo", "sequence_id": 1, **window, **turn, **more}


def _seeds() -> list[bytes]:
    turn = [_info("StartOfTurn", "Turn"), _info("EagerEndOfTurn", "Turn off"), _info("TurnResumed", "Turn off")]
    end = [_info("EndOfTurn", "Turn off it.", languages=["de", "en"], trigger="model")]
    answers = [
        {"type": "ConfigureSuccess", "thresholds": {}, "keyterms": ["a"]},
        {"type": "ConfigureFailure", "code": "INVALID_THRESHOLD", "description": "no"},
        {"type": "Warning", "code": "FORCE_END_TURN_NO_ACTIVE_TURN"},
        {"type": "Error", "code": "UNPARSABLE_CLIENT_MESSAGE", "description": "no"},
    ]
    return [json_bytes(seed) for seed in ([*turn, *end], [*turn, _info("Update", "Yes", 1)], answers, [*end, *answers])]


def converse(data: bytes) -> Outcome:
    """Feed the messages to a session in speech, then lose the connection."""
    tree = loads(data)
    messages = tree[:MESSAGES_MAX] if isinstance(tree, list) else [data.decode("utf-8", "replace")]
    book = asks(streaming().speaks("u1", 0.4), CONFIGURE, Configure(numerals=True))
    for message in messages:
        text = message if isinstance(message, str) else json_bytes(message).decode("utf-8", "surrogatepass")
        _check(text)
        if book.session.state not in (SessionState.STREAMING, SessionState.ENDING):
            break
        book.says(text).after(0.1)
    state = book.session.state
    if not state.is_final:
        book.session.socket_closed(SocketClosed(was_open=True, code=1006), book.now)
        book._drain()
    hold(book.session.state.is_final, "a lost connection is the end")
    updates = book.all(TranscriptUpdated)
    hold(not any(update.tentative for update in updates[-1:]), "no text is left tentative")
    hold(len(book.all(UtteranceSettled)) <= 1 and len(book.all(ActionAnswered)) <= 1, "what ends, ends once")
    return Outcome(state.value, max(1, len(messages)))


def _check(text: str) -> None:
    message = decode(text)
    if isinstance(message, TurnInfo):
        hold(len(message.text or "") <= MAX_TEXT_CHARACTERS, "a text has an end")
        for span in (message.window_s, message.words_s):
            hold(span is None or 0 <= span[0] <= span[1] <= MAX_SECONDS, "times are in order")
    elif isinstance(message, Malformed):
        hold(message.detail.isprintable(), "a reason fits into a line of a log")


TARGETS = (Target("deepgram.session", Shape.JSON, converse, _seeds, 4, NAMES),)
