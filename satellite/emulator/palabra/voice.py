"""Speech of one connection (reference §11.2): 24 kHz in bursts, each piece with the id of its sentence."""

import asyncio
import base64
import zlib
from collections.abc import AsyncGenerator
from typing import Any

from satellite.emulator.palabra.service import Service
from satellite.emulator.report import Spoken
from satellite.emulator.speech import SPEECH_RATE_HZ

MESSAGE_MS = 200


async def synthesised(service: Service, language: str, text: str) -> bytes:
    """What is spoken, 24 kHz mono; kept for the report."""
    pcm = await service.synthesiser.speak(text, language)
    service.spoken.append(Spoken(language, text, pcm))
    return pcm


async def audio_messages(
    service: Service, sentence: dict[str, Any], *, is_deflated: bool
) -> AsyncGenerator[dict[str, Any], None]:
    """The messages of one part of a sentence, faster than real time; the last one is empty."""
    pcm = await synthesised(service, sentence["language"], sentence["text"])
    step = SPEECH_RATE_HZ * MESSAGE_MS // 1000 * 2
    for at in range(0, len(pcm), step):
        piece = pcm[at : at + step]
        yield _message(service, sentence, zlib.compress(piece) if is_deflated else piece, is_last=False)
        await asyncio.sleep(MESSAGE_MS / 1000 / service.settings.speech_speed)
    yield _message(service, sentence, b"", is_last=True)


def _message(service: Service, sentence: dict[str, Any], data: bytes, *, is_last: bool) -> dict[str, Any]:
    part = sentence["part"]
    body = {
        "transcription_id": sentence["id"],
        "translation_part_id": part if service.settings.variants.audio_part_numbers else str(part),
        "language": sentence["language"],
        "last_chunk": is_last,
        "data": base64.b64encode(data).decode(),
        "chunk_generation_delta": None,
    }
    return {"message_type": "output_audio_data", "data": body}
