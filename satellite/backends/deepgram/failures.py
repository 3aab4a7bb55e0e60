"""Every way Deepgram Flux can refuse or drop us, sorted by one table (Flux reference §2.3, §4, §11, §12).

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

    GRANT = "temporary token"
    HANDSHAKE = "handshake"
    ERROR = "Error message"
    CLOSE = "close"
    WARNING = "Warning message"
    CONFIGURE = "ConfigureFailure message"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a code means: the category and the mend if there is one; without a category the session goes on."""

    category: ErrorCategory | None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table; `codes` None takes any. `name` is how people know it."""

    sources: tuple[Source, ...]
    codes: Container[int | str] | None
    name: str
    verdict: Verdict

    def matches(self, source: Source, code: int | str | None) -> bool:
        """True when this rule decides."""
        return source in self.sources and (self.codes is None or code in self.codes)


UNPARSABLE = "UNPARSABLE_CLIENT_MESSAGE"
NO_ACTIVE_TURN = "FORCE_END_TURN_NO_ACTIVE_TURN"

KEY_HINT = "check voice.deepgram.api_key; temporary tokens need a key of role Member or higher"
ACCESS_HINT = "the model is not open to this project, or its name is misspelt: check voice.deepgram.model and the plan"
QUOTA_HINT = "the project's credit is used up: add some, or wait for the next period"
REQUEST_HINT = "check the language and the voice.deepgram options"
ADDRESS_HINT = "check voice.deepgram.base_url"
SLOTS_HINT = "all connections that the project may have at a time are in use"
AUDIO_HINT = "the service could not read the audio: check voice.deepgram.source_media"
SILENT_HINT = "an unsupported combination of options may be answered so: check the voice.deepgram options"
PORTAL_HINT = (
    "a network that wants a log-in first answers so (captive portal): log in with a browser; or check base_url"
)

_HTTP = (Source.GRANT, Source.HANDSHAKE)
_ERROR = (Source.ERROR,)
_CLOSE = (Source.CLOSE,)
_REQUEST = Verdict(ErrorCategory.INVALID_REQUEST, REQUEST_HINT)

RULES: tuple[Rule, ...] = (
    Rule(_HTTP, (400,), "400 INVALID_PARAMETER", _REQUEST),
    Rule(_HTTP, (401,), "401 INVALID_AUTH", Verdict(ErrorCategory.AUTHENTICATION, KEY_HINT)),
    Rule(_HTTP, (402,), "402 ASR_PAYMENT_REQUIRED", Verdict(ErrorCategory.QUOTA, QUOTA_HINT)),
    Rule(_HTTP, (403,), "403 INSUFFICIENT_PERMISSIONS", Verdict(ErrorCategory.AUTHORIZATION, ACCESS_HINT)),
    Rule(_HTTP, (404, 405), "404, 405", Verdict(ErrorCategory.INVALID_REQUEST, ADDRESS_HINT)),
    Rule(_HTTP, (408, 425), "408, 425", Verdict(ErrorCategory.SERVER)),
    Rule(_HTTP, (429,), "429 TOO_MANY_REQUESTS", Verdict(ErrorCategory.RATE_LIMIT, SLOTS_HINT)),
    Rule(_HTTP, range(400, 500), "any other 4xx", _REQUEST),
    Rule(_HTTP, range(200, 400), "2xx, 3xx", Verdict(ErrorCategory.SERVER, PORTAL_HINT)),
    Rule(_HTTP, range(600), "5xx", Verdict(ErrorCategory.SERVER)),
    Rule(_HTTP, None, "no answer", Verdict(ErrorCategory.CONNECTIVITY)),
    Rule(_ERROR, ("INVALID_PARAMETER",), "INVALID_PARAMETER", _REQUEST),
    Rule(_ERROR, (UNPARSABLE,), UNPARSABLE, _REQUEST),
    Rule(_ERROR, ("INTERNAL_SERVER_ERROR",), "INTERNAL_SERVER_ERROR", Verdict(ErrorCategory.SERVER)),
    Rule(_ERROR, None, "any other, or none", Verdict(ErrorCategory.SERVER)),
    Rule(_CLOSE, (1008,), "1008 DATA-0000", Verdict(ErrorCategory.INVALID_REQUEST, AUDIO_HINT)),
    # the server's own trouble, or too little audio; and nothing received of us: both pass
    Rule(_CLOSE, (1011,), "1011 NET-0000, NET-0001", Verdict(ErrorCategory.SERVER)),
    Rule(_CLOSE, (1003, 1007, 1009), "1003, 1007, 1009", Verdict(ErrorCategory.SERVER)),
    Rule(_CLOSE, None, "any other, or none", Verdict(ErrorCategory.CONNECTIVITY)),
    Rule((Source.WARNING,), (NO_ACTIVE_TURN,), NO_ACTIVE_TURN, Verdict(None)),
    Rule((Source.WARNING,), None, "any other, or none", Verdict(None)),
    Rule((Source.CONFIGURE,), None, "INVALID_THRESHOLD, any other, or none", Verdict(None)),
)

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_SAID = (("err_code", "err_msg"), ("code", "description"), ("category", "message", "details"))
"""The shapes that the body of a refusal has been seen in."""


def verdict(source: Source, code: int | str | None) -> Verdict:
    """What this code means where it comes from."""
    return next(rule.verdict for rule in RULES if rule.matches(source, code))


def failure(source: Source, code: int | str | None, detail: str) -> SessionFailed:
    """The end of a session by this code; only for sources that end one."""
    found = verdict(source, code)
    return SessionFailed(found.category or ErrorCategory.SERVER, detail, found.hint)


def failure_of_answer(source: Source, status: int, headers: Mapping[str, str], body: bytes) -> SessionFailed:
    """The failure that an HTTP answer means."""
    found = verdict(source, status)
    said = _said(headers, body)
    detail = f"the {source.value} was answered with {status}{': ' if said else ''}{said}"
    category = found.category or ErrorCategory.SERVER
    return SessionFailed(category, detail, found.hint, retry_after_s(headers), request_id(headers.get("dg-request-id")))


def request_id(text: object) -> str | None:
    """The id that Deepgram's support asks for; None when absent or not usable in a log line."""
    return text if isinstance(text, str) and _REQUEST_ID.fullmatch(text) else None


def _said(headers: Mapping[str, str], body: bytes) -> str:
    """The human part of a refusal in any of its shapes; empty when there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    for keys in _SAID if isinstance(content, dict) else ():
        parts = [content.get(key) for key in keys]
        if said := ": ".join(part for part in parts if isinstance(part, str) and part):
            return said
    return headers.get("dg-error", "")
