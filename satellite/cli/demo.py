"""`voice-satellite demo`: the whole main job on loopback, with the real daemon, a real broker and a real recording."""

import argparse
import asyncio
import audioop
import contextlib
import math
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from satellite.adapters.clock import SystemClock
from satellite.adapters.mosquitto import PrivateBroker
from satellite.adapters.recording import read_sound
from satellite.backends.registry import load as load_backend
from satellite.cli import COMMANDS, EXIT_FAULT, EXIT_OK, Subparsers
from satellite.cli.emulator import demo_files
from satellite.cli.ending import EndingSignals
from satellite.cli.screen import Screen
from satellite.cli.terminal import Streams, Terminal
from satellite.core.audio import SAMPLE_BYTES
from satellite.core.section import Section, fields_of
from satellite.emulator.base import Emulator
from satellite.emulator.registry import load, names
from satellite.emulator.report import Violation
from satellite.errors import MediaError, SatelliteError
from satellite.homeassistant.topics import OFFLINE, Topics

SATELLITE_ID = "demo"
TARGET = "de"
SPEECH_NAME = "speech.wav"
ENDS_WITHIN_S = 55.0
LAST_MESSAGES_WITHIN_S = 2.0
LOG_LINES = 5
"""How much of the satellite's log is shown when it failed."""
AUDIBLE_DBFS = -60.0
"""Speech softer than this is none."""
SPEECH_BYTES_MAX = 100 * 1024 * 1024

OPENING = """\
The whole main job on this computer: no account, no microphone; about 25 s.

A bundled recording is played into the satellite as if it were spoken now. An emulated {service} answers: the \
transcript is true{translation}. What comes back is shown as the satellite publishes it, on a private MQTT broker at \
127.0.0.1:{port}, below voice-satellite/{satellite}/:
"""
PSEUDO_TRANSLATION = ", the translation a pseudo-translation that only spells each word backwards"
CLOSING = """\
It works: {segments}.
"""
SPOKEN = """\
What was spoken ({seconds:.1f} s at {dbfs:.0f} dBFS on average; {voice}):

    {path}
"""
NEXT = """\
Next: with credentials of your own, this config.yaml does it for real; to try it, microphone and broker are not needed \
yet.

    voice: {{backend: {backend}, {languages}{backend}: {{{credentials}}}}}

    voice-satellite replay -c config.yaml {recording}"""


def add_parser(subparsers: Subparsers) -> None:
    """Arguments of `demo`."""
    parser = subparsers.add_parser(
        "demo",
        help=COMMANDS["demo"],
        description="Runs the satellite on a bundled recording against an emulated voice service and a private"
        " mosquitto, and shows the MQTT messages as they come. Ends by itself in under a minute.",
        epilog="Exit code 0 when transcript, translation and speech all came through, else 1.",
    )
    parser.add_argument("--backend", choices=names(), default="deepl", help="service to emulate (default: deepl)")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="write speech.wav there (default: a new directory)")


def run(args: argparse.Namespace) -> int:
    """Show the main job."""
    try:
        if args.keep is not None:
            args.keep.mkdir(parents=True, exist_ok=True)
            # it must be writable, and what an earlier demonstration left must not count
            (args.keep / SPEECH_NAME).write_bytes(b"")
        work = Path(tempfile.mkdtemp(prefix="voice-satellite-demo-"))
    except OSError as error:
        place = error.filename or "the directory for temporary files"
        raise MediaError(f"{place} cannot be written: {error.strerror}") from error
    speech = (args.keep or work) / SPEECH_NAME
    try:
        code = asyncio.run(_Demo(args.backend, work, speech, Streams().out).run())
    except BaseException:
        shutil.rmtree(work)
        raise
    is_needed = code == EXIT_FAULT or (code == EXIT_OK and speech.parent == work)
    if not is_needed:
        shutil.rmtree(work)
    return code


class _Demo:
    """One demonstration; its own files go to one directory, what is spoken to one file."""

    def __init__(self, backend: str, work: Path, speech: Path, terminal: Terminal) -> None:
        self._backend = backend
        self._can = load_backend(backend).capabilities
        self._options: type[Section] = load_backend(backend).options
        self._work = work
        self._speech = speech
        self._log = work / "satellite.log"
        self._terminal = terminal
        clock = SystemClock()
        started_at = clock.monotonic()
        self._topics = Topics("voice-satellite", SATELLITE_ID)
        self._is_offline = asyncio.Event()
        self._screen = Screen(self._topics, terminal, lambda: clock.monotonic() - started_at)

    async def run(self) -> int:
        """The exit code; 128 more than its number when a signal ended the demonstration."""
        with EndingSignals() as signals:
            try:
                return await self._perform()
            except asyncio.CancelledError:
                if signals.received is None:
                    raise
        self._terminal.say("Interrupted.")
        return 128 + signals.received

    async def _perform(self) -> int:
        """Broker, voice service, daemon, watcher; the exit code."""
        recording, labels = demo_files()
        double = load(self._backend)
        service = double.make(double.settings(recording=recording, labels=labels))
        async with PrivateBroker() as broker, service:
            config = self._write_config(recording, broker.port, service)
            translation = PSEUDO_TRANSLATION if self._can.translates else ""
            where = {"port": broker.port, "satellite": SATELLITE_ID}
            self._terminal.tell(OPENING.format(service=service.title, translation=translation, **where))
            self._terminal.say()
            self._screen.heading()
            code = await self._watch_daemon(config, broker.port)
            violations = service.violations
        return self._conclude(code, violations, recording)

    def _write_config(self, recording: Path, broker_port: int, service: Emulator) -> Path:
        """What a user would write, with the emulator's address."""
        config = {
            "satellite": {"id": SATELLITE_ID},
            "audio": {
                "input": {"device": f"file:{recording}"},
                "output": {"device": f"file:{self._speech.absolute()}"},
                "duplex": "simultaneous",  # a recording does not hear the loudspeaker
            },
            "voice": {
                "backend": service.name,
                "source_language": "en",
                "target_languages": [TARGET] if self._can.translates else [],
                "speech_language": TARGET if self._can.speaks else None,
                service.name: service.options,
            },
            "mqtt": {"port": broker_port},
        }
        path = self._work / "config.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return path

    async def _watch_daemon(self, config: Path, broker_port: int) -> int | None:
        """The daemon's exit code, None when it had to be ended."""
        watching = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                watcher = group.create_task(self._watch(broker_port, watching), name="demo.watch")
                await watching.wait()
                code = await self._run_daemon(config)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LAST_MESSAGES_WITHIN_S):
                        await self._is_offline.wait()
                watcher.cancel()
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None  # the first cause; the rest follows from it
        return code

    async def _run_daemon(self, config: Path) -> int | None:
        environment = {**os.environ, "STATE_DIRECTORY": str(self._work)}
        with self._log.open("wb") as log:
            daemon = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "satellite", "run", "-c", str(config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for us
            )
        try:
            async with asyncio.timeout(ENDS_WITHIN_S):
                return await daemon.wait()
        except TimeoutError:
            return None
        finally:
            if daemon.returncode is None:
                daemon.kill()
                await daemon.wait()

    async def _watch(self, broker_port: int, watching: asyncio.Event) -> None:
        """Show every message below the satellite's topic."""
        import aiomqtt  # noqa: PLC0415 - loaded only when used

        try:
            async with aiomqtt.Client("127.0.0.1", broker_port) as client:
                await client.subscribe(f"{self._topics.root}/#", qos=1)
                watching.set()
                async for message in client.messages:
                    self._screen.show(str(message.topic), bytes(message.payload))
                    if (str(message.topic), message.payload) == (self._topics.availability, OFFLINE):
                        self._is_offline.set()
        except aiomqtt.MqttError as error:
            raise SatelliteError(f"the private mosquitto is gone: {error}") from error

    # --- what came of it -----------------------------------------------------------------------------------------

    def _conclude(self, code: int | None, violations: Sequence[Violation], recording: Path) -> int:
        seconds, level_dbfs = _measure(self._speech)
        faults = [*_faults(code, violations), *self._missing(is_audible=level_dbfs > AUDIBLE_DBFS)]
        if faults:
            self._say_faults(faults)
            return EXIT_FAULT
        self._terminal.say()
        parts = [CLOSING.format(segments=self._segments())]
        if self._can.speaks:
            figures = {"seconds": seconds, "dbfs": level_dbfs, "voice": _voice()}
            parts.append(SPOKEN.format(**figures, path=self._speech))
        self._terminal.tell("\n".join([*parts, self._next_step(recording)]))
        return EXIT_OK

    def _segments(self) -> str:
        """How much came back."""
        seen = self._screen.seen
        translations = f" and {seen['translation']} translation" if self._can.translates else ""
        return f"{seen['utterance']} utterances came back as {seen['transcript']} transcript{translations} segments"

    def _next_step(self, recording: Path) -> str:
        """The smallest configuration for the service itself."""
        required = [name for name, field in fields_of(self._options).items() if field.required] or ["api_key"]
        credentials = ", ".join(f"{name}: YOUR-{name.rpartition('_')[2].upper()}" for name in required)
        languages = "" if self._can.translates else "target_languages: [], speech_language: null, "
        place = shlex.quote(str(recording))
        return NEXT.format(backend=self._backend, languages=languages, credentials=credentials, recording=place)

    def _missing(self, *, is_audible: bool) -> Iterator[str]:
        """What the service can do and did not."""
        seen = self._screen.seen
        wanted = {"transcript": True, "translation": self._can.translates, "speech": self._can.speaks}
        yield from (f"no {kind} came" for kind, is_wanted in wanted.items() if is_wanted and not seen[kind])
        if seen["speech"] and not is_audible:
            yield "the speech is silence"

    def _say_faults(self, faults: Sequence[str]) -> None:
        self._terminal.say("\nIt does not work:")
        for fault in faults:
            self._terminal.say(f"- {fault}")
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        self._terminal.say("\n".join([f"The end of the satellite's log, {self._log}:", *lines[-LOG_LINES:]]))


def _faults(code: int | None, violations: Sequence[Violation]) -> Iterator[str]:
    if code is None:
        yield f"the satellite did not end within {ENDS_WITHIN_S:.0f} s"
    elif code:
        yield f"the satellite ended with exit code {code}"
    if violations:
        yield f"the service was sent {len(violations)} times what it does not allow: {violations[0].rule}"


def _measure(path: Path) -> tuple[float, float]:
    """Seconds and level of what was spoken; nothing where there is no sound."""
    try:
        pcm, rate_hz = read_sound(path, SPEECH_BYTES_MAX)
    except MediaError:
        return 0.0, -math.inf
    rms = audioop.rms(pcm, SAMPLE_BYTES)
    return len(pcm) / SAMPLE_BYTES / rate_hz, 20 * math.log10(rms / 32768) if rms else -math.inf


def _voice() -> str:
    return "the voice is espeak-ng" if shutil.which("espeak-ng") else "a tone for each word: espeak-ng is not installed"
