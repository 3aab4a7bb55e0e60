"""Long labelled recordings of human voices where these are installed, of synthesised ones where not.

Voices: the ALSA test clips (alsa-utils), and the Asterisk prompts by Allison Smith (CC-BY-SA-3.0; Debian package
asterisk-core-sounds-en-g722, which pulls in no Asterisk; `apt-get download` and `dpkg -x` do as well, with
SATELLITE_SOUNDS naming the folder that holds the .g722 files). Word times inside a clip are shares by letters of its
sounding part; sentence times are exact to 10 ms.
"""

import array
import audioop
import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from satellite.emulator.pcm import read_wav, rms, trim, write_wav

RATE_HZ = 16_000
NOISE_SHARE = 0.0006
LEVEL_RMS = 2_200
ALSA = Path("/usr/share/sounds/alsa")
ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
PROMPTS = {
    "agent-loggedoff": "Agent logged off.",
    "agent-loginok": "Agent logged in.",
    "agent-pass": "Please enter your password, followed by the pound key.",
    "all-circuits-busy-now": "All circuits are busy now.",
    "cannot-complete-as-dialed": "Your call cannot be completed as dialed.",
    "check-number-dial-again": "Please check the number and dial again.",
    "conf-hasjoin": "Has joined the conference.",
    "conf-hasleft": "Has left the conference.",
    "conf-kicked": "You have been kicked from this conference.",
    "conf-onlyperson": "You are currently the only person in this conference.",
    "conf-waitforleader": "The conference will begin when the leader arrives.",
    "do-not-disturb": "Do not disturb.",
    "goodbye": "Goodbye.",
    "hello-world": "Hello world.",
    "im-sorry": "I'm sorry.",
    "one-moment-please": "One moment, please.",
    "please-try-again": "Please try again.",
    "please-try-call-later": "Please try your call again later.",
    "pls-hold-while-try": "Please hold while I try to locate the person you are calling.",
    "queue-thankyou": "Thank you for your patience.",
    "something-terribly-wrong": "Something is terribly wrong.",
    "vm-isonphone": "Is on the phone.",
    "vm-tooshort": "Your message is too short.",
}
SYNTHESISED = (
    "The morning bus was late again.",
    "My sister plays the violin on Sundays.",
    "We need bread, milk, and a little butter.",
    "Is the back door locked?",
    "Tomorrow it will rain in the north.",
    "The library closes at six.",
)


@dataclass(frozen=True, slots=True)
class Clip:
    text: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    wav: Path
    labels: Path
    sentences: tuple[str, ...]
    duration_s: float


def alsa_clips() -> list[Clip]:
    names = sorted(path for path in ALSA.glob("*_*.wav"))
    return [Clip(f"{path.stem.replace('_', ' ').capitalize()}.", read_wav(path, RATE_HZ)) for path in names]


def asterisk_clips() -> list[Clip]:
    folder = Path(os.environ.get("SATELLITE_SOUNDS", ASTERISK))
    found = [(folder / f"{name}.g722", text) for name, text in PROMPTS.items()]
    return [Clip(text, _decode_g722(path)) for path, text in found if path.is_file()]


def _decode_g722(path: Path) -> bytes:
    import av  # noqa: PLC0415 - heavy, and not needed without the prompts

    with av.open(str(path), format="g722") as container:
        return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in container.decode(audio=0))


def synthesised_clips() -> list[Clip]:
    if shutil.which("espeak-ng") is None:
        return []
    clips = []
    for text in SYNTHESISED:
        done = subprocess.run(["espeak-ng", "-v", "en-gb", "--stdout", text], capture_output=True, check=True)
        clips.append(Clip(text, read_wav(done.stdout, RATE_HZ)))
    return clips


def clips() -> list[Clip]:
    """Every clip that can be had here, at one level and without silence around it; human ones where there are any."""
    found = [*alsa_clips(), *asterisk_clips()] or synthesised_clips()
    trimmed = [Clip(clip.text, trim(_levelled(clip.pcm), RATE_HZ)) for clip in found]
    if not trimmed:
        raise RuntimeError("no voices: install alsa-utils, asterisk-core-sounds-en-g722 or espeak-ng")
    return trimmed


def _levelled(pcm: bytes) -> bytes:
    return audioop.mul(pcm, 2, LEVEL_RMS / max(1, rms(pcm)))


def long_recording(path: Path, minutes: float, seed: int = 1) -> Recording:
    """Write `path` (WAV) and its labels: clips in random order, pauses of 1.5 to 4 s, no two places alike."""
    rng = random.Random(seed)
    pcm = bytearray(_silence(1_000))
    sentences = []
    for clip in _endless(clips(), rng):
        if len(pcm) + len(clip.pcm) > minutes * 60 * RATE_HZ * 2:
            break
        sentences.append(_label(clip, len(pcm) // 2))
        pcm += clip.pcm + _silence(rng.randint(1_500, 4_000))
    noisy = audioop.add(bytes(pcm), _noise(len(pcm) // 2, rng), 2)
    write_wav(path, noisy, RATE_HZ)
    labels = path.with_suffix(".labels.json")
    labels.write_text(json.dumps({"language": "en", "sentences": sentences}), encoding="utf-8")
    texts = tuple(str(sentence["text"]) for sentence in sentences)
    return Recording(path, labels, texts, len(noisy) / 2 / RATE_HZ)


def _endless(choice: list[Clip], rng: random.Random) -> Iterator[Clip]:
    while True:
        yield from rng.sample(choice, len(choice))


def _silence(milliseconds: int) -> bytes:
    return bytes(milliseconds * RATE_HZ // 1000 * 2)


def _noise(samples: int, rng: random.Random) -> bytes:
    """White noise; it makes every place unique, so that repeated clips can be told apart."""
    return audioop.mul(rng.randbytes(samples * 2), 2, NOISE_SHARE)


def _label(clip: Clip, origin: int) -> dict[str, object]:
    words = clip.text.split()
    letters = [len(word) + 1 for word in words]
    edges = array.array("d", [0.0])
    for count in letters:
        edges.append(edges[-1] + count / sum(letters))
    length = len(clip.pcm) // 2
    times = [round((origin + edge * length) * 1000 / RATE_HZ, 1) for edge in edges]
    entries = [
        {"text": word, "start_ms": start, "end_ms": end}
        for word, start, end in zip(words, times, times[1:], strict=False)
    ]
    return {"text": clip.text, "start_ms": times[0], "end_ms": times[-1], "words": entries}
