import json
from pathlib import Path
from typing import Any

import pytest

from satellite.backends.answers import retry_after_s
from satellite.backends.palabra.failures import (
    FUNDS_HINT,
    KEY_HINT,
    RULES,
    Outcome,
    Source,
    failure_of_answer,
    verdict,
)
from satellite.errors import ErrorCategory

PAGE = Path(__file__).resolve().parents[4] / "docs" / "backends" / "palabra.md"


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (401, ErrorCategory.AUTHENTICATION),
        (403, ErrorCategory.AUTHENTICATION),
        (404, ErrorCategory.AUTHENTICATION),
        (402, ErrorCategory.QUOTA),
        (422, ErrorCategory.INVALID_REQUEST),
        (400, ErrorCategory.INVALID_REQUEST),
        (408, ErrorCategory.SERVER),
        (429, ErrorCategory.RATE_LIMIT),
        (302, ErrorCategory.SERVER),
        (500, ErrorCategory.SERVER),
        (504, ErrorCategory.SERVER),
        (200, ErrorCategory.SERVER),
    ],
)
def test_answers_to_the_request_for_a_session(status: int, category: ErrorCategory) -> None:
    assert verdict(Source.CREATE, status).category is category


@pytest.mark.parametrize(
    ("source", "status", "category"),
    [
        (Source.KEY_DIAL, 403, ErrorCategory.AUTHENTICATION),
        (Source.KEY_DIAL, 404, ErrorCategory.INVALID_REQUEST),
        (Source.TOKEN_DIAL, 403, ErrorCategory.SERVER),
        (Source.TOKEN_DIAL, 402, ErrorCategory.QUOTA),
        (Source.KEY_DIAL, 429, ErrorCategory.RATE_LIMIT),
        (Source.KEY_DIAL, 503, ErrorCategory.SERVER),
        (Source.TOKEN_DIAL, None, ErrorCategory.CONNECTIVITY),
    ],
)
def test_dials(source: Source, status: int | None, category: ErrorCategory) -> None:
    assert verdict(source, status).category is category


def test_errors_of_the_stream() -> None:
    assert verdict(Source.START, "NOT_FOUND").outcome is Outcome.WAITS
    assert verdict(Source.START, "VALIDATION_ERROR").category is ErrorCategory.INVALID_REQUEST
    assert verdict(Source.START, "whatever").outcome is Outcome.OVER
    assert verdict(Source.RUNNING, "NOT_FOUND").outcome is Outcome.OVER
    for code in ("VALIDATION_ERROR", "SERVICE_TIMEOUT", "whatever"):
        assert verdict(Source.RUNNING, code).outcome is Outcome.GOES_ON
    for code in ("AUDIO_STREAM_TOO_FAST", "VOICE_NOT_FOUND", "whatever"):
        assert verdict(Source.WARNING, code).outcome is Outcome.GOES_ON


@pytest.mark.parametrize(
    ("code", "category"),
    [
        (1000, ErrorCategory.CONNECTIVITY),
        (1006, ErrorCategory.CONNECTIVITY),
        (1008, ErrorCategory.RATE_LIMIT),
        (1011, ErrorCategory.SERVER),
        (None, ErrorCategory.CONNECTIVITY),
    ],
)
def test_ends_of_the_stream(code: int | None, category: ErrorCategory) -> None:
    assert verdict(Source.CLOSE, code).category is category


def body(**fields: Any) -> bytes:
    return json.dumps({"ok": False, "errors": [fields]}).encode()


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        (body(title="Forbidden", detail="Credential not accepted", error_code=100), "Credential not accepted (100)"),
        (body(title="Forbidden"), "Forbidden"),
        (body(error_code=7), "(7)"),
        (body(), ""),
        (b'{"errors": []}', ""),
        (b'{"errors": ["x"]}', ""),
        (b"[]", ""),
        (b"{", ""),
    ],
)
def test_the_words_of_an_answer(said: bytes, detail: str) -> None:
    failed = failure_of_answer(403, {"retry-after": "7"}, said)
    assert failed.detail == f"the request for a session was answered with 403{': ' if detail else ''}{detail}"
    assert (failed.category, failed.hint, failed.retry_after_s) == (ErrorCategory.AUTHENTICATION, KEY_HINT, 7.0)


def test_no_funds() -> None:
    assert failure_of_answer(402, {}, b"").hint == FUNDS_HINT


@pytest.mark.parametrize(("text", "seconds"), [("", None), ("x", None), ("²", None), ("5", 5.0), ("99999", 3600.0)])
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": text}) == seconds


# --- the page ---------------------------------------------------------------------------------------------------

THEN = {
    ErrorCategory.CONNECTIVITY: "tried again",
    ErrorCategory.SERVER: "tried again",
    ErrorCategory.RATE_LIMIT: "tried again, later",
    ErrorCategory.AUTHENTICATION: "parked: `auth`",
    ErrorCategory.INVALID_REQUEST: "parked: `rejected`",
    ErrorCategory.QUOTA: "parked: `quota`",
}


def rows() -> list[str]:
    """The table of failures as the page has it."""
    found = []
    for rule in RULES:
        if rule.codes is None:
            codes = "any other"
        elif isinstance(rule.codes, range):
            codes = f"{rule.codes.start} to {rule.codes.stop - 1}"
        else:
            assert isinstance(rule.codes, tuple)
            codes = ", ".join(f"`{code}`" for code in rule.codes)
        outcome = rule.verdict.outcome
        then = THEN[rule.verdict.category] if outcome is Outcome.OVER else outcome.value
        where = "; ".join(source.value for source in Source if source in rule.sources)
        found.append(f"| {where} | {codes} | {rule.means} | {then} |")
    return found


def test_the_page_has_the_table() -> None:
    assert "\n".join(rows()) in PAGE.read_text(encoding="utf-8")


def test_every_source_takes_any_code() -> None:
    for source in Source:
        assert verdict(source, object()) in [rule.verdict for rule in RULES]
