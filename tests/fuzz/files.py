"""Targets: files that somebody else wrote: configuration, secrets, stored state, recordings and their labels."""

import asyncio
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from satellite.adapters.recording import SOUND_S_MAX, parse_sound, read_recording, read_sound, seconds_of
from satellite.adapters.settings import SettingsStore
from satellite.adapters.sound import CaptureSettings
from satellite.adapters.spool_file import SpoolDamagedError, SpoolFile
from satellite.adapters.usage import UsageFile
from satellite.adapters.wavefile import FileCapture
from satellite.config.loader import load_all
from satellite.core.audio import BLOCK_SAMPLES, SAMPLE_BYTES
from satellite.emulator.labels import load_labels
from satellite.errors import ConfigError, MediaError, SatelliteError
from satellite.homeassistant.messages import Message
from satellite.runtime.settings import RuntimeSettings
from tests.fuzz.target import Outcome, Shape, Target, hold, is_a

MAX_SOUND_BYTES = 1 << 20
CAPTURE_S = 30.0
"""Far longer than so little takes to be read without pauses, on a slow machine."""
CONFIGURED = RuntimeSettings(
    mute=False, volume=80, source_language="en", target_languages=("de",), speech_language="de"
)
ENVIRONMENT = {"KEY": "11111111-2222-3333-4444-555555555555", "CREDENTIALS_DIRECTORY": "/nonexistent"}


@cache
def _place() -> tempfile.TemporaryDirectory[str]:
    """A place of this process's own, in memory where there is such a place."""
    shared = "/dev/shm"
    return tempfile.TemporaryDirectory(prefix="fuzz-", dir=shared if os.access(shared, os.W_OK) else None)


def _directory() -> Path:
    return Path(_place().name)


def tidy() -> None:
    """Leave nothing behind; what follows begins anew."""
    _place().cleanup()
    _place.cache_clear()


def _written(name: str, data: bytes) -> Path:
    path = _directory() / name
    path.write_bytes(data)
    return path


# --- configuration ------------------------------------------------------------------------------------------------

SMALLEST = b"voice: {backend: deepl, deepl: {api_key: !env_var KEY}}\n"
_CONFIGS = (
    SMALLEST,
    b"""satellite: {id: kitchen, name: Kitchen, area: "K\xc3\xbcche"}
audio:
  input: {device: "plughw:CARD=seeed", rate_hz: 48000, channels: 6, channel: 2, gain_db: -3.5}
  output: {device: "file:out.wav", volume: 70}
  duplex: simultaneous
  barge_in: true
vad: {detector: webrtc, aggressiveness: 3, onset_ms: 60, pre_roll_ms: 400, hang_over_ms: 900}
voice:
  backend: deepl
  source_language: auto
  target_languages: [de, fr, pt-BR]
  speech_language: null
  deepl: &d {api_key: "11111111-2222-3333-4444-555555555555", base_url: "https://api.deepl.com", glossary_ids: [a, b]}
""",
    b"""# comment
base: &base {host: 127.0.0.1, port: 1883}
mqtt:
  <<: *base
  username: me
  password: !secret mqtt_password
  tls: {ca_file: ca.pem}
voice:
  backend: loopback
logging: {level: debug, transcripts: false}
""",
    b"a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: &d [*c, *c, *c]\nvoice: [*d, *d]\n",
)
_SECRETS = (b"mqtt_password: hunter2hunter2\ndeepl_key: '11111111'\n", b"a: &x y\nb: *x\nmqtt_password: !secret b\n")


def load_config(data: bytes) -> Outcome:
    """A configuration file; only ConfigError may come of it."""
    _written("secrets.yaml", _SECRETS[0]).chmod(0o600)
    return _loaded(_written("config.yaml", data))


def load_secrets(data: bytes) -> Outcome:
    """A secrets file beside a configuration that needs it."""
    _written("secrets.yaml", data).chmod(0o600)
    return _loaded(_written("config.yaml", SMALLEST + b"mqtt: {password: !secret mqtt_password, username: me}\n"))


def _loaded(path: Path) -> Outcome:
    try:
        loaded = load_all(path, ENVIRONMENT)
    except ConfigError as error:
        hold(bool(error.problems), "what cannot be used has a problem")
        for problem in error.problems:
            hold(problem.line >= 1 and bool(problem.message), "a problem has a place and a sentence")
            hold(len(str(problem)) < 20_000, "a problem is told in a few lines")
        return Outcome(error.problems[0].message[:30])
    hold(bool(loaded.config.voice.backend), "what was loaded can be used")
    return Outcome("loaded")


# --- state --------------------------------------------------------------------------------------------------------


def load_settings(data: bytes) -> Outcome:
    """`settings.json`: settings come of it, those configured where it is of no use."""
    _written("settings.json", data)
    settings = SettingsStore(_directory()).load(CONFIGURED)
    hold(is_a(settings.mute, bool) and is_a(settings.volume, int), "settings have their types")
    hold(0 <= settings.volume <= 100 and bool(settings.source_language), "settings have their bounds")
    hold(all(is_a(each, str) and bool(each) for each in settings.target_languages), "languages are texts")
    return Outcome("as configured" if settings == CONFIGURED else "stored")


def load_usage(data: bytes) -> Outcome:
    """`usage.json`: seconds of each day, none where it is of no use."""
    _written("usage.json", data)
    days = UsageFile(_directory()).load()
    hold(all(is_a(day, str) and 0 <= used_s <= 90_000 for day, used_s in days.items()), "a day has so many seconds")
    return Outcome("some" if days else "none")


def load_spool(data: bytes) -> Outcome:
    """`spool.db`: messages as they were stored or none, a damaged file set aside, and room for new ones."""
    directory = _directory() / "spool"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    (directory / "spool.db").write_bytes(data)
    file = SpoolFile(directory / "spool.db")
    try:
        label, messages = _spooled(file)
        hold(all(message in _STORED for message in messages), "what comes out of a spool was put into it")
        try:
            file.write(_STORED[:1], [])
        except SpoolDamagedError:  # noticed only now
            label = "opened, damaged"
            _make_room(file)
            file.write(_STORED[:1], [])
    finally:
        file.close()
    return Outcome(f"{label} {len(messages)}")


def _spooled(file: SpoolFile) -> tuple[str, list[Message]]:
    try:
        return "opened", [row.message for row in file.open()]
    except SpoolDamagedError as damage:
        hold(0 < len(str(damage)) < 1_000, "a damage is told in a line")
    messages = file.salvage()
    _make_room(file)
    return "salvaged", messages


def _make_room(file: SpoolFile) -> None:
    hold(file.set_aside() is not None and not file.open(), "a damaged file makes room for a new one")


_STORED = [
    Message(f"voice-satellite/kitchen/{name}", name.encode() * size)
    for name, size in (("a", 9), ("b", 3_000), ("c", 0))
]


def _spool_seeds() -> Sequence[bytes]:
    path = _directory() / "seed.db"
    path.unlink(missing_ok=True)
    file = SpoolFile(path)
    file.open()
    file.write(_STORED, [])
    file.write([], [1])
    file.close()
    return [path.read_bytes()]


def _settings_seeds() -> Sequence[bytes]:
    stored = {"value": True, "configured": False}
    languages = {"value": ["fr", "es"], "configured": ["de"]}
    both = {"mute": stored, "volume": {"value": 30, "configured": 80}, "target_languages": languages}
    speech = {
        "speech_language": {"value": None, "configured": "de"},
        "source_language": {"value": "auto", "configured": "en"},
    }
    return [json.dumps(both).encode(), json.dumps(speech).encode(), b"{}"]


def _usage_seeds() -> Sequence[bytes]:
    return [b'{"2026-11-21": 120.5, "2026-11-20": 86400}', b"{}"]


# --- recordings ---------------------------------------------------------------------------------------------------


def _wav(width: int, channels: int, rate_hz: int, *, is_extensible: bool = False) -> bytes:
    frame = width * channels
    layout = struct.pack(
        "<HHIIHH", 0xFFFE if is_extensible else 1, channels, rate_hz, rate_hz * frame, frame, width * 8
    )
    if is_extensible:
        layout += (
            struct.pack("<HHI", 22, width * 8, 0) + b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
        )
    chunks = b"fmt " + struct.pack("<I", len(layout)) + layout + b"LIST" + struct.pack("<I", 4) + b"INFO"
    chunks += b"data" + struct.pack("<I", frame * 200) + bytes(range(200)) * frame
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def _wav_seeds() -> Sequence[bytes]:
    return [_wav(2, 1, 16_000), _wav(3, 2, 48_000, is_extensible=True), _wav(1, 1, 8_000), _wav(4, 6, 44_100)]


def read_wav(data: bytes) -> Outcome:
    """A WAV file by all its readers; only MediaError may come of it."""
    path = _written("sound.wav", data)
    heard = [
        _medium(lambda: seconds_of(path)),
        _medium(lambda: len(read_recording(path))),
        _medium(lambda: _sound(*read_sound(path, MAX_SOUND_BYTES))),
        _medium(lambda: _sound(*parse_sound(data, "it"))),
    ]
    return Outcome(f"{sum(each is not None for each in heard)} of {len(heard)}")


def _medium(read: Callable[[], float]) -> float | None:
    try:
        size = read()
    except MediaError as error:
        hold(0 < len(str(error)) < 400, "an error is a sentence")
        return None
    hold(0 <= size < 1e9, "a recording has a length")
    return size


def _sound(pcm: bytes, rate_hz: int) -> float:
    hold(len(pcm) % SAMPLE_BYTES == 0 and 1_000 <= rate_hz <= 384_000, "sound is whole samples at a rate")
    hold(len(pcm) / SAMPLE_BYTES / rate_hz <= SOUND_S_MAX, "sound has a greatest length")
    return float(len(pcm))


class _Hurry:
    """A clock under which a recording is always late, so that it is read as fast as can be."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += 1.0
        return self._now

    def wall(self) -> float:
        return self._now


def capture_wav(data: bytes) -> Outcome:
    """A WAV file as microphone, to its end."""
    return asyncio.run(_captured(_written("capture.wav", data)))


async def _captured(path: Path) -> Outcome:
    ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    blocks: list[int] = []
    capture = FileCapture(str(path), CaptureSettings(device=f"file:{path}", channel=0), _Hurry())
    capture.start(lambda block: blocks.append(len(block.data)), ended.set_result)
    error = await asyncio.wait_for(ended, CAPTURE_S)
    await capture.stop()
    hold(all(0 < size <= BLOCK_SAMPLES * SAMPLE_BYTES and size % 2 == 0 for size in blocks), "blocks have a length")
    hold(error is None or isinstance(error, SatelliteError), "a file is refused in a sentence")
    return Outcome(f"{'heard' if blocks else 'silent'} {type(error).__name__}")


def read_labels(data: bytes) -> Outcome:
    """What is said in a recording; only MediaError may come of it."""
    try:
        labels = load_labels(_written("labels.json", data))
    except MediaError as error:
        hold(len(str(error)) < 600, "an error is a sentence")
        return Outcome("refused")
    hold(all(word.start_sample < word.end_sample for word in labels.words), "a word does not end before it begins")
    return Outcome("read")


def _label_seeds() -> Sequence[bytes]:
    words = [{"text": "Front", "start_ms": 30, "end_ms": 420}, {"text": "center.", "start_ms": 450, "end_ms": 1_010.5}]
    whole = {"text": "Front center.", "start_ms": 30, "end_ms": 1_010}
    return [
        json.dumps({"language": "en", "sentences": [{**whole, "words": words}, whole]}).encode(),
        json.dumps({"sentences": []}).encode(),
    ]


_KEYS = ("voice", "audio", "mqtt", "deepl", "api_key", "satellite", "file:a\0b", "!secret", "!env_var KEY", "<<", "*d")

TARGETS = (
    Target("config.yaml", Shape.TEXT, load_config, lambda: _CONFIGS, 1.2, _KEYS),
    Target("config.secrets", Shape.TEXT, load_secrets, lambda: _SECRETS, 0.6, _KEYS),
    Target("state.settings", Shape.JSON, load_settings, _settings_seeds, 2),
    Target("state.usage", Shape.JSON, load_usage, _usage_seeds, 2),
    Target("state.spool", Shape.BYTES, load_spool, _spool_seeds, 0.5),
    Target("media.wav", Shape.BYTES, read_wav, _wav_seeds, 1),
    Target("media.capture", Shape.BYTES, capture_wav, _wav_seeds, 0.3),
    Target("media.labels", Shape.JSON, read_labels, _label_seeds, 2, ("sentences", "words", "start_ms", "end_ms")),
)
