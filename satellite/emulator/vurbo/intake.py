"""Audio of the emulated Vurbo service: judged, decoded, kept back in a pause (Vurbo reference §3A.2, §3B.2)."""

import base64
import binascii
import re

from satellite.core.audio import RATE_HZ
from satellite.emulator.conversation import Conversation
from satellite.emulator.media import make_decoder
from satellite.emulator.pcm import WIDTH, rms
from satellite.emulator.report import Arrival
from satellite.emulator.vurbo.schema import Refusal
from satellite.emulator.vurbo.service import Service, Session
from satellite.errors import MediaError

MEDIA = {"pcm": f"audio/pcm;encoding=s16le;rate={RATE_HZ}", "webm": "audio/webm;codecs=opus"}
SILENT_RMS = 40
CACHE_BYTES = 60 * RATE_HZ * WIDTH
"""Audio received in a pause; the service names no number."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


class _BadAudioError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def _bytes_of(payload: object) -> bytes:
    try:
        if isinstance(payload, str) and _BASE64.fullmatch(payload):
            return base64.b64decode(payload, validate=True)
    except binascii.Error:
        pass
    raise _BadAudioError(Refusal("audio_invalid_format", "not plain base64", "bad_base64"))


def _check_pcm(audio: bytes) -> None:
    if not audio or len(audio) % WIDTH:
        rule = "cut_sample" if audio else "empty_audio"
        raise _BadAudioError(Refusal("audio_decode_failed", f"{len(audio)} bytes", rule))
    if audio.startswith(b"RIFF"):
        raise _BadAudioError(Refusal("audio_decode_failed", "a WAV header where PCM is due", "wav_header"))


class Intake:
    """Takes the audio of one session."""

    def __init__(self, service: Service, session: Session, conversation: Conversation) -> None:
        self._service = service
        self._session = session
        self._conversation = conversation
        self._decoder = make_decoder(MEDIA[session.course.audio_format])
        self._cached: list[tuple[bytes, float]] = []
        self._cached_bytes = 0
        self._silent_ms = 0.0
        self._has_told_silence = False
        self.heard_ms = 0.0
        """How much was handed to recognition."""

    def take(self, payload: object, now: float) -> Refusal | None:
        """One `audio`; what is wrong with it."""
        refusal = self._placed_wrongly()
        if refusal is not None:
            return refusal
        try:
            audio = _bytes_of(payload)
            if self._session.course.audio_format == "pcm":
                _check_pcm(audio)
            pcm, duration_ms = self._decoder.push(audio)
        except _BadAudioError as fault:
            return fault.refusal
        except MediaError as fault:
            return Refusal("audio_decode_failed", str(fault), "undecodable_audio")
        self._accept(audio, pcm, duration_ms, now)
        return None

    def _placed_wrongly(self) -> Refusal | None:
        course = self._session.course
        if self._session.stopped_s is not None:
            return Refusal("session_not_started", "audio after stop", "audio_after_stop")
        is_silent = course.speaking is None or course.is_ending_speech
        if course.mode == "manual" and course.kind == "conversation" and is_silent:
            return Refusal("conversation_not_speaking", "audio while nobody speaks", "audio_outside_speaking")
        return None

    def _accept(self, audio: bytes, pcm: bytes, duration_ms: float, now: float) -> None:
        log = self._session.log
        log.arrivals.append(Arrival(now, len(audio), duration_ms))
        if self._service.settings.keep_audio:
            log.audio += audio
            log.pcm_16k += pcm
        self._judge_silence(pcm)
        if self._session.course.is_paused:
            self._cached.append((pcm, now))
            self._cached_bytes += len(pcm)
            while self._cached_bytes > CACHE_BYTES:
                self._cached_bytes -= len(self._cached.pop(0)[0])
        else:
            self._hear(pcm, now)

    def resume(self) -> None:
        """A pause is over: what came in it is processed now."""
        cached, self._cached, self._cached_bytes = self._cached, [], 0
        for pcm, at_s in cached:
            self._hear(pcm, at_s)

    def _hear(self, pcm: bytes, at_s: float) -> None:
        self.heard_ms += len(pcm) / WIDTH * 1000 / RATE_HZ
        self._conversation.listen(pcm, at_s)

    def _judge_silence(self, pcm: bytes) -> None:
        """A session is no place for silence around the clock."""
        self._silent_ms = 0.0 if rms(pcm) >= SILENT_RMS else self._silent_ms + len(pcm) / WIDTH * 1000 / RATE_HZ
        if self._silent_ms > self._service.settings.limits.silence_s * 1000 and not self._has_told_silence:
            self._has_told_silence = True
            detail = f"{self._silent_ms / 1000:.0f} s of silence were sent"
            self._service.ledger.record("streams_silence", detail, self._session.number)
