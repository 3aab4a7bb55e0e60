"""What HTTP answers of every service have in common."""

from collections.abc import Mapping

MAX_RETRY_AFTER_S = 3_600.0


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of `Retry-After`, at most an hour; None when absent or nonsense."""
    text = headers.get("retry-after", "").strip()
    if not text.isascii() or not text.isdigit():
        return None
    return min(float(text[:9]), MAX_RETRY_AFTER_S)
