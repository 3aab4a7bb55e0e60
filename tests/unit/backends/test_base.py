import pytest

from satellite.backends.base import Finding, HttpRequest, OpenSocket, SessionState, Severity


@pytest.mark.parametrize("state", SessionState)
def test_only_closed_and_failed_are_final(state: SessionState) -> None:
    assert state.is_final is (state in (SessionState.CLOSED, SessionState.FAILED))


def test_a_dial_is_bounded_and_takes_large_messages_by_default() -> None:
    dial = OpenSocket("wss://example.org")
    assert (dial.open_timeout_s, dial.ping_interval_s, dial.max_message_bytes) == (10.0, 10.0, 8 * 1024 * 1024)
    assert dial.headers == {}


def test_neither_keys_nor_tokens_are_in_a_printed_action() -> None:
    request = HttpRequest("GET", "https://example.org?token=secret", {"Authorization": "secret"})
    assert "secret" not in repr(request)
    assert "secret" not in repr(OpenSocket("wss://example.org?token=secret", {"Authorization": "secret"}))


def test_a_finding_is_an_error_unless_said() -> None:
    assert Finding("voice.backend", "is wrong").severity is Severity.ERROR
