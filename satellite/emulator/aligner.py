"""Finds where in a recording received audio came from: exactly where bytes allow, by likeness where they do not."""

import audioop
from dataclasses import dataclass

from satellite.emulator.pcm import WIDTH, decimate, likeness, rms

WINDOW_SAMPLES = 320
"""Exact search goes by 20 ms windows."""
DISTINCT_VALUES = 16
"""A window with fewer different values (digital silence, hum of one bit) proves nothing."""
PENDING_SAMPLES = 32_000
"""Unmatched audio kept for matching backwards: 2 s."""
PATTERN_SAMPLES = 6_400
"""Likeness is searched for with 400 ms of speech."""
BLOCK_SAMPLES = 1_600
"""Likeness is followed in blocks of 100 ms."""
COARSE = 8
"""Likeness is searched for at 2 kHz first."""
NEAR_SAMPLES = 30 * 16_000
WIDE_SEARCH_EVERY_SAMPLES = 16_000
"""Searching a long recording as a whole costs up to a second, hence rarely."""
EXACT_TRIAL_SAMPLES = 24_000
"""After 1.5 s that is nowhere exactly, likeness is tried."""
QUIET_RMS = 90
SPEECH_RMS = 200
ALIKE = 0.5
STILL_ALIKE = 0.3
PATIENCE_BLOCKS = 3


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of the received stream that is a piece of the recording; all in samples at 16 kHz."""

    stream_start: int
    recording_start: int
    samples: int


class Aligner:
    """Fed with 16 kHz PCM in stream order; prefers the match that comes next in the recording, then from its start."""

    def __init__(self, recording: bytes, *, exact: bool) -> None:
        self._recording = recording
        self._exact = exact
        self._finder = _Finder(recording)
        self._pending = bytearray()
        self._pending_start = 0
        self._searched = 0
        self._expected: int | None = None
        self._after = 0
        self._doubtful = 0
        self._wide_search_at = 0

    def push(self, pcm: bytes) -> list[Run]:
        """Take the next audio; return the runs found in it, in stream order."""
        self._pending += pcm
        runs: list[Run] = []
        while self._follow(runs) and self._search():
            pass
        self._forget()
        return runs

    def _follow(self, runs: list[Run]) -> bool:
        """Go on at the expected place; True when there is audio left that does not belong there."""
        if self._expected is None:
            return bool(self._pending)
        matched = self._follow_exactly(self._expected) if self._exact else self._follow_likeness(self._expected)
        if matched:
            runs.append(Run(self._pending_start, self._expected, matched))
            self._consume(matched)
            self._expected += matched
            self._after = self._expected
        if not self._pending or (not self._exact and self._waits()):
            return False
        self._expected = None
        self._searched = self._doubtful = 0
        return True

    def _waits(self) -> bool:
        """Likeness wants whole blocks and may doubt a few before it gives up."""
        left = len(self._pending) // WIDTH
        return left < BLOCK_SAMPLES or 0 < self._doubtful < PATIENCE_BLOCKS

    def _follow_exactly(self, expected: int) -> int:
        reference = self._recording[expected * WIDTH : expected * WIDTH + len(self._pending)]
        return _common_samples(bytes(self._pending), reference)

    def _follow_likeness(self, expected: int) -> int:
        """Samples that go on being like the recording; `_doubtful` counts unlike blocks at the end."""
        matched = 0
        self._doubtful = 0
        for at in range(0, len(self._pending) // WIDTH - BLOCK_SAMPLES + 1, BLOCK_SAMPLES):
            block = bytes(self._pending[at * WIDTH : (at + BLOCK_SAMPLES) * WIDTH])
            start = (expected + at) * WIDTH
            verdict = _alike(block, self._recording[start : start + len(block)])
            if verdict is None:
                self._doubtful = PATIENCE_BLOCKS
                break
            self._doubtful = 0 if verdict else self._doubtful + 1
            if self._doubtful >= PATIENCE_BLOCKS:
                break
            if verdict:
                matched = at + BLOCK_SAMPLES
        return matched

    def _search(self) -> bool:
        """Find a new place for pending audio; True when found, so that it can be followed."""
        found = self._search_exactly() if self._exact else self._search_likeness()
        if found is None and self._exact and len(self._pending) // WIDTH >= EXACT_TRIAL_SAMPLES:
            found = self._try_likeness()
        if found is None:
            return False
        at, place = found
        back = self._extend_back(at, place)
        self._consume(at - back)
        self._expected = place - back
        self._doubtful = 0
        return True

    def _try_likeness(self) -> tuple[int, int] | None:
        """Audio that is nowhere to be found exactly may have been amplified or converted on its way."""
        searched, self._searched = self._searched, 0
        found = self._search_likeness()
        self._exact = found is None
        self._searched = searched
        return found

    def _extend_back(self, at: int, place: int) -> int:
        limit = min(at, place)
        step = 1 if self._exact else BLOCK_SAMPLES
        if self._exact:
            mine = bytes(self._pending[(at - limit) * WIDTH : at * WIDTH])
            theirs = self._recording[(place - limit) * WIDTH : place * WIDTH]
            return _common_tail(mine, theirs)
        back = 0
        while back + step <= limit:
            mine = bytes(self._pending[(at - back - step) * WIDTH : (at - back) * WIDTH])
            theirs = self._recording[(place - back - step) * WIDTH : (place - back) * WIDTH]
            if not _alike(mine, theirs):
                break
            back += step
        return back

    def _search_exactly(self) -> tuple[int, int] | None:
        total = len(self._pending) // WIDTH
        while self._searched + WINDOW_SAMPLES <= total:
            at = self._searched
            window = bytes(self._pending[at * WIDTH : (at + WINDOW_SAMPLES) * WIDTH])
            if _is_distinctive(window):
                place = self._finder.exactly(window, self._after)
                if place is not None:
                    return at, place
            self._searched += WINDOW_SAMPLES
        return None

    def _search_likeness(self) -> tuple[int, int] | None:
        total = len(self._pending) // WIDTH
        while self._searched + PATTERN_SAMPLES <= total:
            at = self._searched
            pattern = bytes(self._pending[at * WIDTH : (at + PATTERN_SAMPLES) * WIDTH])
            self._searched += PATTERN_SAMPLES // 2
            if rms(pattern) >= SPEECH_RMS:
                place = self._finder.alike(pattern, self._after, wide=self._may_search_widely())
                if place is not None:
                    return at, place
        return None

    def _may_search_widely(self) -> bool:
        if self._pending_start < self._wide_search_at:
            return False
        self._wide_search_at = self._pending_start + WIDE_SEARCH_EVERY_SAMPLES
        return True

    def _consume(self, samples: int) -> None:
        del self._pending[: samples * WIDTH]
        self._pending_start += samples
        self._searched = 0

    def _forget(self) -> None:
        surplus = len(self._pending) // WIDTH - PENDING_SAMPLES
        if surplus > 0 and self._expected is None:
            searched = self._searched
            self._consume(surplus)
            self._searched = max(0, searched - surplus)


class _Finder:
    """Looks for pieces in the recording: first after a place, then before it."""

    def __init__(self, recording: bytes) -> None:
        self._recording = recording
        self._coarse = b""

    def exactly(self, window: bytes, after: int) -> int | None:
        """The sample at which these very bytes stand."""
        for start, end in ((after, len(self._recording)), (0, after + WINDOW_SAMPLES)):
            byte = self._recording.find(window, start * WIDTH, end * WIDTH)
            while byte % WIDTH and byte >= 0:
                byte = self._recording.find(window, byte + 1, end * WIDTH)
            if byte >= 0:
                return byte // WIDTH
        return None

    def alike(self, pattern: bytes, after: int, *, wide: bool) -> int | None:
        """The sample at which something like the pattern stands; `wide` looks beyond the next 30 s."""
        length = len(self._recording) // WIDTH
        near = min(after + NEAR_SAMPLES, length)
        ranges = [(max(0, after - BLOCK_SAMPLES), near)]
        if wide:
            ranges += [(near, length), (0, min(length, after + PATTERN_SAMPLES))]
        places = (self._best_in(pattern, start, end) for start, end in ranges)
        return next((place for place in places if place is not None), None)

    def _best_in(self, pattern: bytes, start: int, end: int) -> int | None:
        self._coarse = self._coarse or decimate(self._recording, COARSE)
        fragment = decimate(pattern, COARSE)
        reference = self._coarse[start // COARSE * WIDTH : end // COARSE * WIDTH]
        if len(reference) < len(fragment):
            return None
        rough = start // COARSE * COARSE + audioop.findfit(reference, fragment)[0] * COARSE
        low = max(0, rough - 4 * COARSE)
        detail = self._recording[low * WIDTH : (rough + 4 * COARSE + PATTERN_SAMPLES) * WIDTH]
        if len(detail) < len(pattern):
            return None
        place = low + audioop.findfit(detail, pattern)[0]
        piece = self._recording[place * WIDTH : place * WIDTH + len(pattern)]
        return place if likeness(pattern, piece) >= ALIKE else None


def _is_distinctive(window: bytes) -> bool:
    return len(set(memoryview(window).cast("h"))) >= DISTINCT_VALUES


def _alike(block: bytes, reference: bytes) -> bool | None:
    """True or False by likeness; None when one is quiet and the other is not, which is no doubt but a miss."""
    if len(reference) < len(block):
        return None
    mine, theirs = rms(block), rms(reference)
    if mine < QUIET_RMS and theirs < QUIET_RMS:
        return True
    if (mine < QUIET_RMS // 3 and theirs > SPEECH_RMS) or (theirs < QUIET_RMS // 3 and mine > SPEECH_RMS):
        return None
    return likeness(block, reference) >= STILL_ALIKE


def _common_samples(left: bytes, right: bytes) -> int:
    """Length in samples of the common beginning."""
    low, high = 0, min(len(left), len(right)) // WIDTH
    if left[: high * WIDTH] == right[: high * WIDTH]:
        return high
    while low < high - 1:
        middle = (low + high) // 2
        if left[: middle * WIDTH] == right[: middle * WIDTH]:
            low = middle
        else:
            high = middle
    return low


def _common_tail(left: bytes, right: bytes) -> int:
    """Length in samples of the common end of two pieces of equal length."""
    low, high = 0, len(left) // WIDTH
    if left == right:
        return high
    while low < high - 1:
        middle = (low + high) // 2
        if left[-middle * WIDTH :] == right[-middle * WIDTH :]:
            low = middle
        else:
            high = middle
    return low
