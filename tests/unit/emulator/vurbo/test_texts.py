"""What the service says in words."""

from satellite.emulator.vurbo.texts import STATUS, error_body, severity_of, status_text


def test_words_may_be_in_another_language() -> None:
    assert status_text("pause", is_chinese=False) == "Speech recognition paused"
    assert all(status_text(name, is_chinese=True) != status_text(name, is_chinese=False) for name in STATUS)


def test_an_error_in_its_common_form() -> None:
    body = error_body("audio_decode_failed", "m", at_s=1.5)
    assert (body["error_code"], body["severity"], body["context"]) == ("audio_decode_failed", "error", "audio")
    assert body["timestamp"] == "2026-06-02T00:00:01.500Z"
    assert "sid" not in body
    assert error_body("x", "m", "fatal", 4)["sid"] == 4
    assert severity_of("session_not_paused") == "warning"
