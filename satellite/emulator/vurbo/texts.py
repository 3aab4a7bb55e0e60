"""What the emulated Vurbo service says in words, and the body of its errors (reference §2.2, §5.4)."""

import secrets
from datetime import UTC, datetime, timedelta

STARTED = "started"
STATUS = {
    STARTED: ("Speech recognition started", "語音辨識已開始"),
    "pause": ("Speech recognition paused", "語音辨識已暫停"),
    "resume": ("Speech recognition resumed", "語音辨識已恢復"),
    "stop": ("Speech recognition stopped", "語音辨識已停止"),
    "set_name": ("Recording name set", "錄音名稱已設定"),
    "tts_stop": ("TTS playback stopped", "語音播放已停止"),
    "start_speaking": ("Started speaking", "已開始說話"),
    "broadcast_announcement": ("Announcement sent", "公告已傳送"),
    "set_standby_message": ("Standby phase text updated", "待機文字已更新"),
    "broadcast_go_live": ("Broadcast is already in progress", "廣播已在進行中"),
}
_WARNINGS = (
    "session_already_paused",
    "session_not_paused",
    "switch_language_same_target",
    "conversation_same_language",
)
_EPOCH = datetime(2026, 6, 2, tzinfo=UTC)


def status_text(action: str, *, is_chinese: bool) -> str:
    """The message of a `status`."""
    return STATUS[action][is_chinese]


def severity_of(code: str) -> str:
    """How grave an error is called."""
    return "warning" if code in _WARNINGS else "error"


def error_body(
    code: str, message: str, severity: str = "", sid: int | None = None, at_s: float = 0.0
) -> dict[str, object]:
    """The common form of an error."""
    moment = _EPOCH + timedelta(seconds=at_s)
    body: dict[str, object] = {
        "error_code": code,
        "severity": severity or severity_of(code),
        "message": message,
        "context": code.partition("_")[0],
        "request_id": f"req_{secrets.token_hex(6)}",
        "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "details": None,
    }
    return body if sid is None else {**body, "sid": sid}
