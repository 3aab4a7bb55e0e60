"""Utterance: what is known of one stretch of speech, and from when on nothing more is to be expected of it."""

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from satellite.core.events import Segment

END_TOLERANCE_S = 0.150
"""A translation whose end comes this close to the end of the source covers it: both are estimates."""

MAX_CHARACTERS = 100_000
"""Text remembered of one stream of one utterance, twice what anybody says in an hour. More is told and not kept."""
MAX_SEGMENTS = 5_000
SESSION_OVER = "session_over"
"""Why an utterance ended whose gate was still open when no session was to follow."""
MAX_LANGUAGES = 16
"""Languages told apart within one stream."""

StreamKey = str | None
"""One text stream: None is the source, else the target language."""


@dataclass(frozen=True, slots=True)
class BookSettings:
    """What is to be expected of an utterance, and how long to wait for it.

    `settle_s`: no more source text comes this long after the last of it was sent or heard of. `target_wait_s`,
    `speech_wait_s`: how long translation and speech may stay away without any progress.
    """

    target_languages: tuple[str, ...]
    speech_language: str | None
    settle_s: float = 3.0
    target_wait_s: float = 8.0
    speech_wait_s: float = 8.0

    @property
    def expected_languages(self) -> tuple[str, ...]:
        """Languages in which text must arrive; a spoken language is always translated to as well."""
        if self.speech_language is None or self.speech_language in self.target_languages:
            return self.target_languages
        return (*self.target_languages, self.speech_language)


@dataclass(frozen=True, slots=True)
class UtteranceRecord:
    """All of one utterance. Times are Unix seconds; `speech_language` is None when nothing was spoken.

    It starts with its first concluded source text; where there is none, when the gate heard somebody begin.
    `translations` holds (language, text) of each language that has text, configured ones first. `complete` is False
    when text was still tentative at the end, a configured translation never came, or audio was lost.
    """

    id: str
    start_s: float
    end_s: float
    source_language: str | None
    source_text: str
    translations: tuple[tuple[str, str], ...]
    speech_language: str | None
    speech_ms: int
    lost_ms: float
    complete: bool
    reason: str


class StreamText:
    """Concluded text of one stream of one utterance; the pieces join with the empty string."""

    def __init__(self) -> None:
        self.is_cut = False
        """True when there was more text than is remembered."""
        self._raw: list[str] = []
        self._characters = 0
        self._held: set[int] = set()
        self._language_chars: Counter[str] = Counter()
        self._numbered = 0
        self.start_s: float | None = None
        self.end_s: float | None = None

    @property
    def text(self) -> str:
        """Everything concluded so far, for display."""
        return "".join(self._raw).strip()

    @property
    def language(self) -> str | None:
        """The language most of the text is in."""
        return max(self._language_chars, key=lambda language: self._language_chars[language], default=None)

    def holds(self, segment: Segment) -> bool:
        """True for a segment delivered before (DeepL voice reference §6.5).

        A segment without length was moved to the nearest audio, so its times prove nothing and it counts as new.
        """
        return segment.start_s < segment.end_s and _identity(segment) in self._held

    def append(self, segment: Segment) -> int | None:
        """Add a concluded segment; returns its number from 1 on, None for one that has nothing to show."""
        self._remember(segment)
        shown = segment.text.strip()
        if not shown:
            return None
        self.start_s = segment.start_s if self.start_s is None else min(segment.start_s, self.start_s)
        self.end_s = segment.end_s if self.end_s is None else max(segment.end_s, self.end_s)
        if segment.language in self._language_chars or len(self._language_chars) < MAX_LANGUAGES:
            self._language_chars[segment.language] += len(shown)
        self._numbered += 1
        return self._numbered

    def forget_text(self) -> None:
        """The text was told as a whole; what was delivered is still known."""
        self._raw = []

    def _remember(self, segment: Segment) -> None:
        if self._characters + len(segment.text) > MAX_CHARACTERS or len(self._held) >= MAX_SEGMENTS:
            self.is_cut = True
            return
        self._characters += len(segment.text)
        self._held.add(_identity(segment))
        self._raw.append(segment.text)


class Utterance:
    """One utterance from its first sample to its record. `now` is monotonic seconds, other times Unix seconds.

    `start_s` is the time of its first sample, pre-roll included: nothing of it was spoken before. `onset_s` is when
    the gate took somebody to begin to speak.
    """

    def __init__(self, utterance_id: str, start_s: float, onset_s: float, settings: BookSettings) -> None:
        self.id = utterance_id
        self.start_s = start_s
        self._onset_s = onset_s
        self.end_s: float | None = None
        self.settings = settings
        self.streams: dict[StreamKey, StreamText] = {}
        self.lost_ms = 0.0
        self.has_speech = False
        self._speech_language: str | None = None
        self._speech_ms = 0
        self._reason = ""
        self._ended_at: float | None = None
        self._sent_at: float | None = None
        self._settled_at: float | None = None
        self._over_at: float | None = None
        self._heard_at = 0.0
        self._source_heard_at = 0.0
        self._is_cut_short = False

    @property
    def has_text(self) -> bool:
        """True once anything was concluded that shows."""
        return any(stream.text for stream in self.streams.values())

    def stream(self, key: StreamKey) -> StreamText:
        """The concluded text of one stream."""
        return self.streams.setdefault(key, StreamText())

    def completed(self) -> None:
        """It was published."""
        for stream in self.streams.values():
            stream.forget_text()

    def distance_s(self, moment_s: float) -> float:
        """How far a moment lies outside this utterance; one that is not over yet reaches on for ever."""
        end_s = moment_s if self.end_s is None else self.end_s
        return max(self.start_s - moment_s, moment_s - end_s, 0.0)

    def ended(self, end_s: float, reason: str, now: float) -> None:
        """Its audio is complete."""
        self.end_s = end_s
        self._reason = reason
        self._ended_at = now

    def sent(self, now: float) -> None:
        """The last of its audio was handed to the service: from here on, silence means something."""
        self._sent_at = now

    def settled(self, now: float) -> None:
        """The service sends no more source text for it; before its audio ended, that holds for one session only."""
        if self._ended_at is None:
            return
        self._settled_at = now
        if self._sent_at is None:
            self._sent_at = now

    def lost(self, now: float) -> None:
        """All of its audio is lost: no service will ever say anything of it."""
        self._over_at = now

    def heard(self, key: StreamKey, now: float) -> None:
        """Its text in one stream has changed."""
        self._heard_at = now
        if key is None:
            self._source_heard_at = now

    def spoken(self, language: str, duration_ms: int, now: float) -> None:
        """A piece of its speech came."""
        self.has_speech = True
        self._speech_language = language
        self._speech_ms += duration_ms
        self._heard_at = now

    def session_over(self, was_tentative: bool, is_final: bool, now: float) -> None:
        """The session ended. Audio that waits for the next session keeps its utterance open unless `is_final`."""
        if was_tentative:
            self._is_cut_short = True
        if self.end_s is None and is_final:
            self._reason = SESSION_OVER
        if is_final or (self._ended_at is not None and self._sent_at is not None):
            self._over_at = now

    def done_at(self, tentative: AbstractSet[StreamKey], owes_speech: bool) -> float | None:
        """When it is complete if nothing more is heard; None while its audio is not all with the service.

        `tentative` are the streams that still have tentative text of it.
        """
        if self._over_at is not None:
            return self._over_at
        if self._ended_at is None or self._sent_at is None:
            return None
        source_at = self._source_done_at(self._ended_at, self._sent_at, None in tentative)
        done_at = source_at
        if not all(
            language not in tentative and self._covers(language) for language in self.settings.expected_languages
        ):
            done_at = max(source_at, self._heard_at) + self.settings.target_wait_s
        if owes_speech:
            done_at = max(done_at, max(source_at, self._heard_at) + self.settings.speech_wait_s)
        return done_at

    def record(self, tentative: AbstractSet[StreamKey]) -> UtteranceRecord | None:
        """What is published of it; None when there is nothing to tell."""
        is_cut = self._is_cut_short or any(stream.is_cut for stream in self.streams.values())
        if not (self.has_text or self.lost_ms or is_cut or tentative):
            return None
        source = self.stream(None)
        shown = {key: stream.text for key, stream in self.streams.items() if key is not None and stream.text}
        expected = [language for language in self.settings.expected_languages if language in shown]
        is_untranslated = source.text and not set(self.settings.target_languages) <= {*shown, source.language}
        is_lacking = is_cut or tentative or self.lost_ms or self._sent_at is None or is_untranslated
        start_s = self._onset_s if source.start_s is None else source.start_s
        ends_s = [stream.end_s for stream in self.streams.values() if stream.end_s is not None]
        return UtteranceRecord(
            id=self.id,
            start_s=start_s,
            end_s=max([start_s, *ends_s]) if self.end_s is None else max(start_s, self.end_s),
            source_language=source.language,
            source_text=source.text,
            translations=tuple((language, shown[language]) for language in dict.fromkeys((*expected, *shown))),
            speech_language=self._speech_language,
            speech_ms=self._speech_ms,
            lost_ms=self.lost_ms,
            complete=not is_lacking,
            reason=self._reason,
        )

    # --- inside ------------------------------------------------------------------------------------------------

    def _source_done_at(self, ended_at: float, sent_at: float, is_tentative: bool) -> float:
        quiet_since = max(ended_at, sent_at, self._source_heard_at)
        if is_tentative:
            return quiet_since + self.settings.settle_s + self.settings.target_wait_s
        if self._settled_at is not None:
            return self._settled_at
        return quiet_since + self.settings.settle_s

    def _covers(self, language: str) -> bool:
        """True when the translation reaches the end of the source text, or none is needed: it was said in this one."""
        source_end_s = self.stream(None).end_s
        target_end_s = self.stream(language).end_s
        if source_end_s is None or self.stream(None).language == language:
            return True
        return target_end_s is not None and target_end_s >= source_end_s - END_TOLERANCE_S


def _identity(segment: Segment) -> int:
    """What tells a segment from another one, without keeping its text."""
    return hash((segment.language, segment.text, segment.start_s, segment.end_s))
