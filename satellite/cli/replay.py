"""`voice-satellite replay`: audio files through gate and voice service as if spoken."""

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from satellite.cli import COMMANDS, EXIT_FAULT, EXIT_OK, Subparsers, add_config_option

if TYPE_CHECKING:
    from satellite.config.model import Config
    from satellite.homeassistant.messages import Message

BAR_CHARACTERS = 30


def add_parser(subparsers: Subparsers) -> None:
    """Arguments of `replay`."""
    parser = subparsers.add_parser(
        "replay",
        help=COMMANDS["replay"],
        description="Plays WAV files in real time through the gate to the configured voice service and prints what"
        " comes back. Nothing is published and nothing is spoken; the service bills the audio that is sent.",
        epilog="Exit code 0 when every file was heard to its end, 1 when not, 78 on a configuration error.",
    )
    add_config_option(parser)
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="WAV file")
    parser.add_argument("--json", action="store_true", help="print MQTT payloads as JSON lines")
    parser.add_argument("--plot", metavar="OUT.png", type=Path, help="draw waveform, speech probability and the gate")


def run(args: argparse.Namespace) -> int:
    """Play file after file; the exit code."""
    # loaded only when used: help and usage errors must be instant
    from satellite.adapters.logs import set_up_logging  # noqa: PLC0415
    from satellite.config.loader import load  # noqa: PLC0415

    config = load(args.config)
    missing = [str(path) for path in args.files if not path.is_file()]
    if missing:
        print(f"voice-satellite: no such file: {', '.join(missing)}", file=sys.stderr)
        return EXIT_FAULT
    set_up_logging("warning")
    if args.plot is not None:
        from satellite.cli.plot import plot_gate  # noqa: PLC0415 - loaded only when used

        plot_gate(args.files, config, args.plot)
    codes = [asyncio.run(_replay(path, config, as_json=args.json)) for path in args.files]
    return max(codes)


async def _replay(path: Path, config: "Config", *, as_json: bool) -> int:
    """One file as if spoken now."""
    from satellite.adapters.systemd import make_notifier  # noqa: PLC0415 - loaded only when used
    from satellite.app import App, Surroundings  # noqa: PLC0415 - loaded only when used
    from satellite.runtime.supervisor import StopCause  # noqa: PLC0415 - loaded only when used

    printer = Printer(path, as_json=as_json)
    around = Surroundings(make_notifier({}), publisher=printer, on_hearing=printer.heard)
    cause = await App(_for_replay(config, path), around).run()
    printer.finish()
    if printer.failure is not None:
        print(f"voice-satellite: {path}: {printer.failure}", file=sys.stderr)
    return EXIT_OK if cause is StopCause.INPUT_ENDED and printer.failure is None else EXIT_FAULT


def _for_replay(config: "Config", path: Path) -> "Config":
    """The same voice service and gate; a file for the microphone, and silence."""
    audio = config.audio
    source = audio.input.model_copy(update={"device": f"file:{path}", "gain_db": 0.0})
    sink = audio.output.model_copy(update={"device": "null"})
    return config.model_copy(
        update={
            "audio": audio.model_copy(update={"input": source, "output": sink}),
            "voice": config.voice.model_copy(update={"speech_language": None}),
        }
    )


class Printer:
    """Takes the broker's place: prints text, and a progress bar where a person watches."""

    def __init__(self, path: Path, *, as_json: bool) -> None:
        from satellite.adapters.recording import seconds_of  # noqa: PLC0415 - loaded only when used

        self._path = path
        self._as_json = as_json
        self._total_s = seconds_of(path)
        self._began: datetime | None = None
        self._shows_bar = sys.stderr.isatty()
        self._closed = asyncio.Event()
        self.failure: str | None = None

    def publish(self, message: "Message") -> None:
        """Print text; note a problem that ends the matter."""
        parts = message.topic.split("/")[2:]
        is_text = parts[0] in ("transcript", "translation") and parts[-1] != "tentative"
        if is_text or (parts == ["utterance"] and self._as_json):
            self._print(parts[0], message.payload)
        elif parts == ["problem"]:
            body = json.loads(message.payload)
            self.failure = f"{body['message']} ({body['code']})" if body["active"] else None

    def heard(self, seconds: float) -> None:
        """The input has come this far."""
        if self._began is None:
            self._began = datetime.now(UTC) - timedelta(seconds=seconds)
        if self._shows_bar:
            done = min(1.0, seconds / self._total_s) if self._total_s else 1.0
            bar = "#" * round(done * BAR_CHARACTERS)
            print(f"\r{bar:-<{BAR_CHARACTERS}} {seconds:6.1f} of {self._total_s:.1f} s", end="", file=sys.stderr)

    def finish(self) -> None:
        """Take the bar away."""
        if self._shows_bar:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    async def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - the port's signature
        """Everything was printed already."""
        return True

    async def run(self) -> None:
        """Serve until closed."""
        await self._closed.wait()

    async def close(self, *, offline: bool = True, timeout_s: float = 5.0) -> bool:  # noqa: ARG002 - the port's
        """End."""
        self._closed.set()
        return True

    def _print(self, kind: str, payload: bytes) -> None:
        body: dict[str, Any] = json.loads(payload)
        self.finish()
        if self._as_json:
            print(json.dumps({"file": str(self._path), "kind": kind, **body}, ensure_ascii=False), flush=True)
        else:
            print(f"{self._offset(body['start'])} {body['language']:<6} {body['text']}", flush=True)

    def _offset(self, moment: str) -> str:
        """Time in the file of an RFC 3339 moment."""
        began = self._began or datetime.now(UTC)
        seconds = max(0.0, (datetime.fromisoformat(moment) - began).total_seconds())
        return f"{int(seconds // 60):02d}:{seconds % 60:04.1f}"
