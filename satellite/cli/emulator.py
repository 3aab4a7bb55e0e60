"""`voice-satellite emulator`: a voice service's protocol on loopback, strict as published, with faults on request."""

import argparse
import asyncio
import dataclasses
import json
import random  # noqa: TID251 - seeds the numbers of faults given as ranges
import signal
import sys
from importlib.resources import files
from pathlib import Path

from satellite.emulator.base import Emulator
from satellite.emulator.faults import Fault, parse_fault
from satellite.emulator.pcm import write_wav
from satellite.emulator.registry import Double, load, names
from satellite.emulator.settings import EmulatorSettings, Limits, Variants
from satellite.errors import MediaError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("emulator", help="emulate a voice service on loopback, for trials and tests")
    parser.add_argument("--backend", choices=names(), default="deepl", help="which service (default: deepl)")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port of the REST half (default: any free one)")
    parser.add_argument("--ws-port", type=int, default=0, help="port of the WebSocket half (default: any free one)")
    parser.add_argument("--api-key", default=None, help="the only key that is let in")
    parser.add_argument("--recording", type=Path, metavar="WAV", help="what will be spoken (default: the bundled demo)")
    parser.add_argument("--labels", type=Path, metavar="JSON", help="what is said in it, and when")
    parser.add_argument("--recogniser", choices=["auto", "labels", "pocketsphinx"], default="auto")
    parser.add_argument(
        "--speech", choices=["auto", "espeak", "tones"], default="auto", help="how translations are spoken"
    )
    parser.add_argument("--speech-wav", type=Path, metavar="WAV", help="speak this instead of the translations")
    parser.add_argument("--target-media", metavar="TYPE", help="send speech as this type, whatever was asked for")
    parser.add_argument("--fault", action="append", default=[], metavar="SPEC", help="KIND:KEY=VALUE,… (repeatable)")
    parser.add_argument(
        "--variant", action="append", default=[], metavar="NAME", help="odd but legal behaviour; repeatable"
    )
    parser.add_argument(
        "--limit", action="append", default=[], metavar="NAME=SECONDS", help="change a limit (repeatable)"
    )
    parser.add_argument("--seed", type=int, default=0, help="for everything that is drawn at random")
    parser.add_argument("--tls-cert", type=Path, metavar="PEM")
    parser.add_argument("--tls-key", type=Path, metavar="PEM")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what was seen as JSON at the end")
    parser.add_argument(
        "--audio-dir", type=Path, metavar="DIR", help="write the audio of each connection as WAV at the end"
    )
    parser.add_argument("--forget", action="store_true", help="keep no audio and messages, for runs of many hours")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT, then write the report; 0, or 1 with a sentence when it cannot start."""
    try:
        double = load(args.backend)
        return asyncio.run(_serve(double.make(settings_of(args, double)), args))
    except (MediaError, ValueError) as fault:
        print(f"emulator: {fault}", file=sys.stderr)
    except OSError as fault:
        print(f"emulator: cannot listen on {args.host} port {args.port}: {fault.strerror}", file=sys.stderr)
    return 1


def settings_of(args: argparse.Namespace, double: Double) -> EmulatorSettings:
    """The settings that arguments ask for; ValueError names what is unknown."""
    recording, labels = args.recording, args.labels
    if recording is None and labels is None and args.recogniser != "pocketsphinx":
        recording, labels = demo_files()
    rng = random.Random(args.seed)  # noqa: S311 - faults, not secrets
    faults: tuple[Fault, ...] = tuple(parse_fault(spec, rng) for spec in args.fault)
    key = {} if args.api_key is None else {"api_key": args.api_key}
    return double.settings(
        **key,
        host=args.host,
        http_port=args.port,
        ws_port=args.ws_port,
        recording=recording,
        labels=labels,
        recogniser=args.recogniser,
        speech=args.speech,
        speech_wav=args.speech_wav,
        target_media=args.target_media,
        keep_audio=not args.forget,
        limits=_limits(args.limit, double.limits()),
        variants=_variants(args.variant, double.variants()),
        faults=faults,
        seed=args.seed,
        tls_cert=args.tls_cert,
        tls_key=args.tls_key,
    )


def demo_files() -> tuple[Path, Path]:
    """The bundled recording and its labels."""
    data = files("satellite") / "data"
    return Path(str(data / "demo.wav")), Path(str(data / "demo.labels.json"))


def _limits(texts: list[str], usual: Limits) -> Limits:
    known = {field.name for field in dataclasses.fields(usual)}
    values: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in known:
            raise ValueError(f"unknown limit {name!r}; known: {', '.join(sorted(known))}")
        values[name] = float(number)
    return dataclasses.replace(usual, **values)


def _variants(names: list[str], usual: Variants) -> Variants:
    known = {field.name for field in dataclasses.fields(usual)}
    unknown = [name for name in names if name.removeprefix("no_") not in known and name not in known]
    if unknown:
        raise ValueError(
            f"unknown variant {unknown[0]!r}; known: {', '.join(sorted(known))}, each also with no_ before it"
        )
    values = {name if name in known else name.removeprefix("no_"): name in known for name in names}
    return dataclasses.replace(usual, **values)


async def _serve(emulator: Emulator, args: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with emulator:
        print(json.dumps(emulator.options), flush=True)
        await stop.wait()
    _write_results(emulator, args)
    return 0


def _write_results(emulator: Emulator, args: argparse.Namespace) -> None:
    if args.report is not None:
        args.report.write_text(json.dumps(emulator.report(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if args.audio_dir is not None:
        args.audio_dir.mkdir(parents=True, exist_ok=True)
        for session in emulator.sessions:
            for log in session.connections:
                write_wav(args.audio_dir / f"session{session.number}-{log.number}.wav", bytes(log.pcm_16k), 16_000)
