"""Makes satellite/data/demo.wav and satellite/data/demo.labels.json.

Licence of the result: the audio is synthesised by this script with espeak-ng from the sentences below, which were
written for it; it carries the licence of this project. Needs libespeak-ng (Debian: espeak-ng). Word times are the
synthesiser's own word events, clipped to where sound really begins and ends; the noise floor is seeded, so that the
same library gives the same files.

    python scripts/make_demo_recording.py [DIRECTORY]
"""

import array
import ctypes
import ctypes.util
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from satellite.emulator.pcm import resample, rms, write_wav

RATE_HZ = 16_000
LEAD_MS = 800
PAUSE_MS = 1_600
NOISE_RMS = 12
LEVEL_RMS = 2_600
EDGE_RMS = 60
SENTENCES = (
    ("en-gb", "Good morning, the kitchen light is on."),
    ("en-us+f3", "Please close the window before it starts to rain."),
    ("en-gb", "The train to the city leaves at half past nine."),
    ("en-us+f3", "Two friends are waiting in the garden, and the coffee is ready."),
    ("en-gb", "Thank you, that is all for today."),
)


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))
_LIST_TERMINATED, _WORD = 0, 1
_RETRIEVAL_MODE = 2


@dataclass(frozen=True, slots=True)
class Sentence:
    """One synthesised sentence at 16 kHz without silence around it; word starts in samples."""

    text: str
    pcm: bytes
    starts: list[int]


class Espeak:
    """libespeak-ng with its word events."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("espeak-ng")
        if name is None:
            sys.exit("libespeak-ng is not installed: apt install espeak-ng")
        self._library = ctypes.CDLL(name)
        self.rate_hz = int(self._library.espeak_Initialize(_RETRIEVAL_MODE, 500, None, 0))
        self._pcm = bytearray()
        self._events: list[tuple[int, int]] = []
        self._callback = _CALLBACK(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: int | None, count: int, events: "ctypes._Pointer[_Event]") -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, count * 2)
        at = 0
        while events[at].type != _LIST_TERMINATED:
            if events[at].type == _WORD:
                self._events.append((events[at].text_position, events[at].sample))
            at += 1
        return 0

    def speak(self, voice: str, text: str) -> Sentence:
        """Synthesise one sentence."""
        self._pcm.clear()
        self._events.clear()
        self._library.espeak_SetVoiceByName(voice.encode())
        data = text.encode() + b"\0"
        self._library.espeak_Synth(data, len(data), 0, 1, 0, 1, None, None)
        self._library.espeak_Synchronize()
        pcm = bytes(self._pcm)
        start, end = _sounding(pcm, self.rate_hz)
        ratio = RATE_HZ / self.rate_hz
        words = _word_starts(text, dict(reversed(self._events)), end)
        starts = [round((max(start, word) - start) * ratio) for word in words]
        return Sentence(text, resample(pcm[start * 2 : end * 2], self.rate_hz, RATE_HZ), starts)


def _word_starts(text: str, events: dict[int, int], end: int) -> list[int]:
    """Start of each word; words that the synthesiser ran together share their time by their letters."""
    known = [(position - 1, sample) for position, sample in sorted(events.items())] + [(len(text) + 1, end)]
    starts = []
    position = 0
    for word in text.split():
        at = max(index for index, (place, _) in enumerate(known[:-1]) if place <= position)
        (place, sample), (next_place, next_sample) = known[at], known[at + 1]
        starts.append(sample + (next_sample - sample) * (position - place) // (next_place - place))
        position += len(word) + 1
    return starts


def _sounding(pcm: bytes, rate_hz: int) -> tuple[int, int]:
    """First and last sounding sample, to 5 ms."""
    block = rate_hz // 200
    loud = [at for at in range(0, len(pcm) // 2, block) if rms(pcm[at * 2 : (at + block) * 2]) > EDGE_RMS]
    return loud[0], min(len(pcm) // 2, loud[-1] + block)


def _levelled(pcm: bytes) -> list[float]:
    factor = LEVEL_RMS / max(1, rms(pcm))
    return [sample * factor for sample in array.array("h", pcm)]


def build(sentences: tuple[tuple[str, str], ...]) -> tuple[bytes, dict[str, object]]:
    """The recording (16 kHz mono s16le) and its labels."""
    espeak = Espeak()
    samples = [0.0] * (LEAD_MS * RATE_HZ // 1000)
    labels = []
    for voice, text in sentences:
        sentence = espeak.speak(voice, text)
        origin = len(samples)
        samples += _levelled(sentence.pcm)
        labels.append(_label(sentence, origin, len(samples)))
        samples += [0.0] * (PAUSE_MS * RATE_HZ // 1000)
    noise = random.Random(20)
    noisy = (max(-32_768, min(32_767, round(sample + noise.gauss(0, NOISE_RMS)))) for sample in samples)
    return array.array("h", noisy).tobytes(), {"language": "en", "sentences": labels}


def _label(sentence: Sentence, origin: int, end: int) -> dict[str, object]:
    def milliseconds(sample: int) -> float:
        return round(sample * 1000 / RATE_HZ, 1)

    starts = [origin + start for start in sentence.starts]
    ends = [*starts[1:], end]
    words = [
        {"text": text, "start_ms": milliseconds(start), "end_ms": milliseconds(stop)}
        for text, start, stop in zip(sentence.text.split(), starts, ends, strict=True)
    ]
    return {"text": sentence.text, "start_ms": milliseconds(origin), "end_ms": milliseconds(end), "words": words}


def main() -> None:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "satellite" / "data"
    pcm, labels = build(SENTENCES)
    write_wav(directory / "demo.wav", pcm, RATE_HZ)
    text = json.dumps(labels, indent=1, ensure_ascii=False) + "\n"
    (directory / "demo.labels.json").write_text(text, encoding="utf-8")
    print(f"{len(pcm) / 2 / RATE_HZ:.1f} s, {len(SENTENCES)} sentences")


if __name__ == "__main__":
    main()
