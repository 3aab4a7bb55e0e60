"""What HTTP answers of every service have in common."""

import pytest

from satellite.backends.answers import retry_after_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (" 5 ", 5.0),
        ("0", 0.0),
        ("99999999999999", 3600.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        ("٣", None),
    ],
)
def test_retry_after_in_seconds(text: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": text}) == seconds
    assert retry_after_s({}) is None
