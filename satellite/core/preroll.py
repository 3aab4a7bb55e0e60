"""PreRoll: the latest audio before an utterance, sent with it so that its first sound is not cut off."""

from collections import deque

from satellite.core.audio import SAMPLE_BYTES


class PreRoll:
    """Keeps the newest `capacity_samples` pushed, and never anything that was not pushed."""

    def __init__(self, capacity_samples: int) -> None:
        self._capacity_bytes = capacity_samples * SAMPLE_BYTES
        self._frames: deque[bytes] = deque()
        self._held_bytes = 0

    @property
    def samples(self) -> int:
        """How many samples are held."""
        return self._held_bytes // SAMPLE_BYTES

    def push(self, frame: bytes) -> None:
        """Add whole samples of any number; the oldest beyond the capacity go."""
        self._frames.append(frame)
        self._held_bytes += len(frame)
        excess_bytes = self._held_bytes - self._capacity_bytes
        while excess_bytes > 0:
            oldest = self._frames.popleft()
            if len(oldest) > excess_bytes:
                self._frames.appendleft(oldest[excess_bytes:])
            gone_bytes = min(len(oldest), excess_bytes)
            self._held_bytes -= gone_bytes
            excess_bytes -= gone_bytes

    def take(self) -> bytes:
        """Hand over all that is held, oldest first; nothing is left behind."""
        audio = b"".join(self._frames)
        self.clear()
        return audio

    def clear(self) -> None:
        """Forget all that is held."""
        self._frames.clear()
        self._held_bytes = 0
