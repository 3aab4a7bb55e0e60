"""Sentences: results by number (sid) become segments: tentative, then concluded, each once (reference §5.2, §5.3).

The service numbers sentences from 1 in each session and tells of a time only the whole second in which a sentence
began, so where it lies in the stream follows from how far the stream had come when its words came, within that second.
"""

from collections import deque
from dataclasses import dataclass, field

from satellite.backends.vurbo import messages
from satellite.backends.vurbo.languages import separator
from satellite.backends.vurbo.messages import Origin, Translation
from satellite.backends.vurbo.talk import Talk
from satellite.core.events import Segment, Stream, TranscriptUpdated

MAX_OPEN = 64
"""Sentences of a stream that are not final; beyond it the oldest is forgotten."""
MAX_KNOWN = 512
"""Numbers of sentences remembered; lower ones than those count as final."""
MAX_UNASKED = 16
"""Languages that nobody asked for; text in more of them is ignored."""
MAX_SPEAKERS = 64
"""Speakers with a name of their own."""
MAX_OWED = 64
"""Translations, and clips of speech, that are waited for."""
LAG_MS = 300.0
"""From the sound of a word to its text, at the least."""
WORD_MS = 400.0
"""Length of the word with which a sentence shows up."""

_Span = tuple[float, float, str | None]


class _Numbers:
    """Which sentences are final; as many as may be remembered."""

    def __init__(self) -> None:
        self._sids: set[int] = set()
        self._floor = -1

    def __contains__(self, sid: int) -> bool:
        return sid <= self._floor or sid in self._sids

    def add(self, sid: int) -> None:
        """One more is."""
        self._sids.add(sid)
        if len(self._sids) > MAX_KNOWN:
            lowest = min(self._sids)
            self._sids.remove(lowest)
            self._floor = max(self._floor, lowest)


@dataclass(slots=True)
class _Open:
    """A sentence that may still change; milliseconds of the stream sent."""

    text: str
    begin_ms: float
    end_ms: float
    language: str
    speaker: str | None


@dataclass(slots=True)
class _Target:
    """One language of translations."""

    open: dict[int, str] = field(default_factory=dict)
    final: _Numbers = field(default_factory=_Numbers)
    owed: dict[int, None] = field(default_factory=dict)
    has_text: bool = False


class Sentences:
    """Follows every sentence from its first word to its last translation."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._open: dict[int, _Open] = {}
        self._final = _Numbers()
        self._has_text = False
        self._spans: dict[int, _Span] = {}
        self._floor_ms = 0.0
        self._targets: dict[str, _Target] = {}
        self._unspoken: deque[tuple[str, int, str]] = deque(maxlen=MAX_OWED)
        self._labels: dict[str, str] = {}
        self.heard_at = float("-inf")
        """When text came last."""

    @property
    def owes(self) -> bool:
        """True while a translation, or speech, of what was concluded is still to come."""
        return any(target.owed for target in self._targets.values()) or bool(self._unspoken)

    def take(self, message: messages.Sentences, now: float) -> bool:
        """Text came; False when none of it is of use."""
        self.heard_at = now
        is_of_use = message.origin is not None
        if message.origin is not None:
            self._said(message.origin, now)
        for translation in message.translations:
            is_of_use = self._translated(translation) or is_of_use
        return is_of_use

    def failed(self, sid: int) -> None:
        """The service could not do something about this sentence; what was said stays."""
        for language, target in self._targets.items():
            target.owed.pop(sid, None)
            if target.open.pop(sid, None) is not None:
                self._report_target(language, target, ())
        self.unspeakable(sid)

    def unspeakable(self, sid: int | None) -> None:
        """No speech comes of this sentence; without a number, of the oldest that has none."""
        for entry in list(self._unspoken):
            if sid in (None, entry[1]):
                self._unspoken.remove(entry)
                return

    def renamed(self, speaker: str | None, label: str | None) -> None:
        """Whoever has this original id is shown under another name from now on."""
        if speaker and label and (speaker in self._labels or len(self._labels) < MAX_SPEAKERS):
            self._labels[speaker] = label

    def switched(self) -> None:
        """Other languages from now on: what was to come in those before never comes."""
        for target in self._targets.values():
            target.owed.clear()
        self._unspoken.clear()

    def spoken(self, sid: int | None, language: str | None) -> tuple[str, str] | None:
        """Language and text of the sentence that a clip belongs to, the oldest that fits; None for none."""
        for entry in self._unspoken:
            if sid in (None, entry[1]) and language in (None, entry[0]):
                self._unspoken.remove(entry)
                return entry[0], entry[2]
        return None

    # --- what was said -------------------------------------------------------------------------------------------

    def _said(self, origin: Origin, now: float) -> None:
        """A sentence grew or became final; a final one that comes again is a correction, and is not told twice."""
        if origin.sid in self._final:
            return
        sentence = self._grown(origin)
        if origin.is_final:
            self._conclude(origin.sid, sentence, now)
        else:
            self._report_source((), now)

    def _grown(self, origin: Origin) -> _Open:
        position_ms = self._talk.timeline.sent_ms
        end_ms = max(0.0, position_ms - LAG_MS)
        spelled = self._talk.wishes.spelled
        language = spelled(origin.language) if origin.language else self._talk.wishes.spoken_language
        sentence = self._open.get(origin.sid)
        if sentence is None:
            begin_ms = self._begin_ms(origin, position_ms)
            sentence = _Open(origin.text, begin_ms, max(begin_ms, end_ms), language, origin.speaker)
            self._open[origin.sid] = sentence
            if len(self._open) > MAX_OPEN:
                del self._open[min(self._open)]
        elif sentence.text != origin.text:
            sentence.text, sentence.end_ms = origin.text, max(sentence.begin_ms, end_ms)
        sentence.language, sentence.speaker = language, origin.speaker or sentence.speaker
        return sentence

    def _begin_ms(self, origin: Origin, position_ms: float) -> float:
        """Where a new sentence began: in the second that the service names, unless that cannot be."""
        guess_ms = self._floor_ms if origin.is_final else max(self._floor_ms, position_ms - LAG_MS - WORD_MS)
        if origin.start_s is None:
            return guess_ms
        second_ms = origin.start_s * 1000.0
        if not self._floor_ms - 1000.0 < second_ms <= position_ms:
            return guess_ms
        if second_ms <= guess_ms < second_ms + 1000.0:
            return guess_ms
        return max(self._floor_ms, second_ms + 500.0) if second_ms + 500.0 < position_ms else second_ms

    def _conclude(self, sid: int, sentence: _Open, now: float) -> None:
        self._open.pop(sid, None)
        self._final.add(sid)
        self._floor_ms = max(self._floor_ms, sentence.end_ms)
        self._talk.timeline.observe("source", sentence.begin_ms, sentence.end_ms, sentence.end_ms)
        if not sentence.text.strip():
            self._report_source((), now)
            return
        self._spans[sid] = self._talk.timeline.span(sentence.begin_ms, sentence.end_ms)
        if len(self._spans) > MAX_KNOWN:
            del self._spans[next(iter(self._spans))]
        segment = self._segment(sentence, is_first=not self._has_text, span=self._spans[sid])
        self._has_text = True
        self._report_source((segment,), now)
        for language in self._talk.wishes.targets_of(sentence.language):
            target = self._targets.setdefault(language, _Target())
            if sid not in target.final:
                _bounded_add(target.owed, sid)

    def _segment(self, sentence: _Open, *, is_first: bool, span: _Span | None = None) -> Segment:
        blank = "" if is_first else separator(sentence.language)
        where = span or self._talk.timeline.span(sentence.begin_ms, sentence.end_ms)
        speaker = self._labels.get(sentence.speaker or "", sentence.speaker)
        return Segment(blank + sentence.text, sentence.language, *where, speaker=speaker)

    def _report_source(self, concluded: tuple[Segment, ...], now: float) -> None:
        tail = [self._open[sid] for sid in sorted(self._open) if self._open[sid].text.strip()]
        tentative = tuple(
            self._segment(sentence, is_first=not self._has_text and place == 0) for place, sentence in enumerate(tail)
        )
        if tail:
            self._talk.timeline.observe("source", tail[0].begin_ms, reaches_ms=tail[-1].end_ms)
        self._talk.progress.source_text(
            (segment.utterance_id for segment in concluded), (segment.utterance_id for segment in tentative), now
        )
        self._talk.life.report(TranscriptUpdated(Stream.SOURCE, None, concluded, tentative))

    # --- translations --------------------------------------------------------------------------------------------

    def _translated(self, translation: Translation) -> bool:
        language = self._talk.wishes.spelled(translation.language)
        target = self._targets.get(language)
        if target is None:
            if len(self._targets) >= MAX_UNASKED:
                return False
            target = self._targets.setdefault(language, _Target())
        sid = translation.sid
        if sid in target.final:
            return True
        if not (translation.is_final or translation.is_retranslation):
            target.open[sid] = translation.text
            if len(target.open) > MAX_OPEN:
                del target.open[min(target.open)]
            self._report_target(language, target, ())
            return True
        target.open.pop(sid, None)
        target.owed.pop(sid, None)
        target.final.add(sid)
        # what was said long ago and is translated anew is no new utterance (§3B.3)
        is_new = not translation.is_retranslation and bool(translation.text.strip())
        concluded: tuple[Segment, ...] = ()
        if is_new:
            blank = separator(language) if target.has_text else ""
            concluded = (Segment(blank + translation.text, language, *self._span(sid)),)
            target.has_text = True
            if self._talk.wishes.speaks(language) and self._talk.wishes.speaks_by_itself:
                self._unspoken.append((language, sid, translation.text))
        self._report_target(language, target, concluded)
        return True

    def _span(self, sid: int) -> _Span:
        """When the sentence was spoken that this is a translation of."""
        known = self._spans.get(sid)
        if known is not None:
            return known
        sentence = self._open.get(sid)
        position_ms = self._talk.timeline.sent_ms
        begin_ms, end_ms = (position_ms, position_ms) if sentence is None else (sentence.begin_ms, sentence.end_ms)
        return self._talk.timeline.span(begin_ms, end_ms)

    def _report_target(self, language: str, target: _Target, concluded: tuple[Segment, ...]) -> None:
        shown = [sid for sid in sorted(target.open) if target.open[sid].strip()]
        tentative = tuple(
            Segment(
                (separator(language) if place or target.has_text else "") + target.open[sid], language, *self._span(sid)
            )
            for place, sid in enumerate(shown)
        )
        self._talk.life.report(TranscriptUpdated(Stream.TARGET, language, concluded, tentative))


def _bounded_add(owed: dict[int, None], sid: int) -> None:
    owed[sid] = None
    if len(owed) > MAX_OWED:
        del owed[next(iter(owed))]
