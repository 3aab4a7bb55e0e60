"""Who reads what a session reports: the transcript book, and the payloads made of what it puts out."""

import json

from satellite.core.backlog import Dropped
from satellite.core.events import (
    AudioLost,
    SessionEnded,
    SessionFailed,
    SpeechChunk,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
    VoiceEvent,
)
from satellite.core.transcript import (
    BookOutput,
    BookSettings,
    SegmentConcluded,
    TentativeChanged,
    TranscriptBook,
    UtteranceCompleted,
)
from satellite.homeassistant import payloads
from satellite.homeassistant.messages import Message
from satellite.homeassistant.topics import Topics
from tests.fuzz.target import hold, is_a

TOPICS = Topics("voice-satellite", "kitchen")
LATE_S = 3_600.0
"""Longer than anything that the book waits for."""


class Readers:
    """Takes events as the router does, and holds the promises of the product."""

    def __init__(self, targets: tuple[str, ...], spoken: str | None) -> None:
        self._book = TranscriptBook(BookSettings(targets, spoken))
        self._texts: dict[str, str] = {}
        self._completed: list[str] = []
        self._begun: list[str] = []
        self._now = 0.0

    @property
    def label(self) -> str:
        """What came of it all, coarsely."""
        return f"{min(len(self._texts), 3)} segments, {min(len(self._completed), 3)} utterances"

    # --- what the listener says ------------------------------------------------------------------------------------

    def started(self, utterance_id: str, start_s: float) -> None:
        self._begun.append(utterance_id)
        self._book.utterance_started(utterance_id, start_s, start_s)
        self._publish()

    def ended(self, utterance_id: str, end_s: float, now: float) -> None:
        self._book.utterance_ended(utterance_id, end_s, "silence", now)
        self._publish()

    def dropped(self, dropped: Dropped, now: float) -> None:
        self._book.audio_lost(dropped.utterance_id, dropped.samples / 16)
        if dropped.is_whole:
            self._book.utterance_lost(dropped.utterance_id, now)
        self._publish()

    # --- what sessions report --------------------------------------------------------------------------------------

    def take(self, event: VoiceEvent, now: float) -> None:
        """One event."""
        book, self._now = self._book, now
        match event:
            case TranscriptUpdated():
                for segment in (*event.concluded, *event.tentative):
                    hold(segment.start_s <= segment.end_s, "a segment does not end before it begins")
                book.updated(event, now)
            case SpeechChunk():
                hold(event.duration_ms >= 0 and all(event.data) and all(event.headers), "speech is made of units")
                book.spoke(event, now)
            case UtteranceSent(utterance_id):
                book.utterance_sent(utterance_id, now)
            case UtteranceSettled(utterance_id):
                book.utterance_settled(utterance_id, now)
            case AudioLost():
                book.audio_lost(event.utterance_id, event.samples / 16)
            case SessionEnded() | SessionFailed():
                book.session_over(now)
                trace = event.trace_id if isinstance(event, SessionFailed) else None
                detail = event.detail if isinstance(event, SessionFailed) else event.reason
                check_payload(payloads.session(TOPICS, "closed", "s1", "deepl", detail, trace))
            case _:
                pass
        self._publish()
        self._pass_deadlines(now)

    def over(self, now: float) -> None:
        """No session follows: everything that was begun is told or had nothing to tell."""
        self._book.session_over(now, is_final=True)
        self._publish()
        self._pass_deadlines(now + LATE_S)
        hold(self._book.next_deadline() is None, "at the end nothing is waited for")

    # --- inside ----------------------------------------------------------------------------------------------------

    def _pass_deadlines(self, now: float) -> None:
        for _ in range(1_000):
            due_at = self._book.next_deadline()
            if due_at is None or due_at > now:
                return
            self._book.deadline_reached(max(now, due_at))
            self._publish()
        hold(False, "the book does not spin")

    def _publish(self) -> None:
        for output in self._book.outputs():
            self._check(output)

    def _check(self, output: BookOutput) -> None:
        match output:
            case SegmentConcluded():
                hold(output.id not in self._texts, "an id is given once")
                hold(bool(output.text) and output.start_s <= output.end_s, "a segment has text and does not end early")
                self._texts[output.id] = output.text
                body = check_payload(payloads.segment(TOPICS, output, "s1", retain=False))
                hold(
                    body["id"] == output.id and str(body["start"]) <= str(body["end"]),
                    "what is published is what was said",
                )
            case TentativeChanged():
                hold(output.start_s <= output.end_s, "a guess does not end before it begins")
                check_payload(payloads.tentative(TOPICS, output))
            case UtteranceCompleted(record):
                hold(record.id not in self._completed, "an utterance is completed once")
                self._completed.append(record.id)
                order = [each for each in self._begun if each in self._completed]
                hold(list(dict.fromkeys(order)) == self._completed, "utterances are completed in their order")
                hold(record.start_s <= record.end_s and record.lost_ms >= 0, "an utterance does not end early")
                check_payload(payloads.utterance(TOPICS, record, retain=False))


def check_payload(message: Message) -> dict[str, object]:
    """What goes to the broker is UTF-8, JSON, compact, and on a topic of ours."""
    hold(message.topic.startswith(f"{TOPICS.root}/"), "topics lie below the satellite's own")
    hold(not set(message.topic) & set("#+\0") and len(message.topic.encode()) < 65_536, "topics are fit for MQTT")
    text = message.payload.decode()
    body: dict[str, object] = json.loads(text)
    hold(is_a(body, dict) and "\n" not in text, "a payload is one line of JSON")
    return body
