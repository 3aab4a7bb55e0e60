"""What plays with a Palabra session share: options, set-up, the service's lines, and what went over the wire."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from satellite.backends.base import HttpRequest, OpenSocket, SendAudio, SendText, SessionCounters, SessionSetup
from satellite.backends.ending import Ending
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.palabra import messages
from satellite.backends.palabra.commands import Commands
from satellite.backends.palabra.conversation import Conversation
from satellite.backends.palabra.options import PalabraOptions, wanted_targets
from satellite.backends.palabra.session import PalabraSession
from satellite.backends.progress import Progress
from satellite.core.backlog import Backlog
from satellite.core.timeline import Timeline
from tests.fakes.playbook import Playbook, backlog_of, play
from tests.fakes.sections import made
from tests.unit.backends.deepl.stage import PcmEncoder

KEY = "plbr_0123456789"
PAIR = {"client_id": "the-client", "client_secret": "the-secret"}
SESSION_ID = "sess/81+x"
TOKEN = "eyJh.PUB+s/g="
WS_URL = "wss://streaming.palabra.ai/streaming-api/0badcafe/v1/speech-to-speech/stream"
ROOM_URL = "https://media.palabra.ai/livekit/"
UNIQUE_ID = "0123456789abcdef0123456789abcdef"
DIRECT_URL = f"wss://streaming.palabra.ai/streaming-api/{UNIQUE_ID}/v1/speech-to-speech/stream"
BEAT = 10_240
"""Bytes of 320 ms."""


def options(**changes: Any) -> PalabraOptions:
    """A key, unless the changes say otherwise."""
    credentials = {} if "client_id" in changes else {"api_key": KEY}
    return made(PalabraOptions, {**credentials, **changes})


def setup(backlog: Backlog | None = None, **changes: Any) -> SessionSetup:
    """English to German, spoken."""
    values: dict[str, Any] = {
        "encoder": PcmEncoder(),
        "source_language": "en",
        "target_languages": ("de",),
        "speech_language": "de",
        "speech_voice": None,
        "idle_close_s": 60.0,
        "unique_id": UNIQUE_ID,
        **changes,
    }
    return SessionSetup(backlog=backlog or backlog_of(), **values)


def conversation(session_options: PalabraOptions | None = None, **changes: Any) -> Conversation:
    """What the parts of a session share, for a part on its own."""
    given = setup(**changes)
    life = Lifecycle()
    wanted = wanted_targets(given)
    ending = Ending(12.0, 0.0)
    return Conversation(
        given,
        life,
        SessionCounters(),
        Timeline(),
        Progress(2.0),
        messages.audio,
        session_options or options(),
        wanted,
        ending,
        Commands(),
    )


def new_play(session_options: PalabraOptions | None = None, **changes: Any) -> Playbook:
    """A session that nothing was said to yet."""
    backlog = backlog_of()
    return play(PalabraSession(session_options or options(), setup(backlog, **changes)), backlog)


def connected(session_options: PalabraOptions | None = None, **changes: Any) -> Playbook:
    """A session whose stream opened at 0.0 s; the task is asked for."""
    return new_play(session_options, **changes).start().opens().skip()


def running(session_options: PalabraOptions | None = None, **changes: Any) -> Playbook:
    """A session whose task runs, since 2.1 s; nothing was said yet."""
    return connected(session_options, **changes).at(2.1).says(task_is("running")).skip()


def in_room(session_options: PalabraOptions | None = None, **changes: Any) -> Playbook:
    """The same in a room, made by client id and secret."""
    given = session_options or options(**PAIR, transport="webrtc")
    book = new_play(given, **changes).start().answers(201, created()).opens()
    return book.at(2.1).says(task_is("running")).skip()


def created(**changes: Any) -> bytes:
    """The answer to the request for a session."""
    data = {"publisher": TOKEN, "webrtc_url": ROOM_URL, "ws_url": WS_URL, "id": SESSION_ID, **changes}
    return json.dumps({"ok": True, "data": {name: value for name, value in data.items() if value is not None}}).encode()


def message(kind: str, **data: Any) -> str:
    return json.dumps({"message_type": kind, "data": data})


def task_is(status: str) -> str:
    return message("current_task", task_status=status, pipeline={})


def error(code: str, text: str = "") -> str:
    return message("error", code=code, desc=text, param=None)


def heard(sentence_id: str, text: str, times: tuple[float, float] | None = None, **more: Any) -> str:
    """A provisional sentence of the source."""
    return _transcription("partial_transcription", sentence_id, text, times, language="en", **more)


def confirmed(sentence_id: str, text: str, times: tuple[float, float] | None = None, **more: Any) -> str:
    """A final sentence of the source."""
    return _transcription("validated_transcription", sentence_id, text, times, **{"language": "en", **more})


def translated(sentence_id: str, text: str, part: int | str = 0, **more: Any) -> str:
    """A final part of a translation."""
    wanted = {"language": "de", "translation_part_id": part, **more}
    return _transcription("translated_transcription", sentence_id, text, None, **wanted)


def guessed(sentence_id: str, text: str, part: int | str = 0, **more: Any) -> str:
    """A provisional part of a translation."""
    wanted = {"language": "de", "translation_part_id": part, **more}
    return _transcription("partial_translated_transcription", sentence_id, text, None, **wanted)


def _transcription(kind: str, sentence_id: str, text: str, times: tuple[float, float] | None, **more: Any) -> str:
    inner = {"transcription_id": sentence_id, "text": text, **more}
    if times is not None:
        inner["segments"] = [{"text": text, "start": times[0], "end": times[1]}]
    return message(kind, transcription=inner)


def spoken(sentence_id: str, pcm: bytes, part: int | str = "0", *, last: bool = False, language: str = "de") -> str:
    data = base64.b64encode(pcm).decode()
    return message(
        "output_audio_data",
        transcription_id=sentence_id,
        translation_part_id=part,
        language=language,
        last_chunk=last,
        data=data,
    )


@dataclass(frozen=True)
class Beat:
    """Audio as it went out."""

    at: float
    audio: bytes


def beats(book: Playbook) -> list[Beat]:
    """All audio sent so far, zeros included, by socket or track."""
    found = []
    for seen in book.history:
        if isinstance(seen.what, SendAudio):
            found.append(Beat(seen.at, seen.what.pcm))
        elif isinstance(seen.what, SendText) and "input_audio_data" in seen.what.text:
            found.append(Beat(seen.at, base64.b64decode(json.loads(seen.what.text)["data"]["data"], validate=True)))
    return found


def commands(book: Playbook) -> list[tuple[float, str, dict[str, Any]]]:
    """All commands sent so far."""
    sent = [(seen.at, json.loads(seen.what.text)) for seen in book.history if isinstance(seen.what, SendText)]
    return [(at, each["message_type"], each["data"]) for at, each in sent if each["message_type"] != "input_audio_data"]


def names(book: Playbook) -> list[str]:
    """The commands sent so far, without when and what."""
    return [name for _, name, _ in commands(book)]


def dials(book: Playbook) -> list[OpenSocket]:
    return book.all(OpenSocket)


def deletions(book: Playbook) -> list[HttpRequest]:
    return [request for request in book.all(HttpRequest) if request.method == "DELETE"]


def said(book: Playbook, utterance_id: str = "u1", seconds: float = 1.0) -> Playbook:
    """An utterance of live audio and its end; all of it went out."""
    return book.speaks(utterance_id, seconds).falls_silent(utterance_id).after(0.7)
