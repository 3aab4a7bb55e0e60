"""What is said, for hours: a labelled recording in a loop, what of it was heard when, and what reached the service."""

import bisect
import json
import re
from pathlib import Path

from satellite.emulator.aligner import Aligner
from satellite.emulator.pcm import read_wav
from tests.fakes.recordings import Recording, long_recording

RATE_HZ = 16_000
SLOT_SAMPLES = 160
"""What reached the service is noted by 10 ms."""
SERIAL = re.compile(r"(\d+)\W*$")


class Script:
    """A recording that can be told apart at every place, with every sentence numbered in its words."""

    def __init__(self, directory: Path, minutes: float, seed: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.recording: Recording = long_recording(directory / "speech.wav", minutes, seed)
        self.pcm = read_wav(self.recording.wav, RATE_HZ)
        self.raw = directory / "speech.raw"
        self.raw.write_bytes(self.pcm)
        self.samples = len(self.pcm) // 2
        labels = json.loads(self.recording.labels.read_text())
        self.words: list[tuple[int, int]] = []
        """First and last sample of each word."""
        self._starts: list[dict[str, int]] = []
        """Of each sentence, where its words start."""
        for number, sentence in enumerate(labels["sentences"]):
            self._number(sentence, number)
        self.recording.labels.write_text(json.dumps(labels))

    def _number(self, sentence: dict[str, object], number: int) -> None:
        words = sentence["words"]
        assert isinstance(words, list)
        for word in words:
            word["text"] = re.sub(r"(\w)(\W*)$", rf"\g<1>{number}\g<2>", word["text"])
            self.words.append((round(word["start_ms"] * 16), round(word["end_ms"] * 16)))
        sentence["text"] = " ".join(word["text"] for word in words)
        self._starts.append({word["text"]: round(word["start_ms"] * 16) for word in words})

    def start_of(self, text: str) -> int | None:
        """The sample of the loop with which a piece of transcript begins; None when it is none of ours."""
        found = SERIAL.search(text)
        number = int(found.group(1)) if found else -1
        return self._starts[number].get(text.split(maxsplit=1)[0]) if 0 <= number < len(self._starts) else None


class Playing:
    """When which sample of the endless loop was heard by the microphone: told now and then, straight in between."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._at_s: list[float] = []
        self._samples: list[int] = []

    def told(self, at_s: float, sample: int) -> None:
        """At that moment the microphone had heard that many samples of the loop in all."""
        if not self._samples or (sample >= self._samples[-1] and at_s > self._at_s[-1]):
            self._at_s.append(at_s)
            self._samples.append(sample)

    @property
    def newest(self) -> int:
        """The last sample known to have been heard."""
        return self._samples[-1] if self._samples else 0

    def heard_at(self, sample: int) -> float:
        """When a sample was heard; for one that is yet to come, when it will be if nothing stalls."""
        at = bisect.bisect_left(self._samples, sample)
        if at == len(self._samples):
            return self._at_s[-1] + (sample - self._samples[-1]) / RATE_HZ if self._samples else float("inf")
        if at == 0 or self._samples[at] == self._samples[at - 1]:
            return self._at_s[at]
        share = (sample - self._samples[at - 1]) / (self._samples[at] - self._samples[at - 1])
        return self._at_s[at - 1] + share * (self._at_s[at] - self._at_s[at - 1])

    def sample_at(self, moment_s: float) -> int:
        """How far the loop was at a moment."""
        at = bisect.bisect_right(self._at_s, moment_s)
        if at == 0:
            return 0
        passed = int((moment_s - self._at_s[at - 1]) * RATE_HZ)
        limit = self._samples[at] if at < len(self._samples) else self._samples[at - 1] + passed
        return min(self._samples[at - 1] + passed, limit)

    def absolute(self, sample_in_loop: int, now_s: float) -> int:
        """The last time that this place of the loop was heard by now, counted from the very beginning."""
        limit = self.newest + RATE_HZ * 2
        if self._at_s:
            limit += max(0, int((now_s - self._at_s[-1]) * RATE_HZ))
        return sample_in_loop + max(0, (limit - sample_in_loop) // self._script.samples) * self._script.samples


class Reached:
    """Which sound of the loop reached the service, on any connection."""

    def __init__(self, script: Script, playing: Playing) -> None:
        self._script = script
        self._playing = playing
        self._slots = bytearray()
        self._aligners: dict[int, Aligner] = {}
        self._progress_s: list[float] = []
        self._progress: list[int] = []

    def audio(self, connection: int, pcm: bytes, now_s: float) -> None:
        """Sound came in on a connection."""
        aligner = self._aligners.get(connection)
        if aligner is None:
            for old in [number for number in self._aligners if number < connection - 2]:
                del self._aligners[old]
            aligner = self._aligners[connection] = Aligner(self._script.pcm, exact=True)
        for run in aligner.push(pcm):
            start = self._playing.absolute(run.recording_start, now_s)
            self._mark(start, start + run.samples)
            if not self._progress or start + run.samples > self._progress[-1]:
                self._progress.append(start + run.samples)
                self._progress_s.append(now_s)

    def passed_s(self, sample: int) -> float:
        """When the service first took something spoken after a sample: that one was sent by then, or never."""
        at = bisect.bisect_right(self._progress, sample)
        return self._progress_s[at] if at < len(self._progress) else float("inf")

    def _mark(self, start: int, end: int) -> None:
        first, last = (start + SLOT_SAMPLES // 2) // SLOT_SAMPLES, (end + SLOT_SAMPLES // 2) // SLOT_SAMPLES
        if last > len(self._slots):
            self._slots += bytes(last - len(self._slots) + 10_000)
        self._slots[first:last] = b"\x01" * (last - first)

    def missing(self, start: int, end: int) -> list[tuple[int, int]]:
        """Labelled speech from one sample to another (counted from the beginning) that never came, in samples."""
        gaps: list[tuple[int, int]] = []
        length = self._script.samples
        for round_ in range(start // length, end // length + 1):
            for word_start, word_end in self._script.words:
                low, high = word_start + round_ * length, word_end + round_ * length
                if low >= start and high <= end:
                    gaps += self._gaps(low, high)
        return gaps

    def _gaps(self, low: int, high: int) -> list[tuple[int, int]]:
        slots = range(-(-low // SLOT_SAMPLES), high // SLOT_SAMPLES)
        lost = [slot for slot in slots if slot >= len(self._slots) or not self._slots[slot]]
        return [(slot * SLOT_SAMPLES, (slot + 1) * SLOT_SAMPLES) for slot in lost]
