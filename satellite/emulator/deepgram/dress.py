"""Messages as a server may write them: oddly, but within what clients must bear (Flux reference §5)."""

from typing import Any

from satellite.emulator.deepgram.settings import DeepgramVariants


def dress(message: dict[str, Any], variants: DeepgramVariants) -> dict[str, Any]:
    """The message as the variants have it."""
    return _with_text_numbers(message) if variants.text_numbers else message


def _with_text_numbers(value: Any) -> Any:
    """All numbers as strings."""
    if isinstance(value, dict):
        return {name: _with_text_numbers(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_with_text_numbers(entry) for entry in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
