"""Outlet: audio on its way to the socket: encoded, paced, counted, and remembered until the service was heard again."""

from collections import deque
from dataclasses import dataclass

from satellite.backends.deepl.conversation import Conversation
from satellite.backends.deepl.pacer import LIVE_CHUNK_S, Pacer
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, AudioChunk, samples_of_ms
from satellite.core.events import AudioLost

LOSS_WINDOW_S = 1.0
SILENCE_SAMPLES = samples_of_ms(LIVE_CHUNK_S * 1000)


@dataclass(frozen=True, slots=True)
class _Sent:
    """Audio that the service may not have yet."""

    at: float
    utterance_id: str
    samples: int


class Outlet:
    """Hands audio to the socket. Whether it is time to is the caller's business: see `ready_at`."""

    def __init__(self, shared: Conversation) -> None:
        self._shared = shared
        self._pacer = Pacer()
        self._held_samples = 0
        self._unconfirmed: deque[_Sent] = deque()
        self.sounds_until = float("-inf")
        """When what was sent last would end if it were heard in real time."""
        self.last_data_at: float | None = None
        """When the service was sent anything last; None for never."""

    @property
    def ready_at(self) -> float:
        """Monotonic seconds from which the pace allows the next chunk."""
        return self._pacer.ready_at

    def audio(self, chunk: AudioChunk, now: float) -> None:
        """Audio of an utterance."""
        self._shared.timeline.sent(chunk.samples, chunk.start_s, chunk.utterance_id)
        self._remember(_Sent(now, chunk.utterance_id, chunk.samples))
        self._put(chunk.data[: chunk.samples * SAMPLE_BYTES], now)

    def silence(self, now: float) -> None:
        """SILENCE_SAMPLES of our own."""
        self._shared.timeline.silence(SILENCE_SAMPLES)
        self._put(bytes(SILENCE_SAMPLES * SAMPLE_BYTES), now)

    def end(self, now: float) -> None:
        """What the encoder keeps back, and that no more audio comes; nothing may be sent behind it."""
        life, codec = self._shared.life, self._shared.codec
        rest = self._shared.setup.encoder.finish()
        if rest:
            life.act(codec.chunk(rest))
        life.act(codec.end_of_source_media())
        self.last_data_at = now

    def resumed(self) -> None:
        """A new connection: it may not know what the encoder began on the one before."""
        self._shared.setup.encoder.restart()
        self._held_samples = 0

    def heard(self) -> None:
        """The service said something, so the audio before it can be taken to have arrived."""
        self._unconfirmed.clear()

    def lost(self, now: float) -> None:
        """The connection or the session is gone: audio of the last second that nothing was heard after is lost."""
        lost: dict[str, int] = {}
        for sent in self._unconfirmed:
            if sent.at >= now - LOSS_WINDOW_S:
                lost[sent.utterance_id] = lost.get(sent.utterance_id, 0) + sent.samples
        self._unconfirmed.clear()
        for utterance_id, samples in lost.items():
            self._shared.life.report(AudioLost(utterance_id, samples))

    def _put(self, pcm: bytes, now: float) -> None:
        """Encode and hand over; an encoder may keep audio back for a later chunk, and an empty one is never sent."""
        samples = len(pcm) // SAMPLE_BYTES
        self._shared.counters.sent_samples += samples
        self._held_samples += samples
        self.sounds_until = now + samples / RATE_HZ
        encoded = self._shared.setup.encoder.encode(pcm)
        held_s = 0.0
        if encoded:
            self._shared.life.act(self._shared.codec.chunk(encoded))
            self.last_data_at = now
            held_s = self._held_samples / RATE_HZ
            self._held_samples = 0
        self._pacer.sent(samples / RATE_HZ, held_s, now)

    def _remember(self, sent: _Sent) -> None:
        self._unconfirmed.append(sent)
        while sum(each.samples for each in self._unconfirmed) > LOSS_WINDOW_S * RATE_HZ:
            self._unconfirmed.popleft()
