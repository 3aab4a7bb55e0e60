"""SpeechIntake: speech units as they arrive → decoder → decoded pieces waiting to be heard."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from satellite.core.audio import SAMPLE_BYTES
from satellite.core.events import SpeechChunk
from satellite.errors import MediaError
from satellite.ports import DecoderFactory, SpeechDecoder

log = logging.getLogger(__name__)

PIECES_MAX = 6_000
"""Decoded pieces that may wait, however short they are: 60 s of 10 ms."""
HELD_BYTES_MAX = 8 * 1024 * 1024
"""Speech that may wait for the decoder before it, whatever length the service says it has."""
UNIT_BYTES = 64
"""What a unit costs besides its bytes."""
TEXT_CHARACTERS_MAX = 16_384
"""Text remembered of one passage: more than anybody says in an hour."""
LIMIT_DECODED = 3
"""Times the limit: a message or two may hold more speech than may wait, and is decoded long after it was taken."""


@dataclass(slots=True)
class Passage:
    """Speech of one utterance, as far as it has come in. A sound that is no speech has no language."""

    utterance_id: str | None
    language: str
    text: str = ""
    announced_ms: int = 0
    played_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Piece:
    """Mono s16le PCM of one passage."""

    passage: Passage
    pcm: bytes
    rate_hz: int

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return len(self.pcm) / SAMPLE_BYTES / self.rate_hz


class SpeechIntake:
    """Decodes speech into a bounded queue; over the bound the rest of that speech is refused, and told."""

    def __init__(
        self,
        make_decoder: DecoderFactory,
        on_piece: Callable[[], None],
        on_failure: Callable[[str], None],
        limit_s: float,
    ) -> None:
        self._make_decoder = make_decoder
        self._on_piece = on_piece
        self._on_failure = on_failure
        self._limit_s = limit_s
        self._pieces: deque[Piece] = deque()
        self._held: deque[tuple[SpeechChunk, str | None]] = deque()
        self._decoder: SpeechDecoder | None = None
        self._media: str | None = None
        self._feeding: Passage | None = None
        self._is_refusing = False
        self._is_new_stream = False
        self._is_unflushed = False
        self._held_bytes = 0
        self._told: str | None = None
        self.seconds = 0.0

    @property
    def is_empty(self) -> bool:
        """True when no decoded audio waits."""
        return not self._pieces

    @property
    def is_held_up(self) -> bool:
        """True while speech of a new stream waits until the decoder of the one before was flushed."""
        return bool(self._held)

    @property
    def is_done(self) -> bool:
        """True when nothing waits and `flush` would bring out nothing."""
        return not (self._pieces or self._held or self._is_unflushed)

    def speech(self, chunk: SpeechChunk, utterance_id: str | None) -> bool:
        """Take synthesised speech of an utterance in; False when it is refused."""
        if chunk.text is not None:
            self._is_refusing = False
        if self._is_refusing:
            return False
        if self._is_full:
            self._is_refusing = True
            self._fail(f"more than {self._limit_s:.0f} s of speech waits, the rest of this one is dropped")
            return False
        if self._held or (self._is_unflushed and self._begins_anew(chunk)):
            self._held.append((chunk, utterance_id))
            self._held_bytes += _bytes_of(chunk)
            return True
        return self._feed(chunk, utterance_id)

    def sound(self, pcm: bytes, rate_hz: int) -> bool:
        """Queue a sound behind the speech that waits; False when it is refused."""
        if self._is_full:
            self._fail(f"more than {self._limit_s:.0f} s of speech waits, a sound is dropped")
            return False
        self._push(Piece(Passage(None, ""), pcm, rate_hz))
        return True

    @property
    def rate_hz(self) -> int:
        """Rate of the oldest piece; only when not empty."""
        return self._pieces[0].rate_hz

    def pop(self) -> Piece:
        """Take the oldest piece; only when not empty."""
        piece = self._pieces.popleft()
        self.seconds = self.seconds - piece.seconds if self._pieces else 0.0
        if not self._pieces:
            self._told = None
        return piece

    def drop(self) -> None:
        """Forget what waits, and the rest of the present speech when it arrives."""
        self._is_refusing = True
        self._pieces.clear()
        self._held.clear()
        self._held_bytes = 0
        self._feeding = None
        self.seconds = 0.0
        self.close()

    def passage_ended(self) -> None:
        """What was heard so far is told as a whole; what follows is told anew, even of the same utterance."""
        if self._feeding is not None:
            self._feeding = Passage(self._feeding.utterance_id, self._feeding.language)

    def stream_ended(self) -> None:
        """The service's stream is over: the next chunk begins a new one, with a decoder of its own."""
        self._is_new_stream = True
        self._is_refusing = False

    async def flush(self) -> bool:
        """Bring out what the decoder keeps back, then decode what waited for that; False when still nothing waits."""
        self._is_unflushed = False
        if self._decoder is not None:
            await self._decoder.flush()
        while self._held and not (self._is_unflushed and self._begins_anew(self._held[0][0])):
            chunk, utterance_id = self._held.popleft()
            self._held_bytes -= _bytes_of(chunk)
            self._feed(chunk, utterance_id)
        return bool(self._pieces)

    def close(self) -> None:
        """Let go of the decoder."""
        self._is_unflushed = False
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    @property
    def _is_full(self) -> bool:
        held_s = sum(chunk.duration_ms for chunk, _ in self._held) / 1000
        is_crowded = len(self._pieces) >= PIECES_MAX or self._held_bytes > HELD_BYTES_MAX
        return is_crowded or self.seconds + held_s > self._limit_s

    def _begins_anew(self, chunk: SpeechChunk) -> bool:
        """True when the decoder there is cannot go on with this: a changed type, or headers, begin a new stream."""
        return self._is_new_stream or chunk.content_type != self._media or bool(chunk.headers)

    def _feed(self, chunk: SpeechChunk, utterance_id: str | None) -> bool:
        decoder = self._decoder_for(chunk)
        if decoder is None:
            return False
        passage = self._passage_for(chunk, utterance_id)
        passage.text = (passage.text + (chunk.text or ""))[:TEXT_CHARACTERS_MAX]
        passage.announced_ms += chunk.duration_ms
        self._is_unflushed = True
        decoder.feed(chunk.data)
        return True

    def _decoder_for(self, chunk: SpeechChunk) -> SpeechDecoder | None:
        """The decoder that continues this stream, or a new one; None when there is none for it."""
        if self._decoder is None or self._begins_anew(chunk):
            self.close()
            try:
                self._decoder = self._make_decoder(chunk.content_type, chunk.headers, self._decoded)
            except MediaError as error:
                self._is_refusing = True
                self._fail(str(error))
                return None
            self._media = chunk.content_type
            self._is_new_stream = False
        return self._decoder

    def _passage_for(self, chunk: SpeechChunk, utterance_id: str | None) -> Passage:
        passage = self._feeding
        if passage is None or passage.utterance_id != utterance_id or passage.language != chunk.language:
            passage = self._feeding = Passage(utterance_id, chunk.language)
        return passage

    def _decoded(self, pcm: bytes) -> None:
        if self._decoder is None or self._feeding is None or not pcm:
            return
        if self.seconds > LIMIT_DECODED * self._limit_s or len(self._pieces) >= PIECES_MAX:
            if not self._is_refusing:
                self._is_refusing = True
                self._fail("one piece of speech is longer than may wait, the rest of it is dropped")
            return
        self._push(Piece(self._feeding, pcm, self._decoder.rate_hz))

    def _push(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self.seconds += piece.seconds
        self._on_piece()

    def _fail(self, detail: str) -> None:
        log.log(logging.DEBUG if detail == self._told else logging.WARNING, "speaker: %s", detail)
        self._told = detail
        self._on_failure(detail)


def _bytes_of(chunk: SpeechChunk) -> int:
    """What holding a chunk costs."""
    return sum(len(unit) + UNIT_BYTES for unit in (*chunk.headers, *chunk.data))
