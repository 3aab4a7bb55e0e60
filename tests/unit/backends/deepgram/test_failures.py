import re
from pathlib import Path

import pytest

from satellite.backends.deepgram.failures import (
    NO_ACTIVE_TURN,
    RULES,
    Rule,
    Source,
    failure,
    failure_of_answer,
    request_id,
    verdict,
)
from satellite.errors import ErrorCategory

PAGE = Path(__file__).parents[4] / "docs" / "backends" / "deepgram.md"


@pytest.mark.parametrize("source", [Source.GRANT, Source.HANDSHAKE])
@pytest.mark.parametrize(
    ("status", "category"),
    [
        (400, ErrorCategory.INVALID_REQUEST),
        (401, ErrorCategory.AUTHENTICATION),
        (402, ErrorCategory.QUOTA),
        (403, ErrorCategory.AUTHORIZATION),
        (404, ErrorCategory.INVALID_REQUEST),
        (408, ErrorCategory.SERVER),
        (418, ErrorCategory.INVALID_REQUEST),
        (429, ErrorCategory.RATE_LIMIT),
        (200, ErrorCategory.SERVER),
        (302, ErrorCategory.SERVER),
        (500, ErrorCategory.SERVER),
        (503, ErrorCategory.SERVER),
        (None, ErrorCategory.CONNECTIVITY),
    ],
)
def test_every_status_has_its_kind(source: Source, status: int | None, category: ErrorCategory) -> None:
    assert verdict(source, status).category is category


@pytest.mark.parametrize(
    ("source", "code", "category"),
    [
        (Source.ERROR, "INVALID_PARAMETER", ErrorCategory.INVALID_REQUEST),
        (Source.ERROR, "UNPARSABLE_CLIENT_MESSAGE", ErrorCategory.INVALID_REQUEST),
        (Source.ERROR, "INTERNAL_SERVER_ERROR", ErrorCategory.SERVER),
        (Source.ERROR, "SOMETHING_NEW", ErrorCategory.SERVER),
        (Source.ERROR, None, ErrorCategory.SERVER),
        (Source.CLOSE, 1008, ErrorCategory.INVALID_REQUEST),
        (Source.CLOSE, 1011, ErrorCategory.SERVER),
        (Source.CLOSE, 1009, ErrorCategory.SERVER),
        (Source.CLOSE, 1006, ErrorCategory.CONNECTIVITY),
        (Source.CLOSE, 1005, ErrorCategory.CONNECTIVITY),
        (Source.CLOSE, None, ErrorCategory.CONNECTIVITY),
        (Source.WARNING, NO_ACTIVE_TURN, None),
        (Source.WARNING, None, None),
        (Source.CONFIGURE, "INVALID_THRESHOLD", None),
        (Source.CONFIGURE, None, None),
    ],
)
def test_every_code_has_its_kind(source: Source, code: int | str | None, category: ErrorCategory | None) -> None:
    assert verdict(source, code).category is category


def test_each_source_has_a_rule_that_takes_anything() -> None:
    last = {source: rule for rule in RULES for source in rule.sources}
    assert {source for source, rule in last.items() if rule.codes is None} == set(Source)


def test_a_failure_carries_the_mend() -> None:
    told = failure(Source.CLOSE, 1008, "closed")
    assert (told.category, told.detail) == (ErrorCategory.INVALID_REQUEST, "closed")
    assert "source_media" in str(told.hint)


BODIES = [
    (b'{"code": "INVALID_PARAMETER", "description": "no hint"}', "INVALID_PARAMETER: no hint"),
    (b'{"err_code": "INVALID_AUTH", "err_msg": "bad key", "request_id": "r"}', "INVALID_AUTH: bad key"),
    (b'{"category": "A", "message": "b", "details": "c", "request_id": "r"}', "A: b: c"),
    (b'{"code": 7}', "from the header"),
    (b"<html>", "from the header"),
    (b"[]", "from the header"),
    (b"[" * 100_000, "from the header"),
]


@pytest.mark.parametrize(("body", "said"), BODIES)
def test_what_a_refusal_says_is_read_in_every_shape(body: bytes, said: str) -> None:
    headers = {"dg-error": "from the header", "dg-request-id": "r-1", "retry-after": "7"}
    told = failure_of_answer(Source.HANDSHAKE, 400, headers, body)
    assert told.detail == f"the handshake was answered with 400: {said}"
    assert (told.trace_id, told.retry_after_s) == ("r-1", 7.0)


def test_a_refusal_without_a_word() -> None:
    told = failure_of_answer(Source.GRANT, 503, {}, b"")
    assert (told.detail, told.trace_id) == ("the temporary token was answered with 503", None)


@pytest.mark.parametrize(
    ("text", "expected"), [("a-1", "a-1"), ("a\nb", None), ("x" * 129, None), (None, None), (7, None)]
)
def test_a_request_id_is_only_what_fits_a_log_line(text: object, expected: str | None) -> None:
    assert request_id(text) == expected


# --- the page ----------------------------------------------------------------------------------------------------

CONSEQUENCES = {
    ErrorCategory.CONNECTIVITY: "tried again",
    ErrorCategory.SERVER: "tried again",
    ErrorCategory.RATE_LIMIT: "tried again, not before `Retry-After`",
    ErrorCategory.AUTHENTICATION: "parked",
    ErrorCategory.AUTHORIZATION: "parked",
    ErrorCategory.INVALID_REQUEST: "parked",
    ErrorCategory.QUOTA: "parked",
    None: "goes on",
}


def row(rule: Rule) -> str:
    where = ", ".join(source.value for source in rule.sources)
    category = rule.verdict.category
    kind = category.value if category is not None else ""
    return f"| {where} | {rule.name} | {kind} | {CONSEQUENCES[category]} | {rule.verdict.hint or ''} |"


def test_the_page_shows_the_table() -> None:
    shown = re.search(r"<!-- errors -->\n(.*?)<!-- /errors -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    head = ["| where | code | kind | what follows | mend |", "|---|---|---|---|---|"]
    assert shown.group(1).strip().splitlines() == [*head, *map(row, RULES)]
