"""SoundShelf: sounds that a command asks for, from allowed places, fetched apart from everything else."""

import asyncio
import logging
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from satellite.adapters.recording import read_sound
from satellite.errors import MediaError

log = logging.getLogger(__name__)

MAX_BYTES = 20 * 1024 * 1024
WAITING_MAX = 8
FETCH_TIMEOUT_S = 10.0


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
        """Queue a path or http(s) URL; why not, or None."""
        if not self._is_allowed(source):
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
                pcm, rate_hz = await asyncio.to_thread(_load, source)
            except (MediaError, OSError, ValueError) as error:
                log.warning("sound: %s", type(error).__name__)
                self._on_failure(source, str(error) or type(error).__name__)
            else:
                self._on_sound(pcm, rate_hz)

    def _is_allowed(self, source: str) -> bool:
        """A path is judged by where it leads: `..` and links do not get out of an allowed directory."""
        if source.startswith(("http://", "https://")):
            return any(source.startswith(place) for place in self._allowed)
        resolved = Path(source).resolve()
        return any(resolved.is_relative_to(Path(place).resolve()) for place in self._allowed if place.startswith("/"))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could lead out of the allowed places."""

    def redirect_request(self, *_: object) -> None:
        return None


def _load(source: str) -> tuple[bytes, int]:
    """Mono PCM and rate of a WAV at a path or URL. Raises MediaError, OSError. Runs in a thread."""
    if not source.startswith(("http://", "https://")):
        return read_sound(Path(source), MAX_BYTES)
    with tempfile.NamedTemporaryFile(prefix="voice-satellite-", suffix=".wav") as file:
        file.write(_download(source))
        file.flush()
        return read_sound(Path(file.name), MAX_BYTES)


def _download(url: str) -> bytes:
    """The answer's body. Raises MediaError, OSError."""
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(url, timeout=FETCH_TIMEOUT_S) as answer:
            data: bytes = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise MediaError(f"the server answers {error.code}") from error
    if len(data) > MAX_BYTES:
        raise MediaError(f"the sound is larger than {MAX_BYTES >> 20} MiB")
    return data
