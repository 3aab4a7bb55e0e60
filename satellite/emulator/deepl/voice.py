"""Speech messages of one connection (Voice reference §10.2, §16): bursts of encoded speech, nothing in between."""

import asyncio
from collections.abc import AsyncGenerator

from satellite.emulator.deepl.service import Service
from satellite.emulator.encoders import SpeechEncoder, Unit, make_encoder
from satellite.emulator.report import Spoken

MESSAGE_MS = 240.0
CONTAINERS_WITH_PLAIN_HEADER = ("audio/webm", "audio/x-matroska", "audio/flac")


class Voice:
    """Turns texts into `target_media_chunk` messages; one encoder, and so one stream, for the whole connection."""

    def __init__(self, service: Service, language: str, media: str) -> None:
        self._service = service
        self._language = language
        self._media = service.settings.target_media or media
        self._encoder: SpeechEncoder | None = None

    async def speak(self, text: str) -> AsyncGenerator[dict[str, object], None]:
        """The messages of one segment, faster than real time."""
        pcm = await self._service.synthesiser.speak(text, self._language)
        self._service.spoken.append(Spoken(self._language, text, pcm))
        first: dict[str, object] = {}
        if self._encoder is None:
            self._encoder = make_encoder(self._media)
            first = self._opening(self._encoder)
        label: str | None = text
        for group in _groups(self._encoder.encode(pcm)):
            duration = round(sum(unit.duration_ms for unit in group))
            yield {"target_media_chunk": self._message(group, duration, label, first)}
            first, label = {}, None
            await asyncio.sleep(duration / 1000 / self._service.settings.speech_speed)

    def _opening(self, encoder: SpeechEncoder) -> dict[str, object]:
        variants = self._service.settings.variants
        headers = encoder.headers
        if variants.split_headers and self._media.startswith(CONTAINERS_WITH_PLAIN_HEADER):
            middle = len(headers[0]) // 2
            headers = (headers[0][:middle], headers[0][middle:])
        opening: dict[str, object] = {"content_type": self._media + (";" if variants.trailing_semicolon else "")}
        if headers:
            opening["headers"] = len(headers)
            opening["data"] = list(headers)
        return opening

    def _message(
        self, group: list[Unit], duration: int, label: str | None, first: dict[str, object]
    ) -> dict[str, object]:
        head = first.get("data", [])
        data = [*(head if isinstance(head, list) else []), *self._elements([unit.data for unit in group])]
        message: dict[str, object] = {"language": self._language, **first, "data": data, "duration": duration}
        if label is not None or self._service.settings.variants.null_text:
            message["text"] = label
        return message

    def _elements(self, units: list[bytes]) -> list[bytes]:
        """PCM has no units of its own: one element a message, or as the variants have it."""
        variants = self._service.settings.variants
        if not self._media.startswith("audio/pcm"):
            return units
        joined = b"".join(units)
        if variants.odd_elements:
            cut = len(joined) // 3 | 1
            return [joined[:cut], joined[cut:]]
        return units if variants.many_elements else [joined]


def _groups(units: list[Unit]) -> list[list[Unit]]:
    groups: list[list[Unit]] = []
    length_ms = MESSAGE_MS
    for unit in units:
        if length_ms >= MESSAGE_MS:
            groups.append([])
            length_ms = 0.0
        groups[-1].append(unit)
        length_ms += unit.duration_ms
    return groups
