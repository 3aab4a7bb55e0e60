"""The table of failures against a second table, written from the reference (§1.3, §3, §11)."""

import json
import re
from pathlib import Path

import pytest

from satellite.backends.vurbo.failures import (
    RULES,
    Then,
    failure_of,
    failure_of_answer,
    meaning_of,
    printable_code,
)
from satellite.errors import ErrorCategory

PAGE = Path(__file__).parents[4] / "docs" / "backends" / "vurbo.md"

DOCUMENTED = """
PARK   AUTHENTICATION   auth_missing_api_key auth_invalid_api_key auth_invalid_key_format
PARK   QUOTA            auth_budget_exceeded
RETRY  SERVER           ticket_invalid ticket_expired ticket_already_used ticket_validation_failed
PARK   INVALID_REQUEST  missing_transcription_languages invalid_transcription_language too_many_languages
PARK   INVALID_REQUEST  invalid_recording_type invalid_summary_template diarization_multilang_conflict
PARK   INVALID_REQUEST  tts_invalid_language summary_invalid_mode summary_mode_field_mismatch
PARK   INVALID_REQUEST  summary_prompt_too_long summary_prompt_slug_too_long summary_prompt_slug_invalid
PARK   INVALID_REQUEST  broadcast_token_required broadcast_token_invalid
PARK   INVALID_REQUEST  conversation_requires_two_languages conversation_languages_identical
PARK   INVALID_REQUEST  conversation_invalid_language
RETRY  SERVER           stt_init_failed tts_init_failed broadcast_not_ready session_not_started audio_process_failed
COUNT  INVALID_REQUEST  audio_invalid_format audio_format_unsupported audio_decode_failed
IGNORE SERVER           session_already_paused session_not_paused switch_language_same_target
IGNORE SERVER           conversation_same_language conversation_not_speaking
REPORT SERVER           config_empty config_term_too_long config_too_many_entries config_too_many_dict_entries
REPORT SERVER           switch_language_no_target switch_language_in_progress
REPORT SERVER           set_name_empty set_name_too_long set_name_not_ready
REPORT SERVER           tts_not_enabled tts_segment_not_found tts_translation_not_found invalid_data invalid_action
REPORT SERVER           conversation_not_manual_mode conversation_invalid_speaker conversation_invalid_mode
REPORT SERVER           conversation_language_same_as_peer conversation_speaking conversation_language_change_failed
REPORT SERVER           retranslate_sid_not_found retranslate_session_not_active retranslate_no_target_lang
REPORT SERVER           retranslate_no_text retranslate_llm_failed
REPORT SERVER           speaker_not_found speaker_name_empty speaker_name_duplicate speaker_sid_not_found
REPORT SERVER           merge_speakers_same_id invalid_parameter broadcast_not_enabled broadcast_not_in_standby
"""


def test_every_documented_code_is_sorted_and_no_other() -> None:
    expected: dict[str, tuple[Then, ErrorCategory]] = {}
    for line in DOCUMENTED.strip().splitlines():
        then, category, *codes = line.split()
        expected |= dict.fromkeys(codes, (Then[then], ErrorCategory[category]))
    assert {code: (rule.then, rule.category) for code, rule in RULES.items()} == expected


def test_whoever_is_parked_is_told_a_mend() -> None:
    assert [code for code, rule in RULES.items() if rule.then is Then.PARK and rule.hint is None] == []
    assert [code for code, rule in RULES.items() if rule.then is Then.REPORT and not rule.commands] == []


def test_the_page_has_the_table() -> None:
    rows = [f"| `{code}` | {rule.meaning} | {rule.then.value} |" for code, rule in RULES.items()]
    written = re.findall(r"^\| `[a-z_]+` \| .*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [row for row in written if row in rows] == rows, (
        "the table in docs/backends/vurbo.md is not that of the code"
    )


def test_codes_are_told_in_words() -> None:
    assert meaning_of("speaker_not_found") == "there is no such speaker (speaker_not_found)"
    assert meaning_of("brand_new") == "the service refused it (brand_new)"
    assert meaning_of("<script>") == "the service refused it (an unknown code)"
    assert printable_code("x" * 65) == "an unknown code"


def test_the_end_of_a_session() -> None:
    failure = failure_of("auth_budget_exceeded", "start")
    assert (failure.category, failure.detail) == (
        ErrorCategory.QUOTA,
        "start: the month's budget is spent (auth_budget_exceeded)",
    )
    assert failure_of("brand_new", "start").category is ErrorCategory.SERVER


@pytest.mark.parametrize(
    ("status", "code", "category"),
    [
        (401, "auth_invalid_api_key", ErrorCategory.AUTHENTICATION),
        (401, "", ErrorCategory.AUTHENTICATION),
        (402, "auth_budget_exceeded", ErrorCategory.QUOTA),
        (402, "", ErrorCategory.QUOTA),
        (403, "", ErrorCategory.AUTHORIZATION),
        (404, "not_found", ErrorCategory.INVALID_REQUEST),
        (405, "", ErrorCategory.INVALID_REQUEST),
        (408, "", ErrorCategory.SERVER),
        (418, "", ErrorCategory.INVALID_REQUEST),
        (425, "", ErrorCategory.SERVER),
        (429, "", ErrorCategory.RATE_LIMIT),
        (302, "", ErrorCategory.SERVER),
        (500, "ticket_validation_failed", ErrorCategory.SERVER),
        (503, "", ErrorCategory.SERVER),
    ],
)
def test_answers_to_the_request_for_a_ticket(status: int, code: str, category: ErrorCategory) -> None:
    for body in (
        {"error_code": code},
        {"type": "error", "data": {"error_code": code}},
        {"error": {"error_code": code}},
    ):
        failure = failure_of_answer(status, {}, json.dumps(body if code else {}).encode())
        assert failure.category is category
        assert failure.detail.startswith(f"the request for a ticket was answered {status}")
        assert failure.retry_after_s == (60.0 if status == 429 else None)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"[" * 100_000, b'{"error_code": 7}'])
def test_a_body_may_be_anything(body: bytes) -> None:
    assert failure_of_answer(503, {"retry-after": "5"}, body).retry_after_s == 5.0
