"""Recognition: labelled words that were really received, or what pocketsphinx hears."""

import bisect
from dataclasses import dataclass, field
from typing import Protocol

from satellite.core.audio import RATE_HZ, ms_of_samples
from satellite.emulator.aligner import Aligner, Run
from satellite.emulator.labels import Labels, Word
from satellite.emulator.pcm import WIDTH, rms

ENOUGH = 0.8
"""Share of a word's samples that must have been received for it to be transcribed."""
RESENT_SAMPLES = RATE_HZ // 5
QUIET_RMS = 250


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A recognised word; times in ms of received audio; `sentence` tells sentences (and repetitions) apart."""

    text: str
    start_ms: int
    end_ms: int
    sentence: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Resent:
    """Audio of the recording that the client had sent already: where in the stream, and for how long."""

    stream_ms: int
    first_stream_ms: int
    duration_ms: int


@dataclass(slots=True)
class Heard:
    """What one piece of audio brought; `is_mid_word` when it ends within a word."""

    words: list[HeardWord] = field(default_factory=list)
    resent: list[Resent] = field(default_factory=list)
    is_mid_word: bool = False


class Recogniser(Protocol):
    """Speech recognition for one session."""

    is_slow: bool
    """True when `push` belongs on a thread."""

    def push(self, pcm: bytes, at_s: float) -> Heard:
        """Take the next audio (16 kHz mono s16le) that arrived at `at_s`."""
        ...

    def finish(self) -> Heard:
        """The input has ended; give what is left."""
        ...


@dataclass(slots=True)
class _Coverage:
    samples: int
    stream_start: int
    stream_end: int
    sentence: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Seen:
    recording_start: int
    recording_end: int
    stream_start: int
    at_s: float


class LabelRecogniser:
    """Transcribes a word once at least 80 % of its samples came in; what was not received is not transcribed."""

    is_slow = False

    def __init__(self, recording: bytes, labels: Labels, *, exact: bool, resend_window_s: float | None = None) -> None:
        self._recording = recording
        self._words = labels.words
        self._starts = [word.start_sample for word in labels.words]
        self._longest = max((word.end_sample - word.start_sample for word in labels.words), default=0)
        self._aligner = Aligner(recording, exact=exact)
        half_s = len(recording) / WIDTH / RATE_HZ / 2
        self._resend_window_s = half_s if resend_window_s is None else resend_window_s
        self._open: dict[int, _Coverage] = {}
        self._seen: list[_Seen] = []
        self._position = 0
        self._passes = 0
        self._repeated = 0

    def push(self, pcm: bytes, at_s: float) -> Heard:
        """Match the audio with the recording and give the words completed by it."""
        heard = Heard()
        for run in self._aligner.push(pcm):
            self._check_resent(run, at_s, heard)
            heard.words += self._settle(run.recording_start, run.recording_start + run.samples)
            self._cover(run)
            heard.words += self._settle(self._position, self._position)
            heard.is_mid_word = bool(self._open)
        return heard

    def finish(self) -> Heard:
        """Give the words that were received nearly whole when the audio ended."""
        return Heard(words=self._settle(len(self._recording), len(self._recording)))

    def _settle(self, start: int, end: int) -> list[HeardWord]:
        """Close every open word that audio from `start` to `end` in the recording no longer touches."""
        done = sorted(self._open)
        if start < self._position:
            self._passes += 1
        else:
            done = [at for at in done if self._words[at].end_sample <= start or self._starts[at] >= end]
        finished = [(self._words[at], self._open.pop(at)) for at in done]
        return [_heard(word, cover) for word, cover in finished if _is_enough(word, cover)]

    def _cover(self, run: Run) -> None:
        start, end = run.recording_start, run.recording_start + run.samples
        shift = run.stream_start - start
        first = bisect.bisect_left(self._starts, start - self._longest)
        for at in range(first, bisect.bisect_left(self._starts, end)):
            word = self._words[at]
            low, high = max(start, word.start_sample), min(end, word.end_sample)
            if low < high:
                cover = self._open.setdefault(at, _Coverage(0, low + shift, 0, (self._passes, word.sentence)))
                cover.samples += high - low
                cover.stream_end = high + shift
        self._position = end

    def _check_resent(self, run: Run, at_s: float, heard: Heard) -> None:
        """Find speech of the same place in the recording that came so recently that it cannot be a repetition."""
        start, end = run.recording_start, run.recording_start + run.samples
        self._seen = [seen for seen in self._seen if at_s - seen.at_s < self._resend_window_s]
        again = [seen for seen in self._seen if seen.recording_start < end and seen.recording_end > start]
        if again and start == self._position:
            self._repeated += run.samples
        else:
            self._repeated = run.samples if again else 0
        before = self._repeated - run.samples
        if again and before < RESENT_SAMPLES <= self._repeated and self._is_loud(end - self._repeated, end):
            earlier = again[0].stream_start + max(0, start - again[0].recording_start)
            lengths = (run.stream_start, earlier, self._repeated)
            heard.resent.append(Resent(*(round(ms_of_samples(value)) for value in lengths)))
        elif again and not self._is_loud(start, end):
            self._repeated = 0
        self._remember(run, at_s)

    def _is_loud(self, start: int, end: int) -> bool:
        return rms(self._recording[start * WIDTH : end * WIDTH]) >= QUIET_RMS

    def _remember(self, run: Run, at_s: float) -> None:
        last = self._seen[-1] if self._seen else None
        end = run.recording_start + run.samples
        if last is not None and last.recording_end == run.recording_start and end - last.recording_start < RATE_HZ:
            self._seen[-1] = _Seen(last.recording_start, end, last.stream_start, at_s)
        else:
            self._seen.append(_Seen(run.recording_start, end, run.stream_start, at_s))


def _heard(word: Word, cover: _Coverage) -> HeardWord:
    start, end = ms_of_samples(cover.stream_start), ms_of_samples(cover.stream_end)
    return HeardWord(word.text, round(start), round(end), cover.sentence)


def _is_enough(word: Word, cover: _Coverage) -> bool:
    return cover.samples >= ENOUGH * (word.end_sample - word.start_sample)


class SilentRecogniser:
    """Hears nothing; for an emulator without a recording."""

    is_slow = False

    def push(self, pcm: bytes, at_s: float) -> Heard:  # noqa: ARG002 - the shape of a recogniser
        """Nothing is heard."""
        return Heard()

    def finish(self) -> Heard:
        """Nothing was heard."""
        return Heard()
