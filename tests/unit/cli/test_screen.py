import io
import json
from typing import Any

import pytest

from satellite.cli.screen import Screen
from satellite.cli.terminal import Terminal
from satellite.homeassistant.topics import Topics
from tests.fakes.tty import Tty, tty

TOPICS = Topics("home/voice", "demo")
SEGMENT = {"language": "en", "text": "Good morning."}
SPEECH = {"event": "finished", "language": "de", "duration_ms": 1234}
UTTERANCE = {"complete": True, "duration_ms": 2140, "source": {"language": "en", "text": "x"}}


class Shown:
    """A screen on a stream that is no terminal."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.now = 0.0
        self.screen = Screen(TOPICS, Terminal(self.stream, {}), lambda: self.now)

    def show(self, name: str, body: dict[str, Any]) -> None:
        self.screen.show(f"home/voice/demo/{name}", json.dumps(body).encode())

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


def test_messages_stand_in_columns() -> None:
    shown = Shown()
    shown.screen.heading()
    shown.screen.show("home/voice/demo/state", b"listening")
    for shown.now, name, body in (
        (0.44, "session", {"event": "opened", "reason": None}),
        (1.96, "transcript", SEGMENT),
        (2.0, "translation/de", {"language": "de", "text": "[de] dooG gninrom."}),
        (12.3, "speech", {**SPEECH, "event": "started"}),
        (12.4, "speech", SPEECH),
        (12.5, "utterance", UTTERANCE),
        (123.4, "session", {"event": "closed", "reason": "finished"}),
    ):
        shown.show(name, body)
    assert shown.lines == [
        " time  topic           lang  message",
        "  0.0  state                 listening",
        "  0.4  session               opened",
        "  2.0  transcript      en    Good morning.",
        "  2.0  translation/de  de    [de] dooG gninrom.",
        " 12.3  speech          de    begins",
        " 12.4  speech          de    finished, 1.2 s heard",
        " 12.5  utterance       en    complete, 2.1 s",
        "123.4  session               closed (finished)",
    ]
    assert dict(shown.screen.seen) == {"session": 2, "transcript": 1, "translation": 1, "speech": 1, "utterance": 1}


@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("problem", {"active": True, "code": "auth", "message": "refused"}, "refused (auth)"),
        ("speech", {"event": "cut", "language": None, "duration_ms": 50}, "cut, 0.1 s heard"),
        ("utterance", {**UTTERANCE, "complete": False}, "incomplete, 2.1 s"),
    ],
)
def test_what_goes_wrong_is_shown(name: str, body: dict[str, Any], text: str) -> None:
    shown = Shown()
    shown.show(name, body)
    assert shown.lines[0].endswith(f"  {text}")
    assert shown.screen.seen["speech"] == 0


def test_the_rest_is_not_shown() -> None:
    shown = Shown()
    for name in ("problem", "health", "settings", "transcript/tentative", "translation/de/tentative"):
        shown.show(name, {"active": False, **SEGMENT})
    assert shown.lines == []


def test_texts_of_others_cannot_move_the_cursor() -> None:
    shown = Shown()
    shown.show("transcript", {"language": "en", "text": "a\x1b[2Jb\nc"})
    (line,) = shown.lines
    assert line.endswith("a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c")


# --- on a terminal ----------------------------------------------------------------------------------------------


def on(screen: Tty, **environment: str) -> Screen:
    return Screen(TOPICS, Terminal(screen.stream, {"TERM": "xterm", **environment}), lambda: 1.0)


def tentative(text: str) -> tuple[str, bytes]:
    return "home/voice/demo/transcript/tentative", json.dumps({"language": "en", "text": text}).encode()


def test_tentative_text_changes_in_place_until_it_is_concluded() -> None:
    with tty() as terminal:
        screen = on(terminal, NO_COLOR="1")
        screen.show(*tentative("Good"))
        assert terminal.seen() == [f"{'en':>25}    Good …"]
        screen.show(*tentative("Good mor"))
        assert terminal.seen() == [f"{'en':>25}    Good mor …"]
        screen.show("home/voice/demo/transcript", json.dumps(SEGMENT).encode())
        screen.show(*tentative("How"))
        screen.show(*tentative(""))
        assert terminal.seen() == ["  1.0  transcript      en    Good morning.", ""]


def test_of_a_long_tentative_text_the_end_is_shown() -> None:
    with tty(50) as terminal:
        on(terminal, NO_COLOR="1").show(*tentative("one two three four five six"))
        (line,) = terminal.seen()
        assert line.endswith("en    …e four five six …")
        assert len(line) == 47


def test_long_messages_are_filled_below_each_other() -> None:
    with tty(50) as terminal:
        body = {"language": "en", "text": "one two three four five six seven"}
        on(terminal).show("home/voice/demo/transcript", json.dumps(body).encode())
        assert terminal.seen() == [
            "  1.0  transcript      en    one two three four",
            f"{'':<29}five six seven",
            "",
        ]


def test_in_a_very_narrow_terminal_it_is_still_text() -> None:
    with tty(20) as terminal:
        on(terminal).show("home/voice/demo/transcript", json.dumps(SEGMENT).encode())
        assert "Good morning." in terminal.read()


@pytest.mark.parametrize(
    ("name", "style"), [("transcript", "1"), ("translation/de", "36"), ("utterance", "2"), ("speech", "32")]
)
def test_what_matters_stands_out(name: str, style: str) -> None:
    with tty() as terminal:
        on(terminal).show(f"home/voice/demo/{name}", json.dumps({**UTTERANCE, **SPEECH, **SEGMENT}).encode())
        assert terminal.read().startswith(f"\x1b[{style}m  1.0  {name}")
        assert terminal.read().endswith("\x1b[0m\n")
