"""Timeline: milliseconds of the stream sent to a service ↔ wall clock of the audio, across gates, gaps and reconnects.

A service counts the audio it was sent and nothing else, so times it reports are positions in that stream. Silence of
our own making (keep-alive, tail) fills the stream but has no time of its own. Estimates may lie outside what was
sent: they are moved to the nearest audio that was.
"""

from bisect import bisect_right
from dataclasses import dataclass

from satellite.core.audio import RATE_HZ, ms_of_samples

MAX_RUNS = 4_096
"""Runs remembered; older ones are forgotten. A run is one utterance unless audio of it was dropped."""
CLOCK_TOLERANCE_S = 0.05
"""Audio that starts this close to where the run before it ended continues that run."""
EPOCH_BACKSTEP_MS = 2_000.0
"""A concluded stream that steps back further than this after a reconnect has begun to count anew."""
ESTIMATE_TOLERANCE_MS = 500.0
"""How far a service's estimate may run ahead of the audio it was sent."""


@dataclass(slots=True)
class _Run:
    """Audio of one utterance without a gap, in the stream or on the wall clock."""

    begin: int
    samples: int
    start_s: float
    utterance_id: str

    @property
    def end(self) -> int:
        return self.begin + self.samples

    def overlap(self, begin: float, end: float) -> float:
        return min(self.end, end) - max(self.begin, begin)

    def distance(self, begin: float, end: float) -> float:
        return max(0.0, -self.overlap(begin, end))


class Timeline:
    """What was sent, in stream order. One per session; survives its reconnects."""

    def __init__(self, rate_hz: int = RATE_HZ, max_runs: int = MAX_RUNS) -> None:
        self._rate_hz = rate_hz
        self._max_runs = max_runs
        self._sent_samples = 0
        self._is_broken_off = False
        self._runs: list[_Run] = []
        self._epoch_ms = 0.0
        self._heard_ms = 0.0
        self._reconnect_ms: float | None = None
        self._concluded_ms: dict[str, float] = {}

    @property
    def sent_ms(self) -> float:
        """Length of the stream so far, silence included."""
        return ms_of_samples(self._sent_samples, self._rate_hz)

    def sent(self, samples: int, start_s: float, utterance_id: str) -> None:
        """Audio of an utterance was handed to the socket; `start_s` is the wall clock of its first sample."""
        if samples <= 0:
            return
        if not self._extends_last_run(start_s, utterance_id):
            self._runs.append(_Run(self._sent_samples, 0, start_s, utterance_id))
            if len(self._runs) > self._max_runs:
                del self._runs[0]
        self._is_broken_off = False
        self._runs[-1].samples += samples
        self._sent_samples += samples

    def silence(self, samples: int) -> None:
        """Silence of our own was handed to the socket."""
        self._sent_samples += samples

    def retracted(self, samples: float) -> None:
        """That much of the end of the stream is taken not to have arrived: the service counts on without it."""
        self._sent_samples = max(0, self._sent_samples - round(samples))
        while self._runs and self._runs[-1].begin >= self._sent_samples:
            self._runs.pop()
        if self._runs and self._runs[-1].end > self._sent_samples:
            self._runs[-1].samples = self._sent_samples - self._runs[-1].begin
        self._is_broken_off = True

    def reconnected(self) -> None:
        """A new connection of the same session begins: the service may go on counting or start at 0 again.

        Which of the two is not documented (DeepL voice reference §6.5); `observe` finds out.
        """
        self._reconnect_ms = self.sent_ms

    def observe(
        self, stream: str, start_ms: float, concluded_end_ms: float | None = None, reaches_ms: float = 0.0
    ) -> None:
        """Take note of an update before its segments are located.

        `stream` names the text stream ("source" or a target), `start_ms` is where the update's first segment starts,
        `concluded_end_ms` where its last concluded one ends, `reaches_ms` where its last one of source text does.
        Concluded text of one stream never goes back in time, so when the first text of a stream after a reconnect
        starts more than EPOCH_BACKSTEP_MS before that stream's last concluded end, and early enough to be about audio
        sent since, the service counts anew. Text about audio sent since the reconnect in the old count settles the
        question the other way; late results of the old connection leave it open.
        """
        if self._reconnect_ms is not None:
            self._judge_epoch(self._reconnect_ms, stream, start_ms)
        if reaches_ms:
            self._heard_ms = max(self._heard_ms, reaches_ms + self._epoch_ms)
        if concluded_end_ms is not None:
            end_ms = concluded_end_ms + self._epoch_ms
            self._concluded_ms[stream] = max(end_ms, self._concluded_ms.get(stream, 0.0))

    def unheard(self) -> dict[str, int]:
        """How much audio of which utterance lies behind all text."""
        moment = self._heard_ms * self._rate_hz / 1000
        behind: dict[str, int] = {}
        for run in self._runs[self._index_at(moment) :]:
            samples = round(run.overlap(moment, run.end))
            if samples > 0:
                behind[run.utterance_id] = behind.get(run.utterance_id, 0) + samples
        return behind

    def span(self, start_ms: float, end_ms: float) -> tuple[float, float, str | None]:
        """Start and end (Unix seconds) and utterance of a segment.

        The utterance is the one whose audio the segment overlaps most, and both times stay inside that audio; a
        segment that overlaps none collapses onto the nearest audio. (0.0, 0.0, None) when no audio was ever sent.
        """
        begin = self._samples_at(start_ms)
        end = max(begin, self._samples_at(end_ms))
        runs = self._overlapping_runs(begin, end)
        if not runs:
            nearest = self._nearest_run(begin, end)
            if nearest is None:
                return 0.0, 0.0, None
            runs = [nearest]
        start_s = self._wall_s(runs[0], begin)
        return start_s, max(start_s, self._wall_s(runs[-1], end)), runs[0].utterance_id

    # --- inside ------------------------------------------------------------------------------------------------

    def _extends_last_run(self, start_s: float, utterance_id: str) -> bool:
        if not self._runs or self._is_broken_off:
            return False
        last = self._runs[-1]
        if last.utterance_id != utterance_id or last.end != self._sent_samples:
            return False
        return abs(start_s - self._wall_s(last, last.end)) <= CLOCK_TOLERANCE_S

    def _judge_epoch(self, reconnect_ms: float, stream: str, start_ms: float) -> None:
        position_ms = start_ms + self._epoch_ms
        steps_back = position_ms < self._concluded_ms.get(stream, 0.0) - EPOCH_BACKSTEP_MS
        sent_since_ms = self.sent_ms - reconnect_ms
        if steps_back and start_ms <= sent_since_ms + ESTIMATE_TOLERANCE_MS:
            self._epoch_ms = reconnect_ms
            self._reconnect_ms = None
        elif position_ms >= reconnect_ms:
            self._reconnect_ms = None

    def _samples_at(self, stream_ms: float) -> float:
        return (stream_ms + self._epoch_ms) * self._rate_hz / 1000

    def _wall_s(self, run: _Run, moment: float) -> float:
        inside = min(max(moment, run.begin), run.end)
        return run.start_s + (inside - run.begin) / self._rate_hz

    def _index_at(self, moment: float) -> int:
        """Index of the last run that begins at or before this moment; 0 when there is none."""
        return max(0, bisect_right(self._runs, moment, key=lambda run: run.begin) - 1)

    def _nearest_run(self, begin: float, end: float) -> _Run | None:
        index = self._index_at(begin)
        return min(self._runs[index : index + 2], key=lambda run: run.distance(begin, end), default=None)

    def _overlapping_runs(self, begin: float, end: float) -> list[_Run]:
        """Runs that overlap the interval, of the utterance that does so most; the earlier one when two are level."""
        touched = self._runs[self._index_at(begin) : self._index_at(end) + 1]
        overlaps: dict[str, float] = {}
        for run in touched:
            overlap = run.overlap(begin, end)
            if overlap > 0:
                overlaps[run.utterance_id] = overlaps.get(run.utterance_id, 0.0) + overlap
        if not overlaps:
            return []
        chosen = max(overlaps, key=lambda utterance_id: overlaps[utterance_id])
        return [run for run in touched if run.utterance_id == chosen and run.overlap(begin, end) > 0]
