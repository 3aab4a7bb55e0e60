"""Outlet: audio on its way to the socket: encoded, paced, counted, and remembered until it is known to have arrived."""

from collections.abc import Sequence

from satellite.backends.base import Action, CloseSocket, SendPing
from satellite.backends.flight import SILENT_S, Flight
from satellite.backends.line import Line
from satellite.backends.pacer import Pace, Pacer
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, AudioChunk, samples_of_ms
from satellite.core.events import AudioLost

SILENCE_SAMPLES = samples_of_ms(100)
UNACKNOWLEDGED_S = 10.0
"""In a room nothing acknowledges audio. Taken to be lost with it is what was handed over since the service said
anything, and no more than this: what carries the room notices within that time that nothing gets through."""
_NEVER = float("inf")


class Outlet:
    """Hands audio to the socket. Whether it is time to is the caller's business: see `ready_at`."""

    def __init__(self, line: Line, pace: Pace, *, has_pongs: bool = True) -> None:
        self._line = line
        self._has_pongs = has_pongs
        self._pacer = Pacer(pace)
        self._flight = Flight(pace.alone_s)
        self._held: list[tuple[int, str | None]] = []
        self._is_cut = False
        self._lost: dict[str, int] = {}
        self.sounds_until = float("-inf")
        """When what was sent last would end if it were heard in real time."""
        self.last_data_at: float | None = None
        """When the service was sent anything last; None for never."""

    @property
    def ready_at(self) -> float:
        """Monotonic seconds from which the next chunk may go; infinite while the link must take up the last first."""
        return _NEVER if self._has_pongs and self._flight.is_full else self._pacer.ready_at

    @property
    def deadline(self) -> float | None:
        """When the link counts as dead."""
        return None if self._is_cut or not self._has_pongs else self._flight.deadline

    def audio(self, chunk: AudioChunk, now: float) -> None:
        """Audio of an utterance."""
        self.beat((chunk,), chunk.samples, now)

    def silence(self, now: float, samples: int = SILENCE_SAMPLES) -> None:
        """Silence of our own."""
        self.beat((), samples, now)

    def beat(self, chunks: Sequence[AudioChunk], samples: int, now: float) -> None:
        """One piece of that length: audio of utterances, then silence of our own where there is less of it."""
        pcm = bytearray()
        for chunk in chunks:
            self._line.timeline.sent(chunk.samples, chunk.start_s, chunk.utterance_id)
            self._held.append((chunk.samples, chunk.utterance_id))
            pcm += chunk.data[: chunk.samples * SAMPLE_BYTES]
        silent_samples = samples - len(pcm) // SAMPLE_BYTES
        if silent_samples > 0:
            self._line.timeline.silence(silent_samples)
            self._held.append((silent_samples, None))
            pcm += bytes(silent_samples * SAMPLE_BYTES)
        self._put(bytes(pcm), now)

    def end(self, last: Action, now: float) -> None:
        """What the encoder keeps back, and `last`, which says that no more audio comes."""
        rest = self._line.setup.encoder.finish()
        if rest:
            self._line.life.act(self._line.wrap(rest))
        self._line.life.act(last)
        self.last_data_at = now

    def resumed(self) -> None:
        """A new connection: it may not know what the encoder began on the one before."""
        self._line.setup.encoder.restart()
        self._held.clear()

    def arrived(self, ping: int, now: float) -> None:
        """The service has read all that was sent before this ping."""
        landed = self._flight.arrive(ping, now)
        if landed is not None:
            leg, at = landed
            self._pacer.arrived(leg.samples / RATE_HZ, at)

    def heard(self, now: float) -> None:
        """The service said something: it is there."""
        self._flight.heard(now)
        if not self._has_pongs:
            self._flight.lost()

    def deadline_reached(self, now: float) -> None:
        """Cut a link on which nothing arrives: waiting longer would cost what the backlog cannot hold."""
        deadline = self.deadline
        if deadline is not None and now >= deadline:
            self._is_cut = True
            self._line.life.act(CloseSocket(reason=f"nothing arrived for {SILENT_S:g} s", at_once=True))

    def lost(self) -> None:
        """The connection is gone: what is not known to have arrived is lost.

        Whether the service has counted it nobody can tell: taking half of it for arrived halves the error.
        """
        legs = self._flight.lost()
        self._is_cut = False
        lost: dict[str, int] = {}
        for leg in legs:
            if leg.utterance_id is not None:
                lost[leg.utterance_id] = lost.get(leg.utterance_id, 0) + leg.samples
        for utterance_id, samples in lost.items():
            self._lost[utterance_id] = self._lost.get(utterance_id, 0) + samples
            self._line.life.report(AudioLost(utterance_id, samples))
        self._line.timeline.retracted(sum(leg.samples for leg in legs) / 2)

    def given_up(self) -> None:
        """The session has failed: of utterances that it was not done with, what no text reaches is lost as well."""
        self.lost()
        unsettled = self._line.progress.unsettled
        for utterance_id, samples in self._line.timeline.unheard().items():
            rest = samples - self._lost.get(utterance_id, 0)
            if utterance_id in unsettled and rest > 0:
                self._line.life.report(AudioLost(utterance_id, rest))

    def _put(self, pcm: bytes, now: float) -> None:
        """Encode and hand over; an encoder may keep audio back for a later chunk, and an empty one is never sent."""
        samples = len(pcm) // SAMPLE_BYTES
        self._line.counters.sent_samples += samples
        self.sounds_until = now + samples / RATE_HZ
        encoded = self._line.setup.encoder.encode(pcm)
        chunk_s = self._depart(encoded, now) if encoded else 0.0
        self._pacer.sent(samples / RATE_HZ, chunk_s, now)

    def _depart(self, encoded: bytes, now: float) -> float:
        """Send a chunk, and a ping behind it; how many seconds of audio it may hold."""
        for samples, utterance_id in self._held:
            self._flight.depart(samples, utterance_id, now)
        chunk_s = sum(samples for samples, _ in self._held) / RATE_HZ
        self._held.clear()
        self.last_data_at = now
        self._line.life.act(self._line.wrap(encoded))
        if self._has_pongs:
            self._line.life.act(SendPing(self._flight.ping()))
        else:
            self._flight.forget(now - UNACKNOWLEDGED_S)
        return chunk_s
