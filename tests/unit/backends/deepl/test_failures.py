"""The table of failures against a second table, written from the reference (§5, §6.3, §6.4, §7, §12)."""

import json
from collections.abc import Iterator

import pytest

from satellite.backends.deepl import failures
from satellite.backends.deepl.failures import (
    RULES,
    Rejoin,
    Source,
    Verdict,
    failure_of_answer,
    trace_id,
    verdict,
    verdict_of_error,
)
from satellite.errors import ErrorCategory

# What becomes of it: `retry` = growing back-off and a new session, `park` = wait for a person (quota: also look again
# at long intervals), `rejoin`/`rejoin once` = the same session by GET first.
DOCUMENTED = """
POST            400   park          INVALID_REQUEST
POST            401   park          AUTHENTICATION
POST            403   park          AUTHORIZATION
POST            404   park          INVALID_REQUEST
POST            408   retry         SERVER
POST            413   park          INVALID_REQUEST
POST            414   park          INVALID_REQUEST
POST            429   retry         RATE_LIMIT
POST            456   park          QUOTA
POST            500   retry         SERVER
POST            502   retry         SERVER
POST            503   retry         SERVER
POST            504   retry         SERVER
POST            529   retry         SERVER
POST            302   retry         SERVER
POST            999   retry         SERVER
GET             400   retry         SERVER
GET             401   park          AUTHENTICATION
GET             403   park          AUTHORIZATION
GET             404   retry         SERVER
GET             410   retry         SERVER
GET             413   retry         SERVER
GET             414   retry         SERVER
GET             429   retry         RATE_LIMIT
GET             456   park          QUOTA
GET             500   rejoin-once   SERVER
GET             502   rejoin-once   SERVER
GET             503   rejoin-once   SERVER
GET             504   rejoin-once   SERVER
GET             529   rejoin-once   SERVER
handshake       none  rejoin-once   SERVER
handshake       301   retry         SERVER
handshake       401   retry         SERVER
handshake       403   retry         SERVER
handshake       404   retry         SERVER
handshake       410   retry         SERVER
handshake       429   retry         RATE_LIMIT
handshake       500   retry         SERVER
handshake       503   retry         SERVER
error_message   400   park          INVALID_REQUEST
error_message   401   park          AUTHENTICATION
error_message   403   park          AUTHORIZATION
error_message   404   park          INVALID_REQUEST
error_message   408   retry         SERVER
error_message   422   park          INVALID_REQUEST
error_message   428   park          INVALID_REQUEST
error_message   429   retry         RATE_LIMIT
error_message   430   retry         SERVER
error_message   456   park          QUOTA
error_message   500   retry         SERVER
error_message   503   retry         SERVER
error_message   1011  retry         SERVER
error_message   none  retry         SERVER
close           1000  rejoin        CONNECTIVITY
close           1001  rejoin        CONNECTIVITY
close           1003  rejoin-once   SERVER
close           1005  rejoin        CONNECTIVITY
close           1006  rejoin        CONNECTIVITY
close           1008  rejoin-once   SERVER
close           1009  rejoin-once   SERVER
close           1011  rejoin        CONNECTIVITY
close           1012  rejoin        CONNECTIVITY
close           none  rejoin        CONNECTIVITY
"""


def documented() -> Iterator[tuple[Source, int | None, str, str]]:
    for line in DOCUMENTED.strip().splitlines():
        source, code, outcome, category = line.split()
        yield Source(source.replace("_", " ")), None if code == "none" else int(code), outcome, category


def outcome_of(found: Verdict) -> str:
    if found.rejoin is not Rejoin.NEVER:
        return "rejoin" if found.rejoin is Rejoin.FREELY else "rejoin-once"
    return "retry" if found.category.is_retryable else "park"


def test_every_documented_code_ends_as_it_should() -> None:
    lines = []
    for source, code, _, _ in documented():
        found = verdict(source, code)
        name, shown = source.value.replace(" ", "_"), "none" if code is None else code
        lines.append(f"{name:<15} {shown!s:<5} {outcome_of(found):<13} {found.category.name}")
    print("\n".join(lines))  # noqa: T201 - the table as it is, with `pytest -s`
    assert lines == DOCUMENTED.strip().splitlines()


@pytest.mark.parametrize("source", Source)
def test_no_code_is_without_a_rule(source: Source) -> None:
    for code in (None, -1, 0, *range(100, 600), 1000, 4999, 10**12):
        assert verdict(source, code).category in ErrorCategory


def test_no_rule_is_hidden_behind_those_before_it() -> None:
    codes = (None, *range(1100))
    deciding = {
        next(index for index, rule in enumerate(RULES) if rule.matches(source, code))
        for source in Source
        for code in codes
    }
    assert deciding == set(range(len(RULES)))


def test_only_what_a_person_can_mend_has_no_hope_in_waiting_and_it_says_how() -> None:
    for source, code, outcome, _ in documented():
        if outcome == "park":
            assert verdict(source, code).hint


def test_too_fast_waits_five_seconds_at_least() -> None:
    assert verdict(Source.ERROR, 429).retry_after_s == 5.0


@pytest.mark.parametrize(
    ("code", "text", "category"),
    [
        (400, "Session timed out", ErrorCategory.SERVER),
        (None, "Timeout waiting for audio", ErrorCategory.SERVER),
        (428, "time-out", ErrorCategory.SERVER),
        (400, "Audio format not supported", ErrorCategory.INVALID_REQUEST),
        (401, "login timeout", ErrorCategory.AUTHENTICATION),
        (403, "timeout", ErrorCategory.AUTHORIZATION),
        (456, "timeout", ErrorCategory.QUOTA),
        (429, "timeout", ErrorCategory.RATE_LIMIT),
    ],
)
def test_starving_is_no_fault_of_the_request(code: int | None, text: str, category: ErrorCategory) -> None:
    assert verdict_of_error(code, text).category is category


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (json.dumps({"message": "Too many items."}).encode(), ": Too many items."),
        (
            json.dumps({"message": "No.", "detail": "Missing required scope(s)"}).encode(),
            ": No.; Missing required scope(s)",
        ),
        (b'{"error": {"message": "Bad Gateway."}}', ": Bad Gateway."),
        (b'{"error": "plain"}', ": plain"),
        (b'{"message": 7, "error": {"message": null}}', ""),
        (b"<html>502</html>", ""),
        (b"\xff\xfe", ""),
        (b"[]", ""),
        (b"", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_what_a_body_says_is_passed_on(body: bytes, said: str) -> None:
    failure = failure_of_answer(Source.OPEN, 502, {}, body, wants_speech=False)
    assert failure.detail == f"POST answered 502{said}"


@pytest.mark.parametrize(
    ("status", "wants_speech", "hint"),
    [
        (403, True, failures.TEXT_ONLY_HINT),
        (403, False, failures.ACCESS_HINT),
        (401, True, failures.KEY_HINT),
        (503, True, None),
    ],
)
def test_a_refused_request_for_speech_suggests_text_only(status: int, wants_speech: bool, hint: str | None) -> None:
    assert failure_of_answer(Source.OPEN, status, {}, b"", wants_speech=wants_speech).hint == hint


def test_trace_id_and_retry_after_travel_with_the_failure() -> None:
    headers = {"x-trace-id": "4b1f-77", "retry-after": "17"}
    failure = failure_of_answer(Source.OPEN, 429, headers, b"", wants_speech=False)
    assert (failure.trace_id, failure.retry_after_s) == ("4b1f-77", 17.0)


@pytest.mark.parametrize(("text", "expected"), [(" a1-B:2 ", "a1-B:2"), ("a\nb", None), ("x" * 129, None), ("", None)])
def test_a_trace_id_is_only_what_fits_a_log_line(text: str, expected: str | None) -> None:
    assert trace_id({"x-trace-id": text}) == expected
    assert trace_id({}) is None
