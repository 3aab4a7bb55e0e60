"""Turns: what the service says about the turn of speech that is going on, as text (Flux reference §5-§7).

A turn's text is said again as a whole with every event, so it is replaced and never added to. It is concluded by
EndOfTurn, once; what a connection leaves without one is concluded as it was said last, as nothing more will come of it.
"""

from dataclasses import dataclass

from satellite.backends.deepgram.languages import WITHOUT_BLANKS
from satellite.backends.deepgram.messages import END_OF_TURN, START_OF_TURN, TurnInfo
from satellite.backends.line import Line
from satellite.backends.tags import AUTO, configured_spelling, primary
from satellite.core.events import Segment, Stream, TranscriptUpdated, UtteranceSettled

UPDATE_S = 0.25
"""The service says something about each so much audio."""
UNDETERMINED = "und"


@dataclass(slots=True)
class _Turn:
    """The turn that is going on. Times are seconds in the stream of audio sent."""

    index: int
    opened_at: float
    text: str = ""
    start_s: float = 0.0
    end_s: float = 0.0
    language: str | None = None

    def hear(self, info: TurnInfo) -> None:
        """Take over what is said of it now."""
        self.language = info.language or self.language
        is_new = info.text is not None and info.text != self.text
        if info.words_s is not None:
            self.start_s, self.end_s = info.words_s
        elif info.window_s is not None and is_new:
            # without times of words: it began when it was first heard of, and goes on as long as its text changes
            begin_s, end_s = info.window_s
            self.start_s = self.start_s if self.text.strip() else max(begin_s, end_s - UPDATE_S)
            self.end_s = end_s
        if info.text is not None:
            self.text = info.text


class Turns:
    """Follows the turns of one connection, and reports their text."""

    def __init__(self, line: Line, expected: tuple[str, ...]) -> None:
        self._line = line
        self._expected = expected
        self._turn: _Turn | None = None
        self._next = 0
        self._shown = ""
        self._heard_at = 0.0
        self.heard_s = 0.0
        """How far into the audio sent the service has listened."""

    @property
    def is_open(self) -> bool:
        """True from StartOfTurn to EndOfTurn."""
        return self._turn is not None

    @property
    def opened_at(self) -> float:
        """Since when; 0.0 while none is open."""
        return 0.0 if self._turn is None else self._turn.opened_at

    def take(self, info: TurnInfo, now: float) -> bool:
        """One event; False when it is about a turn that is over."""
        self._heard_at = now
        index = self._next if info.index is None else info.index
        if index < self._next:
            return False
        self._observe(info)
        if self._turn is not None and index > self._turn.index:
            self.conclude()  # its EndOfTurn never came
        if info.event == END_OF_TURN:
            self._ended(info, index, now)
        elif self._turn is not None or info.event == START_OF_TURN or (info.text or "").strip():
            self._went_on(info, index, now)
        return True

    def conclude(self) -> None:
        """No more is to come of the open turn: what was said last of it is its text."""
        if self._turn is not None:
            turn, self._turn = self._turn, None
            self._next = turn.index + 1
            self._report(turn, is_concluded=True)

    def wrap_up(self) -> None:
        """The connection says nothing more: all text is concluded, and what was sent in whole is settled."""
        self.conclude()
        for utterance_id in self._line.progress.conclude():
            self.settle(utterance_id)

    def settle(self, utterance_id: str) -> None:
        """No more text comes of an utterance that was sent in whole."""
        self._line.progress.settle(utterance_id)
        self._line.life.report(UtteranceSettled(utterance_id))

    def _observe(self, info: TurnInfo) -> None:
        if info.window_s is not None:
            start_s, end_s = info.window_s
            self.heard_s = max(self.heard_s, end_s)
            self._line.timeline.observe("source", start_s * 1000, reaches_ms=end_s * 1000)

    def _ended(self, info: TurnInfo, index: int, now: float) -> None:
        turn = self._turn or _Turn(index, now)
        turn.hear(info)
        self._turn = turn
        self.conclude()

    def _went_on(self, info: TurnInfo, index: int, now: float) -> None:
        if self._turn is None:
            self._turn = _Turn(index, now)
        self._turn.hear(info)
        if self._turn.text != self._shown:
            self._report(self._turn, is_concluded=False)

    def _report(self, turn: _Turn, *, is_concluded: bool) -> None:
        """Tell the text of a turn; a concluded one leaves nothing tentative behind."""
        segments = (self._segment(turn),) if turn.text.strip() else ()
        concluded, tentative = (segments, ()) if is_concluded else ((), segments)
        self._line.progress.source_text(
            (segment.utterance_id for segment in concluded),
            (segment.utterance_id for segment in tentative),
            self._heard_at,
        )
        if segments or self._shown.strip():
            self._line.life.report(TranscriptUpdated(Stream.SOURCE, None, concluded, tentative))
        self._shown = "" if is_concluded else turn.text

    def _segment(self, turn: _Turn) -> Segment:
        language = self._language(turn)
        blank = "" if primary(language) in WITHOUT_BLANKS else " "
        span = self._line.timeline.span(turn.start_s * 1000, turn.end_s * 1000)
        return Segment(blank + turn.text.strip(), language, *span)

    def _language(self, turn: _Turn) -> str:
        """What the service heard, as it is configured; without a word about it, the language that is spoken."""
        if turn.language is not None:
            return configured_spelling(turn.language, self._expected) or turn.language
        configured = self._line.setup.source_language
        return UNDETERMINED if configured == AUTO else configured
