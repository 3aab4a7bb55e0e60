"""Screen: MQTT messages of one satellite as lines for a person."""

import json
import math
import shutil
import sys
import wave
from pathlib import Path

from satellite.homeassistant.topics import Topics

NAME_CHARACTERS = 12


class Screen:
    """Prints messages as they come; tentative text is shown in place on a terminal, and not at all elsewhere."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._is_terminal = sys.stdout.isatty()
        self._tentative_shown = False
        self._seen = {"transcript": 0, "translation": 0, "speech": 0}

    def opening(self, recording: Path, port: int) -> None:
        """Say what will happen."""
        self.say(f"A recording ({recording.name}) is played into the satellite in real time. An emulated DeepL Voice")
        self.say("service answers; its translation is a pseudo-translation: the words reversed, marked as such.")
        self.say(f"Messages on the MQTT broker (127.0.0.1:{port}), topics below voice-satellite/demo/:")
        self.say("")

    def say(self, text: str) -> None:
        """One line."""
        self._clear_tentative()
        print(text, flush=True)

    def show(self, topic: str, payload: bytes) -> None:
        """One MQTT message."""
        name = topic.removeprefix(f"{self._topics.root}/")
        kind = name.split("/")[0]
        if name.endswith("/tentative"):
            self._show_tentative(name, json.loads(payload)["text"])
        elif kind in ("transcript", "translation"):
            self._seen[kind] += 1
            self._line(name, json.loads(payload)["text"])
        elif kind == "speech":
            self._show_speech(json.loads(payload))
        elif kind in ("availability", "state"):
            self._line(name, payload.decode())
        elif kind == "session":
            self._line(name, json.loads(payload)["event"])
        elif kind == "problem":
            self._show_problem(json.loads(payload))
        elif kind == "utterance":
            self._show_utterance(json.loads(payload))

    def summary(self, speech: Path, violations: int) -> bool:
        """Say what came through; True when everything did."""
        seconds, level_db = _measure(speech)
        seen = self._seen
        self.say("")
        self.say(
            f"{seen['transcript']} transcript and {seen['translation']} translation segments,"
            f" {seen['speech']} times speech. Rules of the service broken: {violations}."
        )
        if seconds:
            self.say(f"The spoken translation: {speech} ({seconds:.1f} s, {level_db:.0f} dBFS)")
        return bool(all(seen.values()) and seconds) and violations == 0

    def _show_speech(self, body: dict[str, object]) -> None:
        if body["event"] == "finished":
            self._seen["speech"] += 1
        self._line("speech", f"{body['event']} ({body['language']}, {float(str(body['duration_ms'])) / 1000:.1f} s)")

    def _show_problem(self, body: dict[str, object]) -> None:
        if body["active"]:
            self._line("problem", f"{body['code']}: {body['message']}")

    def _show_utterance(self, body: dict[str, object]) -> None:
        whole = "complete" if body["complete"] else "incomplete"
        self._line("utterance", f"{whole}, {float(str(body['duration_ms'])) / 1000:.1f} s")

    def _show_tentative(self, name: str, text: str) -> None:
        if not self._is_terminal or not text or not name.startswith("transcript"):
            return
        width = shutil.get_terminal_size().columns - 1
        line = f"{'…':<{NAME_CHARACTERS}} {text}"
        print(f"\r\x1b[K\x1b[2m{line[:width]}\x1b[0m", end="", flush=True)
        self._tentative_shown = True

    def _line(self, name: str, text: str) -> None:
        self.say(f"{name:<{NAME_CHARACTERS + 6}} {text}")

    def _clear_tentative(self) -> None:
        if self._tentative_shown:
            print("\r\x1b[K", end="")
            self._tentative_shown = False


def _measure(path: Path) -> tuple[float, float]:
    """Seconds and level of a WAV file; nothing where there is none."""
    import audioop  # noqa: PLC0415 - loaded only when used

    if not path.exists():
        return 0.0, -math.inf
    with wave.open(str(path)) as file:
        pcm = file.readframes(file.getnframes())
        seconds = file.getnframes() / file.getframerate()
    rms = audioop.rms(pcm, 2) if pcm else 0
    return (seconds, 20 * math.log10(rms / 32768)) if rms else (0.0, -math.inf)
