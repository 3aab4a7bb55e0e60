"""Speech for translations: espeak-ng where it is installed, a given recording, or a tone for each word."""

import array
import asyncio
import math
import shutil
from pathlib import Path

from satellite.emulator.pcm import read_wav, trim

SPEECH_RATE_HZ = 24_000
WORD_MS = 180
FADE_SAMPLES = 240


class Synthesiser:
    """Gives 24 kHz mono s16le for a text, without silence around it; `kind`: auto, espeak or tones."""

    def __init__(self, kind: str, speech_wav: Path | None) -> None:
        self._given = read_wav(speech_wav, SPEECH_RATE_HZ) if speech_wav is not None else None
        self._espeak = shutil.which("espeak-ng") if kind in ("auto", "espeak") else None

    async def speak(self, text: str, language: str) -> bytes:
        """Synthesise one segment."""
        if self._given is not None:
            return self._given
        spoken = await self._run_espeak(text.strip(), language) if self._espeak else b""
        return spoken or tones(text)

    async def _run_espeak(self, text: str, language: str) -> bytes:
        """Empty when espeak-ng has no such voice."""
        for voice in (language.lower(), language.partition("-")[0].lower()):
            process = await asyncio.create_subprocess_exec(
                str(self._espeak), "-v", voice, "--stdin", "--stdout",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            output, _ = await process.communicate(text.encode())
            if process.returncode == 0 and len(output) > 44:
                return trim(read_wav(output, SPEECH_RATE_HZ), SPEECH_RATE_HZ)
        return b""


def tones(text: str) -> bytes:
    """One tone for each word, its pitch from the word's length."""
    samples = SPEECH_RATE_HZ * WORD_MS // 1000
    out = array.array("h")
    for word in text.split() or ["."]:
        step = 2 * math.pi * (220 + 40 * (len(word) % 12)) / SPEECH_RATE_HZ
        for at in range(samples):
            fade = min(1.0, at / FADE_SAMPLES, (samples - at) / FADE_SAMPLES)
            out.append(int(9_000 * fade * math.sin(step * at)))
    return out.tobytes()
