"""PortAudio's one global host: started, kept quiet, its devices by name.

PortAudio lists devices once, when it is started: each process that opens one starts it anew.
"""

import contextlib
import ctypes
import functools
import importlib.util
import os
from collections.abc import Iterator
from typing import Any

from satellite.adapters import alsa_names
from satellite.adapters.deviceside import Order
from satellite.adapters.sound import WHAT, DeviceInfo, Direction, known_devices
from satellite.errors import DeviceError

DRIVER = "portaudio"
STDERR = 2
DEVICE_UNAVAILABLE = -9985
"""PortAudio's word for a device that somebody else has, or that went away."""


def is_available() -> bool:
    """True when PyAudio is installed."""
    return importlib.util.find_spec("pyaudio") is not None


def load() -> Any:
    """The pyaudio module. Raises DeviceError without it."""
    try:
        import pyaudio  # noqa: PLC0415 - loaded only when used
    except ImportError as error:
        raise DeviceError(
            "PortAudio needs PyAudio: install voice-satellite[portaudio] (or apt install python3-pyaudio)"
        ) from error
    alsa_names.silence_alsa()
    _silence_jack()
    return pyaudio


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Nobody in this process writes to stderr meanwhile; for commands that probe every device there is."""
    saved = os.dup(STDERR)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, STDERR)
        yield
    finally:
        os.dup2(saved, STDERR)
        os.close(saved)
        os.close(null)


@functools.cache
def _silence_jack() -> Any:
    """Keep libjack from reporting a missing server at each start; returns what must stay alive."""
    handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(lambda _: None)
    try:
        library = ctypes.CDLL("libjack.so.0")
        library.jack_set_error_function(handler)
        library.jack_set_info_function(handler)
    except (OSError, AttributeError):
        return None
    return handler


def start() -> Any:
    """A running host with a device list. Raises DeviceError."""
    pyaudio = load()
    try:
        return pyaudio.PyAudio()
    except OSError as error:
        raise DeviceError(f"PortAudio does not start: {error}") from error


def list_devices() -> list[DeviceInfo]:
    """Every device of both directions, capture first. Raises DeviceError."""
    host = start()
    try:
        return [info for direction in _DIRECTIONS for _, info in _devices(host, direction)]
    finally:
        host.terminate()


_DIRECTIONS: tuple[Direction, Direction] = ("capture", "playback")


def _devices(host: Any, direction: Direction) -> list[tuple[int, DeviceInfo]]:
    key = "maxInputChannels" if direction == "capture" else "maxOutputChannels"
    found = []
    for index in range(host.get_device_count()):
        raw = host.get_device_info_by_index(index)
        if raw[key] > 0:
            description = f"up to {raw[key]} channels, {raw['defaultSampleRate']:.0f} Hz by default"
            found.append((index, DeviceInfo(direction, str(raw["name"]), description, DRIVER)))
    return found


def find_device(host: Any, device: str, direction: Direction) -> tuple[int, str]:
    """PortAudio's index and name of the device: "default", a name, part of it, or an index into `list_devices`."""
    devices = _devices(host, direction)
    names = [info.name for _, info in devices]
    wanted = device.casefold()
    if device.isdecimal() and int(device) < len(devices):
        return devices[int(device)][0], names[int(device)]
    for is_match in (lambda name: name == wanted, lambda name: wanted in name):
        for index, info in devices:
            if is_match(info.name.casefold()):
                return index, info.name
    if device == "default":
        return _default_device(host, direction), device
    if (busy := alsa_names.busy_card(device, direction)) is not None:
        # PortAudio leaves out of its list what it cannot try
        raise alsa_names.busy_error(device, busy, direction)
    raise DeviceError(f"no such {WHAT[direction]}: {device}. {known_devices(device, names)}")


def _default_device(host: Any, direction: Direction) -> int:
    try:
        raw = host.get_default_input_device_info() if direction == "capture" else host.get_default_output_device_info()
    except OSError as error:
        raise DeviceError(f"there is no default {direction} device (voice-satellite devices)") from error
    return int(raw["index"])


def open_error(order: Order, name: str, error: Exception) -> DeviceError:
    """What went wrong in opening the device `name`, in words."""
    what, holder = WHAT[order.direction], alsa_names.holder(name, order.direction)
    if error.args[:1] == (DEVICE_UNAVAILABLE,) and holder:
        return alsa_names.busy_error(order.device, name, order.direction)
    return DeviceError(
        f"{what} {order.device} cannot be opened at {order.rate_hz} Hz, {order.channels} channel(s): {error}"
    )
