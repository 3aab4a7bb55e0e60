"""Speech as the DeepL Voice API sends it: content types in one spelling, header units apart, PCM on whole samples."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from satellite.core.audio import SAMPLE_BYTES

_OPUS_MARKS = (b"OpusHead", b"OpusTags")


@dataclass(frozen=True, slots=True)
class Units:
    """One message's units: decoder set-up, and audio."""

    content_type: str
    headers: tuple[bytes, ...]
    data: tuple[bytes, ...]


def content_type_of(text: str) -> str:
    """A content type in one spelling: lower case, no blanks, no stray semicolons, parameters sorted."""
    kind, *parameters = ("".join(text.lower().split())).split(";")
    return ";".join([kind, *sorted({parameter for parameter in parameters if parameter})])


@dataclass(slots=True)
class SpeechStream:
    """The speech of one language: remembers what only the first message says (voice reference §16)."""

    content_type: str
    _carry: bytes = field(default=b"", init=False)

    def take(self, units: Sequence[bytes], headers: int, content_type: str | None, *, is_new_piece: bool) -> Units:
        """Sort a message's units. `headers` is the number of leading set-up units."""
        if content_type is not None:
            self.content_type = content_type_of(content_type)
        if is_new_piece or content_type is not None:
            self._carry = b""
        first, audio = tuple(units[:headers]), tuple(units[headers:])
        if self.content_type == "audio/opus":
            first += tuple(unit for unit in audio if unit.startswith(_OPUS_MARKS[0]))
            audio = tuple(unit for unit in audio if not unit.startswith(_OPUS_MARKS))
        elif self.content_type.startswith("audio/pcm;encoding=s16le"):
            audio = self._whole_samples(b"".join(audio))
        return Units(self.content_type, tuple(filter(None, first)), tuple(filter(None, audio)))

    def reconnected(self) -> None:
        """What a dead connection left incomplete is never completed."""
        self._carry = b""

    def _whole_samples(self, pcm: bytes) -> tuple[bytes, ...]:
        pcm = self._carry + pcm
        whole = len(pcm) - len(pcm) % SAMPLE_BYTES
        self._carry = pcm[whole:]
        return (pcm[:whole],)
