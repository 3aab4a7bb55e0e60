"""`voice-satellite replay`: audio files through gate and voice service as if spoken."""

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from satellite.cli import COMMANDS, EXIT_FAULT, EXIT_INTERRUPTED, EXIT_OK, Subparsers, add_config_option
from satellite.errors import MediaError

if TYPE_CHECKING:
    from satellite.cli.printer import Printer
    from satellite.cli.terminal import Streams
    from satellite.config.model import Config
    from satellite.runtime.supervisor import StopCause

NO_SPEECH = "no speech was found in it; the settings below vad decide, --plot OUT.png shows them at work"


def add_parser(subparsers: Subparsers) -> None:
    """Arguments of `replay`."""
    parser = subparsers.add_parser(
        "replay",
        help=COMMANDS["replay"],
        description="Plays WAV files in real time through the gate to the configured voice service and prints what"
        " comes back, with its time in the file. Needs no broker, speaks nothing; the service bills the audio sent.",
        epilog="Exit code 0 when every file was heard to its end, 1 when not, 78 on a configuration error.",
    )
    add_config_option(parser)
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="WAV file; others: ffmpeg -i FILE OUT.wav")
    parser.add_argument("--json", action="store_true", help="print MQTT payloads as JSON lines")
    parser.add_argument("--plot", metavar="OUT.png", type=Path, help="draw waveform, speech probability and the gate")


def run(args: argparse.Namespace) -> int:
    """Play file after file; the exit code."""
    # loaded only when used: help and usage errors must be instant
    from satellite.adapters.logs import set_up_logging  # noqa: PLC0415
    from satellite.cli.terminal import Streams  # noqa: PLC0415
    from satellite.config.loader import load  # noqa: PLC0415

    config = load(args.config)
    files = list(zip(args.files, _lengths(args.files), strict=True))
    streams = Streams()
    set_up_logging("critical")  # what a person should know is said in fewer words
    if args.plot is not None:
        from satellite.cli.plot import plot_gate  # noqa: PLC0415 - loaded only when used

        streams.err.show(f"drawing {args.plot}")
        plot_gate(args.files, config, args.plot)
        streams.err.say(f"{args.plot}: drawn")
    replay = _Replay(config, streams, as_json=args.json)
    for path, length_s in files:
        if len(files) > 1 and not args.json:
            streams.say(f"==> {path} <==")
        asyncio.run(replay.play(path, length_s))
        if replay.is_over:
            break
    return replay.code


class _Replay:
    """Files as if spoken now, one after the other."""

    def __init__(self, config: "Config", streams: "Streams", *, as_json: bool) -> None:
        self._config = config
        self._streams = streams
        self._as_json = as_json
        self.code = EXIT_OK
        self.is_over = False
        """True when further files need not be tried."""

    async def play(self, path: Path, length_s: float) -> None:
        """One file. Raises OSError when nothing can be printed any more."""
        # loaded only when used: help and usage errors must be instant
        from satellite.adapters.clock import SystemClock  # noqa: PLC0415
        from satellite.app import App, Surroundings  # noqa: PLC0415
        from satellite.cli.printer import FileTime, GaveUpError, Printer, Progress  # noqa: PLC0415
        from satellite.homeassistant.topics import Topics  # noqa: PLC0415

        config = _for_replay(self._config, path)
        topics = Topics(config.mqtt.base_topic, config.satellite.id)
        progress = Progress(self._streams.err, length_s)
        time = FileTime(SystemClock())
        printer = Printer(path, topics, time, self._streams, as_json=self._as_json)

        def heard(seconds: float) -> None:
            time.heard(seconds)
            progress.heard(seconds)

        around = Surroundings(progress, publisher=printer, on_hearing=heard, on_reload=lambda: True)
        cause = None
        try:
            cause = await App(config, around).run()
        except ExceptionGroup:
            if printer.ended_by is None:
                raise
            if not isinstance(printer.ended_by, GaveUpError):
                raise printer.ended_by from None
        self._streams.err.erase()
        code, remark = verdict(printer, cause)
        if remark is not None:
            self._streams.warn(remark)
        self.code = max(self.code, code)
        self.is_over = code == EXIT_INTERRUPTED or printer.is_hopeless


def verdict(printer: "Printer", cause: "StopCause | None") -> tuple[int, str | None]:
    """The exit code for a file that was played, and what a person should know about it."""
    from satellite.runtime.supervisor import StopCause  # noqa: PLC0415 - loaded only when used

    if cause in (StopCause.SIGNAL, StopCause.RELOAD):
        return EXIT_INTERRUPTED, "interrupted"
    if printer.failure is not None:
        return EXIT_FAULT, f"{printer.path}: {printer.failure}"
    if not printer.utterances:
        return EXIT_OK, f"{printer.path}: {NO_SPEECH}"
    if printer.incomplete:
        return EXIT_OK, f"{printer.path}: {printer.incomplete} of {printer.utterances} utterances are incomplete"
    return EXIT_OK, None


def _for_replay(config: "Config", path: Path) -> "Config":
    """The same voice service and gate; the file for a microphone, and silence."""
    from msgspec.structs import replace  # noqa: PLC0415 - loaded only when used

    audio = config.audio
    source = replace(audio.input, device=f"file:{path}", channel=0, gain_db=0.0)
    sink = replace(audio.output, device="null")
    silent = replace(config.voice, speech_language=None)
    return replace(config, audio=replace(audio, input=source, output=sink), voice=silent)


def _lengths(paths: list[Path]) -> list[float]:
    """Seconds of each file. Raises MediaError naming every one that cannot be played."""
    from satellite.adapters.recording import seconds_of  # noqa: PLC0415 - loaded only when used

    lengths_s: list[float] = []
    objections: list[str] = []
    for path in paths:
        try:
            lengths_s.append(seconds_of(path))
        except MediaError as error:
            objections.append(str(error))
        else:
            if not lengths_s[-1]:
                objections.append(f"{path} holds no sound")
    if objections:
        raise MediaError("\nvoice-satellite: ".join(objections))
    return lengths_s
