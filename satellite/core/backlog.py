"""Backlog: audio on its way to a voice session, bounded, oldest dropped first, outliving every session.

Marks are bounded too: one waits only for an utterance of which audio waits, and for the one that was taken from last.
"""

from collections import deque
from dataclasses import dataclass

from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, AudioChunk
from satellite.errors import LocalMisuse

CONTIGUOUS_S = 0.001
"""Chunks whose times fit this closely are one stretch of audio."""


@dataclass(frozen=True, slots=True)
class UtteranceEnd:
    """Mark behind the last audio of an utterance."""

    utterance_id: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Audio that had to go. `is_whole`: the utterance's mark went with it, for no session ever had any of it."""

    utterance_id: str
    samples: int
    is_whole: bool = False


@dataclass(slots=True)
class _Waiting:
    """A chunk of which the first `taken_samples` are gone."""

    chunk: AudioChunk
    taken_samples: int = 0

    @property
    def samples(self) -> int:
        return self.chunk.samples - self.taken_samples

    @property
    def start_s(self) -> float:
        return self.chunk.start_s + self.taken_samples / RATE_HZ

    def take(self, samples: int) -> AudioChunk:
        """Take that many samples from the front; the untouched whole chunk is handed over as it is."""
        if samples == self.chunk.samples:
            self.taken_samples = samples
            return self.chunk
        start_s, first = self.start_s, self.taken_samples
        self.taken_samples += samples
        data = self.chunk.data[first * SAMPLE_BYTES : self.taken_samples * SAMPLE_BYTES]
        return AudioChunk(data, start_s, self.chunk.utterance_id)


class Backlog:
    """Audio waiting to be sent. Over the bound the oldest is dropped; of what was taken in part the mark stays."""

    def __init__(self, capacity_samples: int) -> None:
        self._capacity_samples = capacity_samples
        self._entries: deque[_Waiting | UtteranceEnd] = deque()
        self._samples = 0
        self._taken_id: str | None = None

    @property
    def samples(self) -> int:
        """How much audio waits."""
        return self._samples

    @property
    def seconds(self) -> float:
        """How long the waiting audio lasts."""
        return self._samples / RATE_HZ

    @property
    def has_end(self) -> bool:
        """True when no more audio comes of the utterance in front."""
        if not self._entries:
            return False
        front, newest = self._entries[0], self._entries[-1]
        if isinstance(front, UtteranceEnd) or isinstance(newest, UtteranceEnd):
            return True
        return front.chunk.utterance_id != newest.chunk.utterance_id

    @property
    def is_empty(self) -> bool:
        """True when neither audio nor a mark waits."""
        return not self._entries

    def append(self, chunk: AudioChunk) -> tuple[Dropped, ...]:
        """Add audio behind all that waits; tells what had to go for it, one entry per utterance, oldest first."""
        if not chunk.samples:
            return ()
        self._entries.append(_Waiting(chunk))
        self._samples += chunk.samples
        return self._drop(self._samples - self._capacity_samples)

    def end_utterance(self, utterance_id: str) -> bool:
        """Put the mark behind the audio of an utterance.

        False, and no mark, when there is nothing to end: none of its audio waits and none was ever taken.
        """
        newest = self._entries[-1] if self._entries else None
        waits = isinstance(newest, _Waiting) and newest.chunk.utterance_id == utterance_id
        if not waits and utterance_id != self._taken_id:
            return False
        self._entries.append(UtteranceEnd(utterance_id))
        return True

    def take(self, max_samples: int) -> AudioChunk | UtteranceEnd | None:
        """The next piece in order; None when nothing waits.

        Audio comes in pieces of `max_samples`, smaller only where a mark, another utterance or a gap of more
        than 1 ms follows, or nothing more waits.
        """
        if max_samples <= 0:
            raise LocalMisuse(f"take({max_samples}): a piece has at least one sample")
        if not self._entries:
            return None
        head = self._entries[0]
        if isinstance(head, UtteranceEnd):
            self._entries.popleft()
            return head
        return self._merge(head, max_samples)

    def discard_audio(self) -> tuple[Dropped, ...]:
        """Forget all audio. Tells what went, one entry per utterance, oldest first."""
        return self._drop(self._samples)

    def _merge(self, head: _Waiting, max_samples: int) -> AudioChunk:
        """Audio from the front, as far as it is of one utterance and contiguous."""
        first = self._take_from(head, max_samples)
        end_s, samples, parts = _end_s(first), first.samples, [first.data]
        while samples < max_samples and (entry := self._continuation(first.utterance_id, end_s)) is not None:
            piece = self._take_from(entry, max_samples - samples)
            end_s = _end_s(piece)
            samples += piece.samples
            parts.append(piece.data)
        return first if len(parts) == 1 else AudioChunk(b"".join(parts), first.start_s, first.utterance_id)

    def _continuation(self, utterance_id: str, end_s: float) -> _Waiting | None:
        """The waiting audio that continues an utterance where it stopped at `end_s`."""
        entry = self._entries[0] if self._entries else None
        if not isinstance(entry, _Waiting) or entry.chunk.utterance_id != utterance_id:
            return None
        return entry if abs(entry.start_s - end_s) <= CONTIGUOUS_S else None

    def _take_from(self, entry: _Waiting, max_samples: int) -> AudioChunk:
        """Up to `max_samples` of the audio at the front."""
        piece = entry.take(min(entry.samples, max_samples))
        self._samples -= piece.samples
        self._taken_id = piece.utterance_id
        if not entry.samples:
            self._entries.popleft()
        return piece

    def _drop(self, excess_samples: int) -> tuple[Dropped, ...]:
        """Drop that many of the oldest samples, and the marks that are left without audio."""
        dropped: dict[str, int] = {}
        kept: list[UtteranceEnd] = []
        whole: set[str] = set()
        while excess_samples > 0 or (dropped and self._has_mark_in_front):
            entry = self._entries.popleft()
            if isinstance(entry, _Waiting):
                samples = min(entry.samples, excess_samples)
                entry.taken_samples += samples
                excess_samples -= samples
                self._samples -= samples
                utterance_id = entry.chunk.utterance_id
                dropped[utterance_id] = dropped.get(utterance_id, 0) + samples
                if entry.samples:
                    self._entries.appendleft(entry)
            elif entry.utterance_id == self._taken_id:
                kept.append(entry)
            else:
                whole.add(entry.utterance_id)
        self._entries.extendleft(reversed(kept))
        return tuple(Dropped(utterance_id, samples, utterance_id in whole) for utterance_id, samples in dropped.items())

    @property
    def _has_mark_in_front(self) -> bool:
        return bool(self._entries) and isinstance(self._entries[0], UtteranceEnd)


def _end_s(chunk: AudioChunk) -> float:
    """Time behind the last sample."""
    return chunk.start_s + chunk.samples / RATE_HZ
