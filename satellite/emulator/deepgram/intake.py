"""The upstream half of a connection: what comes is judged; audio and control messages are queued in their order."""

import json
from dataclasses import dataclass

from satellite.emulator.deepgram.controls import Control, UnparsableError, parse
from satellite.emulator.deepgram.hearing import Hearing
from satellite.emulator.deepgram.pace import PaceRule
from satellite.emulator.deepgram.service import Service, Session
from satellite.emulator.media import make_decoder
from satellite.emulator.report import Arrival, ConnectionLog
from satellite.errors import MediaError


@dataclass(frozen=True, slots=True)
class Verdict:
    """A broken rule; `close_code` where the connection is closed with it, else it is answered by a fatal error.

    `is_noted` only: the service itself takes it.
    """

    rule: str
    detail: str
    close_code: int | None = None
    is_noted: bool = False


class Intake:
    """Takes the messages of one connection in order of arrival."""

    def __init__(self, service: Service, session: Session, log: ConnectionLog, hearing: Hearing) -> None:
        self._service = service
        self._log = log
        self._hearing = hearing
        self._decoder = make_decoder(session.config.media)
        self._pace = PaceRule(service.settings.limits, service.stalls)
        log.pacing = self._pace.pacing
        self.is_connected = False
        self.is_over = False
        """`CloseStream` came."""
        self.last_s = log.opened_s
        """When audio or a message about a turn came last."""

    def take(self, frame: str | bytes, arrived_s: float) -> Control | Verdict | None:
        """Use one message; a control message is handed back, or the rule that was broken."""
        if self.is_over:
            return Verdict("after_close_stream", "a message after CloseStream", is_noted=True)
        self.last_s = arrived_s
        if isinstance(frame, bytes):
            return self._audio(frame, arrived_s)
        try:
            control = parse(frame)
        except UnparsableError as fault:
            return Verdict(fault.rule, str(fault))
        self.is_over = control.type == "CloseStream"
        return control

    def _audio(self, data: bytes, arrived_s: float) -> Verdict | None:
        if not data:
            return Verdict("empty_audio", "an empty binary message", 1008)
        if _is_control(data):
            return Verdict("control_as_binary", "a control message in a binary message", 1008)
        if len(data) % self._decoder.frame_bytes:
            return Verdict("cut_sample", f"{len(data)} bytes are no multiple of {self._decoder.frame_bytes}", 1008)
        try:
            pcm, duration_ms = self._decoder.push(data)
        except MediaError as fault:
            return Verdict("undecodable_audio", str(fault), 1008)
        self._log.arrivals.append(Arrival(arrived_s, len(data), duration_ms))
        if not self.is_connected:
            return Verdict("audio_before_connected", "audio that nobody hears yet", is_noted=True)
        if self._service.settings.keep_audio:
            self._log.audio += data
            self._log.pcm_16k += pcm
        self._hearing.listen(pcm, arrived_s)
        too_early = self._pace.chunk(duration_ms, arrived_s)
        return None if too_early is None else Verdict("too_fast", too_early, is_noted=True)


def _is_control(data: bytes) -> bool:
    if not data.startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False
