"""The two HTTP requests of the DeepL Voice API and their common answer (voice reference §3, §4, §6.2)."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from satellite.backends.addresses import is_same_domain, parse_address
from satellite.backends.base import HttpRequest, VoiceChoice
from satellite.backends.deepl.failures import ADDRESS_HINT, PORTAL_HINT
from satellite.backends.deepl.languages import wire_source, wire_target
from satellite.backends.deepl.options import DeepLOptions
from satellite.backends.tags import AUTO, unique
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory

PATH = "/v3/voice/realtime"
OPEN_TIMEOUT_S = 10.0
REJOIN_TIMEOUT_S = 6.0
"""A request into a dead network is given up while the backlog has room, and the session time, for another one."""
SOURCE_MEDIA = {"pcm": "audio/pcm;encoding=s16le;rate=16000", "opus": "audio/ogg;codecs=opus"}
_TOKEN = re.compile(r"[!-~]{1,8192}")


@dataclass(frozen=True, slots=True)
class Ticket:
    """Good for one dial; the token is also the key to the next connection."""

    url: str
    token: str


def session_request(options: DeepLOptions, voice: VoiceChoice, *, with_formality: bool) -> HttpRequest:
    """POST: a new session. Everything is fixed here; what is not set is left out."""
    headers = {**_authorization(options), "Content-Type": "application/json"}
    if options.reporting_tag is not None:
        headers["X-DeepL-Reporting-Tag"] = options.reporting_tag
    body: dict[str, Any] = {
        "source_media_content_type": SOURCE_MEDIA[options.source_media],
        "message_format": options.message_format,
        **_languages(options, voice),
        **_speech(options, voice),
    }
    if options.glossary_ids:
        body["glossary_ids"] = list(options.glossary_ids)
    if options.spoken_terms_id is not None:
        body["spoken_terms_id"] = options.spoken_terms_id
    if with_formality:
        body["formality"] = options.formality
    payload = json.dumps(body, separators=(",", ":")).encode()
    return HttpRequest("POST", options.base_url + PATH, headers, payload, timeout_s=OPEN_TIMEOUT_S)


def rejoin_request(options: DeepLOptions, token: str, timeout_s: float) -> HttpRequest:
    """GET: a new connection of the session that the newest token belongs to."""
    url = f"{options.base_url}{PATH}?token={quote(token, safe='')}"
    return HttpRequest("GET", url, _authorization(options), timeout_s=timeout_s)


def ticket_of(body: bytes, base_url: str) -> Ticket | SessionFailed:
    """The address and token of an answer; a failure when it is none, or leads out of the service's own domain."""
    if body.lstrip().startswith(b"<"):
        return SessionFailed(ErrorCategory.SERVER, "a web page came instead of the service's answer", PORTAL_HINT)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    url, token = (content.get("streaming_url"), content.get("token")) if isinstance(content, dict) else (None, None)
    if not isinstance(url, str) or not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return SessionFailed(ErrorCategory.SERVER, "the answer holds no streaming_url and token", ADDRESS_HINT)
    address, base = parse_address(url), parse_address(base_url)
    if address is None or base is None or address.scheme not in ("wss", "ws"):
        return SessionFailed(ErrorCategory.SERVER, "the answer's streaming_url is no WebSocket address")
    if address.scheme == "ws" and not address.is_loopback:
        return SessionFailed(ErrorCategory.INVALID_REQUEST, "the answer's streaming_url is not encrypted", ADDRESS_HINT)
    if not is_same_domain(address.host, base.host):
        detail = f"the answer's streaming_url leads to another domain: {address.host}"
        return SessionFailed(ErrorCategory.INVALID_REQUEST, detail, ADDRESS_HINT)
    return Ticket(address.with_parameter("token", quote(token, safe="")), token)


def _authorization(options: DeepLOptions) -> dict[str, str]:
    return {"Authorization": f"DeepL-Auth-Key {options.api_key.get_secret_value()}"}


def _languages(options: DeepLOptions, voice: VoiceChoice) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if voice.source_language != AUTO:
        body["source_language"] = wire_source(voice.source_language)
        body["source_language_mode"] = options.mode_for(voice.source_language)
    if voice.target_languages:
        body["target_languages"] = list(unique(map(wire_target, voice.target_languages)))
    return body


def _speech(options: DeepLOptions, voice: VoiceChoice) -> dict[str, Any]:
    if voice.speech_language is None:
        return {}
    body: dict[str, Any] = {
        "target_media_languages": [wire_target(voice.speech_language)],
        "target_media_content_type": options.speech_media,
    }
    if voice.speech_voice is not None:
        body["target_media_voice"] = voice.speech_voice
    return body
