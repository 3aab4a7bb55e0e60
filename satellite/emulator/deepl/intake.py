"""The upstream half of a connection: messages are read and judged, audio is queued for recognition."""

from dataclasses import dataclass

from satellite.emulator.deepl import framing
from satellite.emulator.deepl.rules import Breach, PaceRule, check_size
from satellite.emulator.deepl.service import Service
from satellite.emulator.deepl.tokens import Session
from satellite.emulator.media import make_decoder
from satellite.emulator.report import Arrival, ConnectionLog
from satellite.errors import MediaError


@dataclass(frozen=True, slots=True)
class Verdict:
    """A broken rule and its answer: an `error` message with `code`, or with `close_code` a connection error."""

    rule: str
    detail: str
    request: str
    code: int = 400
    close_code: int | None = None


class Intake:
    """Takes the messages of one connection in order of arrival."""

    def __init__(self, service: Service, session: Session, log: ConnectionLog) -> None:
        self._keep_audio = service.settings.keep_audio
        self._session = session
        self._log = log
        self._conversation = service.conversations[session.number]
        self._decoder = make_decoder(session.config.source_media)
        self._pace = PaceRule(service.settings.limits, service.stalls)
        log.pacing = self._pace.pacing

    def take(self, frame: str | bytes, arrived_s: float) -> Verdict | None:
        """Use one message, or say which rule it breaks."""
        try:
            message = framing.decode(frame, self._session.config.message_format)
        except framing.FramingError as fault:
            return Verdict(fault.rule, str(fault), fault.request, close_code=fault.close_code)
        if self._session.input_ended:
            rule = "audio_after_end" if message.name == "source_media_chunk" else "end_repeated"
            return Verdict(rule, f"{message.name} after end_of_source_media", message.name)
        if message.name == "end_of_source_media":
            self._session.input_ended = True
            self._conversation.listen(None, arrived_s)
            return None
        breach = check_size(message.wire_bytes, len(message.audio), self._decoder.frame_bytes)
        breach = breach or self._accept(message.audio, arrived_s)
        return None if breach is None else Verdict(breach.rule, breach.detail, message.name, breach.code)

    def _accept(self, audio: bytes, arrived_s: float) -> Breach | None:
        try:
            pcm, duration_ms = self._decoder.push(audio)
        except MediaError as fault:
            return Breach("undecodable_audio", str(fault), 400)
        breach = self._pace.chunk(duration_ms, arrived_s)
        self._session.last_data_s = arrived_s
        self._log.arrivals.append(Arrival(arrived_s, len(audio), duration_ms))
        if self._keep_audio:
            self._log.audio += audio
            self._log.pcm_16k += pcm
        self._conversation.listen(pcm, arrived_s)
        return breach
