"""SoundShelf: sounds that a command asks for, from allowed places, fetched apart from everything else."""

import asyncio
import logging
import os.path
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from satellite.adapters import httpcall
from satellite.adapters.link import shared_tls
from satellite.adapters.recording import parse_sound, read_sound
from satellite.backends.base import HttpFailed, HttpRequest
from satellite.errors import MediaError
from satellite.homeassistant.commands import printable

log = logging.getLogger(__name__)

MAX_BYTES = 20 * 1024 * 1024
WAITING_MAX = 8
FETCH_TIMEOUT_S = 20.0
ERROR_CHARACTERS_MAX = 300
"""What is logged of an error, which may name a path of any length."""
URL_SCHEMES = ("http://", "https://")
KEPT_IN_URL = "%/:=&?~+!$,;'@()*"
"""What path and query may hold as they are; blanks and umlauts are percent-encoded for the person who wrote them."""


class SoundShelf:
    """Fetches one sound after the other; `on_sound` gets mono s16le PCM and its rate, `on_failure` a sentence."""

    def __init__(
        self, allowed: tuple[str, ...], on_sound: Callable[[bytes, int], None], on_failure: Callable[[str, str], None]
    ) -> None:
        self._allowed = allowed
        self._on_sound = on_sound
        self._on_failure = on_failure
        self._waiting: asyncio.Queue[str] = asyncio.Queue(WAITING_MAX)

    def request(self, source: str) -> str | None:
        """Queue a path or http(s) URL; why not, or None. Touches neither disk nor network."""
        is_allowed = is_url_allowed if source.startswith(URL_SCHEMES) else is_path_allowed
        if not is_allowed(source, self._allowed):
            places = ", ".join(self._allowed) or "none"
            return f"sounds are played from allowed places only (audio.output.play_from: {places})"
        if self._waiting.full():
            return f"{WAITING_MAX} sounds wait already"
        self._waiting.put_nowait(source)
        return None

    async def run(self) -> None:
        """Fetch what is asked for, for ever."""
        while True:
            source = await self._waiting.get()
            try:
                pcm, rate_hz = await self._fetch(source)
            except MediaError as error:
                log.warning("sound: %s", printable(str(error), ERROR_CHARACTERS_MAX))
                self._on_failure(source, str(error))
            else:
                self._on_sound(pcm, rate_hz)

    async def _fetch(self, source: str) -> tuple[bytes, int]:
        """Mono PCM and rate of a WAV at a path or URL. Raises MediaError."""
        if source.startswith(URL_SCHEMES):
            return await asyncio.to_thread(parse_sound, await _download(source), "what the server sends")
        return await asyncio.to_thread(_read_file, source, self._allowed)


class _Place(NamedTuple):
    """Where a URL leads."""

    scheme: str
    host: str | None
    port: int
    path: str


def is_path_allowed(source: str, allowed: tuple[str, ...]) -> bool:
    """True for an absolute path that, as written, lies below an allowed directory."""
    directories = [place for place in allowed if place.startswith("/")]
    is_path = source.startswith("/") and source.isprintable()
    return is_path and any(_is_below(os.path.normpath(source), place) for place in directories)


def is_url_allowed(source: str, allowed: tuple[str, ...]) -> bool:
    """True for a URL of the same scheme, host and port as an allowed one, its path below that one's."""
    place = _place_of(source)
    if place is None:
        return False
    prefixes = [_place_of(prefix) for prefix in allowed if prefix.startswith(URL_SCHEMES)]
    return any(
        prefix is not None and place[:-1] == prefix[:-1] and place.path.startswith(f"{prefix.path.rstrip('/')}/")
        for prefix in prefixes
    )


def _place_of(url: str) -> _Place | None:
    """None for a URL that could be read in more than one way: with a user name, with dots that climb."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    if not url.isprintable() or "@" in parts.netloc or _climbs(parts.path):
        return None
    return _Place(parts.scheme, parts.hostname, port, parts.path)


def _climbs(path: str) -> bool:
    """True when any server may take a part of the path for `.` or `..`: encoded, after a backslash, with parameters."""
    plain = path
    while (decoded := unquote(plain)) != plain:
        plain = decoded
    return any(part.split(";")[0].strip() in (".", "..") for part in plain.replace("\\", "/").split("/"))


def _is_below(path: str, directory: str) -> bool:
    return path.startswith(os.path.normpath(directory).rstrip("/") + "/")


def _read_file(source: str, allowed: tuple[str, ...]) -> tuple[bytes, int]:
    """The sound at a path, which is judged by where it leads: links do not get out. Blocks. Raises MediaError."""
    real = os.path.realpath(source)
    if not any(_is_below(real, os.path.realpath(place)) for place in allowed if place.startswith("/")):
        raise MediaError(f"{source} leads out of the allowed places")
    return read_sound(Path(real), MAX_BYTES)


async def _download(url: str) -> bytes:
    """The answer's body. A redirect is not followed: it could lead out of the allowed places. Raises MediaError."""
    parts = urlsplit(url)
    path, query = (quote(part, safe=KEPT_IN_URL) for part in (parts.path, parts.query))
    plain = parts._replace(path=path, query=query, fragment="").geturl()
    answer = await httpcall.perform(HttpRequest("GET", plain, {}, timeout_s=FETCH_TIMEOUT_S), shared_tls(), MAX_BYTES)
    if isinstance(answer, HttpFailed):
        raise MediaError(answer.detail)
    if 300 <= answer.status < 400:
        raise MediaError(f"the server redirects ({answer.status}): give the address that it redirects to")
    if answer.status != 200:
        raise MediaError(f"the server answers {answer.status}")
    return answer.body
