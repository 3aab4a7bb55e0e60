"""What single values cannot tell: combinations, files that must be there, packages that must be installed."""

import importlib.util
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from satellite.backends import registry
from satellite.backends.base import Finding, Severity
from satellite.config.model import Config
from satellite.config.secrets import reason
from satellite.errors import without_extra

Check = Callable[[Config], Iterator[Finding]]

_TARGETS = "voice.target_languages"


def _barge_in(config: Config) -> Iterator[Finding]:
    if config.audio.barge_in and config.audio.duplex != "simultaneous":
        yield Finding("audio.barge_in", "works with audio.duplex: simultaneous only")


def _echo_cancellation(config: Config) -> Iterator[Finding]:
    if config.audio.echo_cancellation:
        hint = "set it to false, and use headphones or a device that cancels echo"
        yield Finding("audio.echo_cancellation", "is not part of this version", hint)


def _channel(config: Config) -> Iterator[Finding]:
    channel, channels = config.audio.input.channel, config.audio.input.channels
    if channel >= channels:
        message = f"channel {channel} of {channels}: channels are counted from 0"
        yield Finding("audio.input.channel", message, f"the highest is {channels - 1}")


def _input_file(config: Config) -> Iterator[Finding]:
    device = config.audio.input.device
    if isinstance(device, str) and device.startswith("file:"):
        yield from _readable("audio.input.device", device.removeprefix("file:"))


def _output_file(config: Config) -> Iterator[Finding]:
    device = config.audio.output.device
    if not isinstance(device, str) or not device.startswith("file:"):
        return
    target = Path(device.removeprefix("file:"))
    try:
        target.parent.stat()
        is_directory, is_there = target.is_dir(), target.exists()
    except OSError as error:
        yield Finding("audio.output.device", f"{target} cannot be written: {reason(error)}")
        return
    if is_directory:
        yield Finding("audio.output.device", f"{target} is a directory")
    elif not os.access(target if is_there else target.parent, os.W_OK):
        yield Finding("audio.output.device", f"{target} cannot be written", "mend its owner or mode")


def _same_file(config: Config) -> Iterator[Finding]:
    device = config.audio.output.device
    if device == config.audio.input.device and str(device).startswith("file:"):
        yield Finding("audio.output.device", "is the input file, which it would overwrite", "name another file")


_DRIVER_MODULES = {"alsa": "alsaaudio", "portaudio": "pyaudio"}


def _driver(config: Config) -> Iterator[Finding]:
    module = _DRIVER_MODULES.get(config.audio.driver)
    if module is not None:
        yield from _needs_package("audio.driver", config.audio.driver, module)


def _detector(config: Config) -> Iterator[Finding]:
    if config.vad.detector == "silero":
        yield Finding("vad.detector", "silero is not part of this version", "webrtc is the nearest")


def _pre_roll(config: Config) -> Iterator[Finding]:
    if config.vad.pre_roll_ms < config.vad.onset_ms:
        message = "is shorter than vad.onset_ms: the beginning of the first word is lost"
        yield Finding("vad.pre_roll_ms", message, f"{config.vad.onset_ms + 200} or more", Severity.WARNING)


def _targets(config: Config) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, tag in enumerate(config.voice.target_languages):
        if tag.lower() in seen:
            yield Finding(f"{_TARGETS}.{index}", f"{tag} is there twice")
        seen.add(tag.lower())


def _backend(config: Config) -> Iterator[Finding]:
    voice = config.voice
    if not voice.has_options:
        return  # told already
    backend = registry.load(voice.backend)
    yield from backend.check(voice.options, voice)
    for need in backend.needs(voice.options, voice):
        yield from _needs_package(need.path, need.wanted, need.module)


def _mqtt_login(config: Config) -> Iterator[Finding]:
    if config.mqtt.password is not None and config.mqtt.username is None:
        yield Finding("mqtt.password", "has no effect without mqtt.username", "add the user name")


def _mqtt_port(config: Config) -> Iterator[Finding]:
    if config.mqtt.port == 8883 and config.mqtt.tls is None:
        message = "8883 is the port for TLS, which is off"
        yield Finding("mqtt.port", message, "add `tls: {}` to trust the system's certificates", Severity.WARNING)


def _mqtt_tls(config: Config) -> Iterator[Finding]:
    tls = config.mqtt.tls
    if tls is None:
        return
    if tls.cert_file is not None and tls.key_file is None:
        yield Finding("mqtt.tls.cert_file", "needs mqtt.tls.key_file beside it")
    if tls.key_file is not None and tls.cert_file is None:
        yield Finding("mqtt.tls.key_file", "needs mqtt.tls.cert_file beside it")
    for key in tls.__struct_fields__:
        name = getattr(tls, key)
        if name is not None:
            yield from _readable(f"mqtt.tls.{key}", name)


def _later(config: Config) -> Iterator[Finding]:
    if config.web.enabled:
        yield Finding("web.enabled", "is not part of this version", "set it to false")


CHECKS: tuple[tuple[Check, tuple[str, ...]], ...] = (
    (_barge_in, ("audio.barge_in", "audio.duplex")),
    (_echo_cancellation, ("audio.echo_cancellation",)),
    (_channel, ("audio.input.channel", "audio.input.channels")),
    (_input_file, ("audio.input.device",)),
    (_output_file, ("audio.output.device",)),
    (_same_file, ("audio.input.device", "audio.output.device")),
    (_driver, ("audio.driver",)),
    (_detector, ("vad.detector",)),
    (_pre_roll, ("vad.pre_roll_ms", "vad.onset_ms")),
    (_targets, (_TARGETS,)),
    (_backend, ("voice.backend", *(f"voice.{name}" for name in registry.names()))),
    (_mqtt_login, ("mqtt.username", "mqtt.password")),
    (_mqtt_port, ("mqtt.port", "mqtt.tls")),
    (_mqtt_tls, ("mqtt.tls",)),
    (_later, ("web.enabled",)),
)
"""Each check with the keys it reads: one that already has a problem there says nothing more."""


def _readable(path: str, name: str) -> Iterator[Finding]:
    try:
        is_directory = stat.S_ISDIR(Path(name).stat().st_mode)
    except OSError as error:
        yield Finding(path, f"{name} cannot be read: {reason(error)}")
        return
    if is_directory:
        yield Finding(path, f"{name} is a directory")
    elif not os.access(name, os.R_OK):
        yield Finding(path, f"{name} cannot be read", "mend its owner or mode")


def _needs_package(path: str, wanted: str, module: str) -> Iterator[Finding]:
    if importlib.util.find_spec(module) is None:
        extra = {"alsaaudio": "alsa", "pyaudio": "portaudio", "livekit": "webrtc"}.get(module, module)
        message = f"{wanted} needs a package that is not installed"
        yield Finding(path, message, without_extra(extra))
