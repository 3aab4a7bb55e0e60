"""Recognition of any English speech by pocketsphinx, where it is installed; rough, but without a recording."""

from satellite.core.audio import FRAME_SAMPLES, RATE_HZ, ms_of_samples
from satellite.emulator.pcm import WIDTH, rms
from satellite.emulator.recogniser import Heard, HeardWord
from satellite.errors import MediaError

SPEECH_RMS = 300
PAUSE_SAMPLES = RATE_HZ // 2
LEAD_SAMPLES = RATE_HZ // 4
FRAME_BYTES = FRAME_SAMPLES * WIDTH


class SphinxRecogniser:
    """Cuts the stream at pauses of half a second and decodes each piece; MediaError when pocketsphinx is missing."""

    is_slow = True

    def __init__(self) -> None:
        try:
            from pocketsphinx import Decoder  # noqa: PLC0415 - loaded only when used
        except ImportError as fault:
            raise MediaError("the recogniser pocketsphinx needs the package: pip install pocketsphinx") from fault
        self._decoder = Decoder(samprate=RATE_HZ, loglevel="FATAL")
        self._carry = bytearray()
        self._speech = bytearray()
        self._start = 0
        self._samples = 0
        self._quiet = 0
        self._pieces = 0

    def push(self, pcm: bytes, at_s: float) -> Heard:  # noqa: ARG002 - the shape of a recogniser
        """Decode the pieces that this audio completes."""
        self._carry += pcm
        heard = Heard()
        while len(self._carry) >= FRAME_BYTES:
            frame = bytes(self._carry[:FRAME_BYTES])
            del self._carry[:FRAME_BYTES]
            heard.words += self._frame(frame)
        return heard

    def finish(self) -> Heard:
        """Decode what is left."""
        return Heard(words=self._decode() if self._has_speech else [])

    @property
    def _has_speech(self) -> bool:
        return len(self._speech) > LEAD_SAMPLES * WIDTH

    def _frame(self, frame: bytes) -> list[HeardWord]:
        self._samples += FRAME_SAMPLES
        is_loud = rms(frame) >= SPEECH_RMS
        self._quiet = 0 if is_loud else self._quiet + FRAME_SAMPLES
        if is_loud or self._has_speech:
            self._speech += frame
        else:
            self._speech = (self._speech + frame)[-LEAD_SAMPLES * WIDTH :]
            self._start = self._samples - len(self._speech) // WIDTH
        return self._decode() if self._has_speech and self._quiet >= PAUSE_SAMPLES else []

    def _decode(self) -> list[HeardWord]:
        self._decoder.start_utt()
        self._decoder.process_raw(bytes(self._speech), no_search=False, full_utt=True)
        self._decoder.end_utt()
        self._pieces += 1
        words = []
        for part in self._decoder.seg() or ():
            text = part.word.split("(")[0]
            if not text.startswith(("<", "[")):
                origin_ms = round(ms_of_samples(self._start))
                start_ms, end_ms = origin_ms + part.start_frame * 10, origin_ms + part.end_frame * 10
                words.append(HeardWord(text, start_ms, end_ms, (0, self._pieces)))
        self._speech.clear()
        self._start = self._samples
        return words
