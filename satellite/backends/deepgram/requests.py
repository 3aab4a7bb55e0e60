"""How a connection to Deepgram Flux is asked for: the grant of a temporary token, and the dial (Flux reference §2)."""

import json
import re
from urllib.parse import quote, urlencode

from satellite.backends.base import HttpRequest, OpenSocket
from satellite.backends.deepgram.actions import Configure
from satellite.backends.deepgram.failures import ADDRESS_HINT
from satellite.backends.deepgram.languages import MULTI_MODEL
from satellite.backends.deepgram.options import DeepgramOptions
from satellite.core.audio import RATE_HZ
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory

LISTEN_PATH = "/v2/listen"
GRANT_PATH = "/v1/auth/grant"
GRANT_TIMEOUT_S = 8.0
PING_INTERVAL_S = 15.0
"""Keeps a connection without audio open: the service gives up one that was silent for 60 s (§11)."""
PING_TIMEOUT_S = 20.0
MAX_MESSAGE_BYTES = 512 * 1024
_TOKEN = re.compile(r"[!-~]{1,8192}")

Query = list[tuple[str, str]]


def grant_request(options: DeepgramOptions) -> HttpRequest:
    """POST: a token that is good for one connection."""
    base = options.rest_url or options.base_url.replace("ws", "http", 1)
    headers = {**key_header(options), "Content-Type": "application/json"}
    body = json.dumps({"ttl_seconds": options.token_ttl_s}).encode()
    return HttpRequest("POST", base + GRANT_PATH, headers, body, timeout_s=GRANT_TIMEOUT_S)


def token_of(body: bytes) -> str | SessionFailed:
    """The token of an answer; a failure when there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    token = content.get("access_token") if isinstance(content, dict) else None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return SessionFailed(ErrorCategory.SERVER, "the answer holds no access_token", ADDRESS_HINT)
    return token


def key_header(options: DeepgramOptions) -> dict[str, str]:
    """A key goes by `Token`: by `Bearer` it is refused (§2.1)."""
    return {"Authorization": f"Token {options.api_key.get_secret_value()}"}


def token_header(token: str) -> dict[str, str]:
    """A temporary token goes by `Bearer`."""
    return {"Authorization": f"Bearer {token}"}


def dial(options: DeepgramOptions, model: str, settings: Configure, authorization: dict[str, str]) -> OpenSocket:
    """A connection with everything that it is to know from the beginning."""
    query = [("model", model), *_media(options), *_settings(settings, model), *_fixed(options)]
    return OpenSocket(
        f"{options.base_url}{LISTEN_PATH}?{urlencode(query, quote_via=quote)}",
        authorization,
        ping_interval_s=PING_INTERVAL_S,
        ping_timeout_s=PING_TIMEOUT_S,
        max_message_bytes=MAX_MESSAGE_BYTES,
    )


def _media(options: DeepgramOptions) -> Query:
    """Both for raw audio, neither for a container."""
    return [("encoding", "linear16"), ("sample_rate", str(RATE_HZ))] if options.source_media == "pcm" else []


def _settings(settings: Configure, model: str) -> Query:
    """What `Configure` can change later; lists are repeated parameters, hints are for the multilingual model only."""
    query = [("eot_threshold", f"{settings.eot_threshold:g}")]
    if settings.eager_eot_threshold:
        query.append(("eager_eot_threshold", f"{settings.eager_eot_threshold:g}"))
    query.append(("eot_timeout_ms", str(settings.eot_timeout_ms)))
    query += [("keyterm", term) for term in settings.keyterms or ()]
    if model == MULTI_MODEL:
        query += [("language_hint", tag) for tag in settings.language_hints or ()]
    return [*query, ("numerals", "true")] if settings.numerals else query


def _fixed(options: DeepgramOptions) -> Query:
    """What holds for the whole connection."""
    query: Query = []
    if options.profanity_filter:
        query.append(("profanity_filter", "true"))
    if options.redact is not None:
        query.append(("redact", options.redact))
    if options.mip_opt_out:
        query.append(("mip_opt_out", "true"))
    return query + [("tag", label) for label in options.tags]
