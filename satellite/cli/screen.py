"""Screen: MQTT messages of one satellite as lines for a person."""

import json
import textwrap
from collections import Counter
from collections.abc import Callable
from typing import Any

from satellite.cli.terminal import MARGIN_COLUMNS, Terminal, fit_end, harmless
from satellite.homeassistant.topics import Topics

NARROWEST_TEXT = 16
BOLD, CYAN, GREEN, YELLOW, DIM = "1", "36", "32", "33", "2"
STYLES = {"transcript": BOLD, "translation": CYAN, "speech": GREEN, "problem": YELLOW}
"""What a person looks for stands out; the rest, state and session, stays in the background."""


class Screen:
    """Prints messages as they come, with seconds since the start; tentative text only where a line can change."""

    def __init__(self, topics: Topics, terminal: Terminal, elapsed_s: Callable[[], float]) -> None:
        self._topics = topics
        self._terminal = terminal
        self._elapsed_s = elapsed_s
        self.seen: Counter[str] = Counter()
        """How many transcript, translation and utterance messages came, and how often speech was heard to its end."""

    def heading(self) -> None:
        """Name the columns."""
        self._terminal.say(self._terminal.styled(_row("time", "topic", "lang", "message"), DIM))

    def show(self, topic: str, payload: bytes) -> None:
        """One MQTT message."""
        name = topic.removeprefix(f"{self._topics.root}/")
        kind = name.split("/")[0]
        if kind in ("availability", "state"):
            self._line(name, "", payload.decode(errors="replace"))
        elif name == "transcript/tentative":
            self._show_tentative(json.loads(payload))
        elif kind in _DESCRIBED and not name.endswith("/tentative"):
            body = json.loads(payload)
            language, text = _DESCRIBED[kind](body)
            if text:
                self.seen[kind] += kind != "speech" or body["event"] == "finished"
                self._line(name, language, text)

    def _show_tentative(self, body: dict[str, Any]) -> None:
        text = harmless(body["text"])
        if text:
            row = _row("", "", body["language"], "")
            room = self._terminal.columns - MARGIN_COLUMNS - len(row)
            self._terminal.show(row + fit_end(f"{text} …", room), DIM)  # the newest words are the news
        else:
            self._terminal.erase()

    def _line(self, name: str, language: str, text: str) -> None:
        row = _row(f"{self._elapsed_s():.1f}", name, language, "")
        message = harmless(text)
        if self._terminal.is_lively:  # a file or a pipe gets one line for each message
            width = max(NARROWEST_TEXT, self._terminal.columns - 1 - len(row))
            message = textwrap.fill(message, width).replace("\n", "\n" + " " * len(row))
        self._terminal.say(self._terminal.styled(row + message, STYLES.get(name.split("/", maxsplit=1)[0], DIM)))


def _row(time: str, topic: str, language: str | None, message: str) -> str:
    return f"{time:>5}  {topic:<14}  {language or '':<4}  {message}"


Described = tuple[str, str]
"""Language and text of a message; without text there is nothing to say."""


def _segment(body: dict[str, Any]) -> Described:
    return body["language"], body["text"]


def _speech(body: dict[str, Any]) -> Described:
    heard = "begins" if body["event"] == "started" else f"{body['event']}, {body['duration_ms'] / 1000:.1f} s heard"
    return body["language"] or "", heard


def _utterance(body: dict[str, Any]) -> Described:
    whole = "complete" if body["complete"] else "incomplete"
    return body["source"]["language"], f"{whole}, {body['duration_ms'] / 1000:.1f} s"


def _session(body: dict[str, Any]) -> Described:
    return "", body["event"] + (f" ({body['reason']})" if body["reason"] else "")


def _problem(body: dict[str, Any]) -> Described:
    return "", f"{body['message']} ({body['code']})" if body["active"] else ""


_DESCRIBED: dict[str, Callable[[dict[str, Any]], Described]] = {
    "transcript": _segment,
    "translation": _segment,
    "speech": _speech,
    "utterance": _utterance,
    "session": _session,
    "problem": _problem,
}
