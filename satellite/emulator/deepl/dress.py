"""Messages as a server may write them: oddly, but within the published contract (DeepL Voice reference §22)."""

from collections.abc import Mapping
from typing import Any

from satellite.emulator.deepl.settings import DeepLVariants


def dress(message: Mapping[str, Any], variants: DeepLVariants, origin_ms: int) -> dict[str, Any]:
    """The message as the variants have it; `origin_ms` is where the connection began in the input stream."""
    name, payload = next(iter(message.items()))
    payload = _tag(dict(payload), variants)
    if variants.extra_fields and name != "end_of_stream":
        payload["x_trace"] = {"emulated": True}
    for part in ("concluded", "tentative"):
        if part in payload:
            payload[part] = [_segment(dict(segment), variants, origin_ms) for segment in payload[part]]
    return {name: payload}


def _segment(segment: dict[str, Any], variants: DeepLVariants, origin_ms: int) -> dict[str, Any]:
    segment = _tag(segment, variants)
    if variants.extra_fields:
        segment["confidence"] = 0.9
    if variants.times_restart:
        for key in ("start_time", "end_time"):
            segment[key] = max(0, segment[key] - origin_ms)
    return segment


def _tag(value: dict[str, Any], variants: DeepLVariants) -> dict[str, Any]:
    if variants.odd_tag_case and "language" in value:
        value["language"] = value["language"].swapcase()
    return value
