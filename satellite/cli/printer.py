"""Printer: takes the broker's place for one file, and prints what the satellite would publish."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from satellite.cli.terminal import MARGIN_COLUMNS, Streams, Terminal, harmless
from satellite.core.framing import GAP_S
from satellite.homeassistant.messages import Message
from satellite.homeassistant.topics import Topics
from satellite.ports import Clock

BAR_CHARACTERS_MAX = 40
GIVE_UP_AFTER_S = 15.0
"""A service that cannot be reached for this long will not transcribe the rest of a file."""
HOPELESS = frozenset({"auth", "quota", "rejected", "daily_limit"})
"""Problems that no waiting mends, for any file."""
UNPLAYABLE = "microphone"
"""The problem of a file that cannot be played (any longer): it takes the microphone's place."""
PASSING = frozenset({"unreachable", "rate_limited"})
"""Problems that may go away by themselves."""
MENDS = {"unreachable": "check the network and the service's base_url in the configuration", UNPLAYABLE: None}
"""What to do instead of what helps a satellite."""
HARMLESS = frozenset({"speaker"})


class GaveUpError(Exception):
    """The rest of the file would be played for nothing."""


class Progress:
    """ports.ServiceNotifier that shows how far a file was played, where a line can change in place."""

    def __init__(self, terminal: Terminal, length_s: float) -> None:
        self._terminal = terminal
        self._length_s = length_s
        self._is_stopping = False

    def heard(self, seconds: float) -> None:
        """The file was played this far."""
        if self._is_stopping:
            return
        figures = f" {seconds:6.1f} of {self._length_s:.1f} s"
        characters = max(0, min(BAR_CHARACTERS_MAX, self._terminal.columns - MARGIN_COLUMNS - len(figures)))
        done = round(min(1.0, seconds / self._length_s) * characters)
        self._terminal.show("#" * done + "-" * (characters - done) + figures)

    def stopping(self) -> None:
        """Nothing more is played."""
        self._is_stopping = True
        self._terminal.show("waiting for the last words; Ctrl-C ends at once")

    def ready(self) -> None:
        """Nobody waits for this."""

    def reloading(self) -> None:
        """Nobody waits for this."""

    def status(self, text: str) -> None:
        """Nobody asks."""

    def watchdog(self) -> None:
        """Nobody watches."""

    def watchdog_interval_s(self) -> float | None:
        """Nobody watches."""
        return None


class FileTime:
    """Wall clock → seconds in a file that is played in real time, also when the machine could not keep up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: list[tuple[float, float]] = []
        """Since which wall time the file counts as begun at which one."""

    def heard(self, seconds: float) -> None:
        """The file was played this far at this moment."""
        now = self._clock.wall()
        began = now - seconds
        if not self._began or began > self._began[-1][1] + GAP_S:
            self._began.append((began if not self._began else now, began))
        elif began < self._began[-1][1]:  # what came before came late
            self._began[-1] = (self._began[-1][0], began)

    def seconds_at(self, wall_s: float) -> float:
        """Where in the file something was said."""
        began = next((began for since, began in reversed(self._began) if since <= wall_s), None)
        if began is None:
            began = self._began[0][1] if self._began else wall_s
        return max(0.0, wall_s - began)


class Printer:
    """A publisher that prints text and keeps `failure`, why the file was not heard to its end."""

    def __init__(self, path: Path, topics: Topics, time: FileTime, streams: Streams, *, as_json: bool) -> None:
        self.path = path
        self._topics = topics
        self._time = time
        self._streams = streams
        self._as_json = as_json
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._giving_up: asyncio.TimerHandle | None = None
        self.ended_by: Exception | None = None
        """What `run` raises."""
        self.failure: str | None = None
        self.is_hopeless = False
        self.utterances = 0
        self.incomplete = 0

    def publish(self, message: Message) -> None:
        """Print text; note problems, and give up when nothing can come any more."""
        name = message.topic.removeprefix(f"{self._topics.root}/")
        kind = name.split("/", maxsplit=1)[0]
        if kind in ("transcript", "translation", "utterance") and not name.endswith("/tentative"):
            self._text(kind, json.loads(message.payload))
        elif kind == "problem":
            self._problem(json.loads(message.payload))

    async def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - the port's signature
        """Everything was printed already."""
        return True

    async def run(self) -> None:
        """Serve until closed. Raises GaveUpError, and OSError when nothing can be printed any more."""
        try:
            await self._over
        finally:
            self._wait_no_more()

    async def close(self, *, timeout_s: float = 5.0) -> bool:  # noqa: ARG002 - the port's
        """End."""
        if not self._over.done():
            self._over.set_result(None)
        return True

    def _text(self, kind: str, body: dict[str, Any]) -> None:
        if kind == "utterance":
            self.utterances += 1
            self.incomplete += not body["complete"]
            if not self._as_json:
                return
        from_s, to_s = (round(self._time.seconds_at(unix_s(body[key])), 3) for key in ("start", "end"))
        if self._as_json:
            line = {"file": str(self.path), "kind": kind, "from_s": from_s, "to_s": to_s, **body}
            self._print(self._streams.say, json.dumps(line, ensure_ascii=False))
        else:
            text = harmless(body["text"])
            self._print(self._streams.say, f"{minutes(from_s)}  {body['language']:<5}  {text}")

    def _print(self, say: Callable[[str], None], text: str) -> None:
        try:
            say(text)
        except OSError as error:  # the reader has left, or the terminal is gone
            self._end(error)

    def _problem(self, body: dict[str, Any]) -> None:
        code = body["code"] if body["active"] else None
        if code is None or code in HARMLESS:
            self.failure = None
        else:
            hint = MENDS.get(code, body["hint"])
            self.failure = f"{body['message']} ({hint})" if hint else body["message"]
        self.is_hopeless = code in HOPELESS
        if self.is_hopeless or code == UNPLAYABLE:
            self._end(GaveUpError())
        elif code in PASSING:
            self._wait()
        else:
            self._wait_no_more()

    def _wait(self) -> None:
        """Say that there is a difficulty, once for each, and give up when it lasts."""
        if self._giving_up is None:
            self._print(self._streams.warn, f"{self.path}: {self.failure}; trying again for {GIVE_UP_AFTER_S:.0f} s")
            self._giving_up = asyncio.get_running_loop().call_later(GIVE_UP_AFTER_S, self._end, GaveUpError())

    def _end(self, error: Exception) -> None:
        if not self._over.done():
            self.ended_by = error
            self._over.set_exception(error)

    def _wait_no_more(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None


def unix_s(rfc3339: str) -> float:
    """Unix seconds of a payload's time."""
    return datetime.fromisoformat(rfc3339).timestamp()


def minutes(seconds: float) -> str:
    """As "03:07.4"; hours are counted in minutes."""
    tenths = round(seconds * 10)
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"
