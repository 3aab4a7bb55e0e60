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
        self._decoder: SpeechDecoder | None = None
        self._media: str | None = None
        self._feeding: Passage | None = None
        self._is_refusing = False
        self._is_new_stream = False
        self.seconds = 0.0

    @property
    def is_empty(self) -> bool:
        """True when no decoded audio waits."""
        return not self._pieces

    def speech(self, chunk: SpeechChunk, utterance_id: str | None) -> bool:
        """Take synthesised speech of an utterance in; False when it is refused."""
        if chunk.text is not None:
            self._is_refusing = False
        if self._is_refusing:
            return False
        if self.seconds > self._limit_s:
            self._refuse(f"more than {self._limit_s:.0f} s of speech waits, the rest of this one is dropped")
            return False
        decoder = self._decoder_for(chunk)
        if decoder is None:
            return False
        passage = self._passage_for(chunk, utterance_id)
        passage.text += chunk.text or ""
        passage.announced_ms += chunk.duration_ms
        decoder.feed(chunk.data)
        return True

    def push(self, piece: Piece) -> None:
        """Queue decoded audio."""
        self._pieces.append(piece)
        self.seconds += piece.seconds
        self._on_piece()

    def pop(self) -> Piece:
        """Take the oldest piece; only when not empty."""
        piece = self._pieces.popleft()
        self.seconds = self.seconds - piece.seconds if self._pieces else 0.0
        return piece

    def drop(self) -> None:
        """Forget what waits, and the rest of the present speech when it arrives."""
        self._is_refusing = True
        self._pieces.clear()
        self.seconds = 0.0
        self.close()

    def stream_ended(self) -> None:
        """The service's stream is over: the next chunk begins a new one, with a decoder of its own."""
        self._is_new_stream = True

    async def flush(self) -> None:
        """Bring out what the decoder keeps back."""
        if self._decoder is not None:
            await self._decoder.flush()

    def close(self) -> None:
        """Let go of the decoder."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def _decoder_for(self, chunk: SpeechChunk) -> SpeechDecoder | None:
        """The decoder that continues this stream; a changed type or repeated headers begin anew."""
        is_new = self._decoder is None or self._is_new_stream or chunk.content_type != self._media or chunk.headers
        if is_new:
            self.close()
            try:
                self._decoder = self._make_decoder(chunk.content_type, chunk.headers, self._decoded)
            except MediaError as error:
                self._refuse(str(error))
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
        if self._decoder is not None and self._feeding is not None and pcm:
            self.push(Piece(self._feeding, pcm, self._decoder.rate_hz))

    def _refuse(self, detail: str) -> None:
        log.warning("speaker: %s", detail)
        self._is_refusing = True
        self._on_failure(detail)
