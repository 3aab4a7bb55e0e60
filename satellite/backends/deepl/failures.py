"""Every way the DeepL Voice API can refuse or drop us, sorted by one table (voice reference §5, §6.3, §7, §12).

The first rule that matches a source and a code decides; each source has a last rule that takes any code.
"""

import enum
import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass

from satellite.backends.answers import retry_after_s
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory


class Source(enum.Enum):
    """Where a code comes from."""

    OPEN = "POST"
    REJOIN = "GET"
    HANDSHAKE = "handshake"
    ERROR = "error message"
    CLOSE = "close"


class Rejoin(enum.Enum):
    """Whether the session may be asked for again with its newest token."""

    NEVER = "never"
    ONCE = "once"
    FREELY = "freely"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a code means: the category, the mend if there is one, and whether the session itself may go on."""

    category: ErrorCategory
    hint: str | None = None
    rejoin: Rejoin = Rejoin.NEVER
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table; `codes` None takes any."""

    sources: frozenset[Source]
    codes: Container[int] | None
    verdict: Verdict

    def matches(self, source: Source, code: int | None) -> bool:
        """True when this rule decides."""
        return source in self.sources and (self.codes is None or code in self.codes)


_HTTP = frozenset({Source.OPEN, Source.REJOIN})
_ANY_ANSWER = frozenset({Source.OPEN, Source.REJOIN, Source.ERROR})
_OPEN = frozenset({Source.OPEN})
_REJOIN = frozenset({Source.REJOIN})
_HANDSHAKE = frozenset({Source.HANDSHAKE})
_ERROR = frozenset({Source.ERROR})
_CLOSE = frozenset({Source.CLOSE})

KEY_HINT = "check voice.deepl.api_key"
ACCESS_HINT = "Voice needs a paid API plan and a key without restricted scopes"
TEXT_ONLY_HINT = "speech output may not be enabled for this key: set voice.speech_language to null for text only"
QUOTA_HINT = "the plan's minutes or the key's cost limit are used up: raise the limit or wait for the next period"
REQUEST_HINT = "check the languages and the voice.deepl options"
ADDRESS_HINT = "check voice.deepl.base_url"
PORTAL_HINT = (
    "a network that wants a log-in first answers so (captive portal): log in with a browser; or check base_url"
)

RULES: tuple[Rule, ...] = (
    Rule(_ANY_ANSWER, (401,), Verdict(ErrorCategory.AUTHENTICATION, KEY_HINT)),
    Rule(_ANY_ANSWER, (403,), Verdict(ErrorCategory.AUTHORIZATION, ACCESS_HINT)),
    Rule(_ANY_ANSWER, (456,), Verdict(ErrorCategory.QUOTA, QUOTA_HINT)),
    Rule(_HTTP, (429,), Verdict(ErrorCategory.RATE_LIMIT)),
    Rule(_OPEN, (408, 425), Verdict(ErrorCategory.SERVER)),
    Rule(_OPEN, (404, 405), Verdict(ErrorCategory.INVALID_REQUEST, ADDRESS_HINT)),
    Rule(_OPEN, range(400, 500), Verdict(ErrorCategory.INVALID_REQUEST, REQUEST_HINT)),
    Rule(_OPEN, range(300, 400), Verdict(ErrorCategory.SERVER, PORTAL_HINT)),
    Rule(_OPEN, None, Verdict(ErrorCategory.SERVER)),
    # Any 4xx on a reconnect: the token or the session is no longer good, a new session is (§6.4).
    Rule(_REJOIN, range(300, 500), Verdict(ErrorCategory.SERVER)),
    # Answered, so the token may have been rotated: at most once more (§6.4).
    Rule(_REJOIN, None, Verdict(ErrorCategory.SERVER, rejoin=Rejoin.ONCE)),
    Rule(_HANDSHAKE, (429,), Verdict(ErrorCategory.RATE_LIMIT)),
    # An answer to the handshake: the token is no good, or the service is down; either way begin anew (§7).
    Rule(_HANDSHAKE, range(600), Verdict(ErrorCategory.SERVER)),
    # No answer at all: the token counts as used for dialling, but is still the newest (§6.1). The service was reached
    # by HTTP a moment ago, so this is not the network's weather.
    Rule(_HANDSHAKE, None, Verdict(ErrorCategory.SERVER, rejoin=Rejoin.ONCE)),
    Rule(_ERROR, (408,), Verdict(ErrorCategory.SERVER)),
    Rule(_ERROR, (429,), Verdict(ErrorCategory.RATE_LIMIT, retry_after_s=5.0)),
    Rule(_ERROR, range(400, 429), Verdict(ErrorCategory.INVALID_REQUEST, REQUEST_HINT)),
    Rule(_ERROR, None, Verdict(ErrorCategory.SERVER)),
    # Unsupported data, policy, too big: a fault of ours would only repeat itself (§12).
    Rule(_CLOSE, (1003, 1008, 1009), Verdict(ErrorCategory.SERVER, rejoin=Rejoin.ONCE)),
    Rule(_CLOSE, None, Verdict(ErrorCategory.CONNECTIVITY, rejoin=Rejoin.FREELY)),
)

_TIMEOUT = re.compile(r"time[d -]*out", re.IGNORECASE)
_TRACE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


def verdict(source: Source, code: int | None) -> Verdict:
    """What this code means where it comes from."""
    return next(rule.verdict for rule in RULES if rule.matches(source, code))


def verdict_of_error(code: int | None, text: str) -> Verdict:
    """What an `error` message means; starving is reported in words at times, and is no fault of the request."""
    is_timeout = code in (None, *range(400, 429)) and code not in (401, 403) and _TIMEOUT.search(text) is not None
    return verdict(Source.ERROR, 408 if is_timeout else code)


def failure_of_answer(
    source: Source, status: int, headers: Mapping[str, str], body: bytes, *, wants_speech: bool
) -> SessionFailed:
    """The failure that an HTTP answer means."""
    found = verdict(source, status)
    hint = TEXT_ONLY_HINT if status == 403 and wants_speech else found.hint
    said = _said(body)
    detail = f"{source.value} answered {status}{': ' if said else ''}{said}"
    return SessionFailed(found.category, detail, hint, retry_after_s(headers), trace_id(headers))


def trace_id(headers: Mapping[str, str]) -> str | None:
    """The `X-Trace-ID` that DeepL's support asks for; None when absent or not usable in a log line."""
    text = headers.get("x-trace-id", "").strip()
    return text if _TRACE_ID.fullmatch(text) else None


def _said(body: bytes) -> str:
    """The human part of an error body in any of its documented shapes; empty when there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(content, dict):
        return ""
    inner = content.get("error")
    parts = [content.get("message"), content.get("detail"), inner.get("message") if isinstance(inner, dict) else inner]
    return "; ".join(part for part in parts if isinstance(part, str) and part)
