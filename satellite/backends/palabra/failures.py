"""Every way Palabra can refuse or drop us, sorted by one table (reference §3.3, §4, §13).

The first rule that matches a source and a code decides; each source has a last rule that takes any code.
"""

import enum
import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from satellite.backends.answers import retry_after_s
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory

CROWDED_S = 60.0
"""The limit of connections counts minutes."""


class Source(enum.Enum):
    """Where a code comes from."""

    CREATE = "the request for a session"
    KEY_DIAL = "the stream opened with a key"
    TOKEN_DIAL = "the stream opened with a session's token"  # noqa: S105 - words for people
    START = "an error before the task ran"
    RUNNING = "an error while the task ran"
    WARNING = "a warning"
    CLOSE = "the end of the stream"


class Outcome(enum.Enum):
    """What becomes of the session."""

    OVER = "the session is over"
    GOES_ON = "the session goes on"
    WAITS = "the answer is asked for again"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a code means: the category, the mend if there is one, and what becomes of the session."""

    category: ErrorCategory
    hint: str | None = None
    outcome: Outcome = Outcome.OVER
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table; `codes` None takes any. `means` is what the code says, in words."""

    sources: frozenset[Source]
    codes: Container[object] | None
    verdict: Verdict
    means: str

    def matches(self, source: Source, code: object) -> bool:
        """True when this rule decides."""
        return source in self.sources and (self.codes is None or code in self.codes)


KEY_HINT = "check the credentials: voice.palabra.api_key, or client_id and client_secret"
FUNDS_HINT = "the account has no credit: add some on the platform's billing page"
REQUEST_HINT = "check the languages, the voice and the voice.palabra options"
ADDRESS_HINT = "check voice.palabra.base_url"
PORTAL_HINT = (
    "a network that wants a log-in first answers so (captive portal): log in with a browser; or check base_url"
)

_CREATE = frozenset({Source.CREATE})
_KEY_DIAL = frozenset({Source.KEY_DIAL})
_TOKEN_DIAL = frozenset({Source.TOKEN_DIAL})
_DIALS = _KEY_DIAL | _TOKEN_DIAL
_START = frozenset({Source.START})
_RUNNING = frozenset({Source.RUNNING})
_WARNING = frozenset({Source.WARNING})
_CLOSE = frozenset({Source.CLOSE})

RULES: tuple[Rule, ...] = (
    # 404 as well: the official clients take it for a wrong id or secret (§3.3)
    Rule(_CREATE, (401, 403, 404), Verdict(ErrorCategory.AUTHENTICATION, KEY_HINT), "credentials not accepted"),
    Rule(_CREATE | _DIALS, (402,), Verdict(ErrorCategory.QUOTA, FUNDS_HINT), "no funds"),
    Rule(_CREATE | _DIALS, (429,), Verdict(ErrorCategory.RATE_LIMIT), "too many requests or open sessions"),
    Rule(_CREATE, (408, 425), Verdict(ErrorCategory.SERVER), "not now"),
    Rule(_CREATE, range(400, 500), Verdict(ErrorCategory.INVALID_REQUEST, REQUEST_HINT), "the request is not valid"),
    Rule(_CREATE, range(300, 400), Verdict(ErrorCategory.SERVER, PORTAL_HINT), "somebody else answers"),
    Rule(_CREATE, None, Verdict(ErrorCategory.SERVER), "trouble at the service"),
    Rule(_KEY_DIAL, (401, 403), Verdict(ErrorCategory.AUTHENTICATION, KEY_HINT), "key not accepted"),
    Rule(_KEY_DIAL, (404,), Verdict(ErrorCategory.INVALID_REQUEST, "check voice.palabra.stream_url"), "no such stream"),
    # the token was given out a moment ago: a new session has a new one
    Rule(_DIALS, range(600), Verdict(ErrorCategory.SERVER), "the stream is refused"),
    Rule(_DIALS, None, Verdict(ErrorCategory.CONNECTIVITY), "no connection"),
    Rule(_START, ("NOT_FOUND",), Verdict(ErrorCategory.SERVER, outcome=Outcome.WAITS), "the task does not run yet"),
    Rule(_START, None, Verdict(ErrorCategory.INVALID_REQUEST, REQUEST_HINT), "the task is refused"),
    Rule(_RUNNING, ("NOT_FOUND",), Verdict(ErrorCategory.SERVER), "the task is gone"),
    Rule(
        _RUNNING,
        ("VALIDATION_ERROR",),
        Verdict(ErrorCategory.INVALID_REQUEST, outcome=Outcome.GOES_ON),
        "a command is refused, and answered so",
    ),
    Rule(
        _RUNNING,
        ("SERVICE_TIMEOUT",),
        Verdict(ErrorCategory.CONNECTIVITY, outcome=Outcome.GOES_ON),
        "no audio arrived for 10 s; the service closes",
    ),
    Rule(_RUNNING, None, Verdict(ErrorCategory.SERVER, outcome=Outcome.GOES_ON), "anything else"),
    Rule(
        _WARNING,
        ("AUDIO_STREAM_TOO_FAST", "AUDIO_STREAM_TOO_SLOW", "AUDIO_STREAM_STALLED"),
        Verdict(ErrorCategory.CONNECTIVITY, outcome=Outcome.GOES_ON),
        "audio comes at the wrong pace",
    ),
    Rule(
        _WARNING,
        ("VOICE_NOT_FOUND",),
        Verdict(ErrorCategory.INVALID_REQUEST, outcome=Outcome.GOES_ON),
        "the voice is not there; another one speaks",
    ),
    Rule(_WARNING, None, Verdict(ErrorCategory.SERVER, outcome=Outcome.GOES_ON), "anything else"),
    Rule(_CLOSE, (1000, 1001), Verdict(ErrorCategory.CONNECTIVITY), "closed in order, unasked"),
    # where no error went before: more than 20 connections within a minute (§4)
    Rule(_CLOSE, (1008,), Verdict(ErrorCategory.RATE_LIMIT, retry_after_s=CROWDED_S), "too many connections"),
    Rule(_CLOSE, (1011, 1012, 1013), Verdict(ErrorCategory.SERVER), "trouble at the service"),
    Rule(_CLOSE, None, Verdict(ErrorCategory.CONNECTIVITY), "the connection is lost"),
)


def verdict(source: Source, code: object) -> Verdict:
    """What this code means where it comes from."""
    return next(rule.verdict for rule in RULES if rule.matches(source, code))


def failure_of_answer(status: int, headers: Mapping[str, str], body: bytes) -> SessionFailed:
    """The failure that an answer to the request for a session means."""
    found = verdict(Source.CREATE, status)
    said = _said(body)
    detail = f"the request for a session was answered with {status}{': ' if said else ''}{said}"
    return SessionFailed(found.category, detail, found.hint, retry_after_s(headers))


def _said(body: bytes) -> str:
    """The human part of an error, with its number; empty when there is none (§3.3: any field may be missing)."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    errors = content.get("errors") if isinstance(content, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    return _words(first) if isinstance(first, dict) else ""


def _words(error: dict[str, Any]) -> str:
    text = next((text for name in ("detail", "title") if isinstance(text := error.get(name), str) and text), "")
    number = error.get("error_code")
    return f"{text} ({number})".strip() if isinstance(number, int) else text
