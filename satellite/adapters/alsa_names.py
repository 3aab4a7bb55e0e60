"""ALSA's devices by name: what there is, which one a configuration means, and what an open error means."""

import ctypes
import difflib
import functools
import importlib.util
from pathlib import Path
from typing import Any

from satellite.adapters.sound import DeviceInfo, Direction
from satellite.errors import DeviceError

DRIVER = "alsa"
PROC = Path("/proc")
NEAR_MATCHES = 6
PLUGIN_NAMES = (
    "null", "hw", "plughw", "plug", "sysdefault", "dmix", "dsnoop", "front", "rear", "center_lfe", "side", "surround",
    "iec958", "spdif", "hdmi", "modem", "phoneline", "usbstream", "lavrate", "samplerate", "speex", "speexrate", "jack",
    "oss", "upmix", "vdownmix", "asym", "cards",
)  # fmt: skip
"""Hints that are plug-ins or parts of a card; the card itself is listed as plughw."""
SOUND_SERVERS = ("pulse", "pipewire")
_NO_DEVICE = ("No such file or directory", "No such device")


def is_available() -> bool:
    """True when pyalsaaudio is installed."""
    return importlib.util.find_spec("alsaaudio") is not None


def load() -> Any:
    """The alsaaudio module, its library kept from writing to stderr. Raises DeviceError without it or a too old one."""
    try:
        import alsaaudio  # noqa: PLC0415 - loaded only when used
    except ImportError as error:
        raise DeviceError(
            "direct ALSA needs pyalsaaudio: install voice-satellite[alsa] (or apt install python3-alsaaudio), "
            "or set audio.driver to portaudio"
        ) from error
    if not hasattr(alsaaudio.PCM, "state"):
        raise DeviceError("pyalsaaudio is older than 0.10: install voice-satellite[alsa]")
    silence_alsa()
    return alsaaudio


@functools.cache
def silence_alsa() -> Any:
    """Keep libasound from writing to stderr; its errors reach us as codes. Returns what must stay alive."""
    handler_type = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
    handler = handler_type(lambda *_: None)
    try:
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(handler)
    except (OSError, AttributeError):
        return None
    return handler


def list_devices(direction: Direction) -> list[DeviceInfo]:
    """What can be put into the configuration: default first, then each card, then PCMs from asound.conf."""
    alsaaudio = load()
    kind = alsaaudio.PCM_CAPTURE if direction == "capture" else alsaaudio.PCM_PLAYBACK
    try:
        hints: list[str] = alsaaudio.pcms(kind)
    except alsaaudio.ALSAAudioError:
        hints = []
    # a hardened unit (ProcSubset=pid) hides /proc/asound; the hints know the cards too, only without their long names
    hinted = [DeviceInfo(direction, name, "", DRIVER) for name in hints if name.startswith("plughw:CARD=")]
    cards = _cards(direction) or hinted
    own = [
        DeviceInfo(direction, name, "from asound.conf", DRIVER)
        for name in hints
        if _is_own(name) and (name not in SOUND_SERVERS or _answers(alsaaudio, kind, name))
    ]
    default = [DeviceInfo(direction, "default", "the system's default", DRIVER)]
    return default * bool("default" in hints or cards) + cards + own


def _answers(alsaaudio: Any, kind: int, name: str) -> bool:
    """True when a sound server is there: its PCM is listed wherever the plug-in is installed."""
    try:
        alsaaudio.PCM(type=kind, mode=alsaaudio.PCM_NONBLOCK, device=name).close()
    except alsaaudio.ALSAAudioError:
        return False
    return True


def _is_own(name: str) -> bool:
    return name != "default" and ":" not in name and name.rstrip("0123456789") not in PLUGIN_NAMES


def _cards(direction: Direction) -> list[DeviceInfo]:
    """Each PCM device of each card, from /proc/asound/pcm: `00-00: USB Audio : USB Audio : playback 1 : capture 1`."""
    found = []
    for line in _proc("asound/pcm").splitlines():
        address, _, rest = line.partition(":")
        if f"{direction} " not in rest or "-" not in address:
            continue
        card, device = (int(number) for number in address.split("-", 1))
        description = f"{_card_name(card)}: {rest.split(':')[0].strip()}"
        found.append(DeviceInfo(direction, f"plughw:CARD={_card_id(card)},DEV={device}", description, DRIVER))
    return found


def _card_id(card: int) -> str:
    return _proc(f"asound/card{card}/id") or str(card)


def _card_name(card: int) -> str:
    """The long name of a card: ` 1 [Device         ]: USB-Audio - USB PnP Sound Device`."""
    for line in _proc("asound/cards").splitlines():
        number, _, rest = line.strip().partition(" ")
        if number == str(card):
            return rest.rpartition(" - ")[2].strip()
    return f"card {card}"


def _proc(name: str) -> str:
    try:
        return (PROC / name).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def resolve(device: str, direction: Direction) -> str:
    """The PCM name that a configured device means: an exact name, an index into `list_devices`, or part of a name."""
    listed = list_devices(direction)
    if device.isdecimal():
        if int(device) < len(listed):
            return listed[int(device)].name
        raise DeviceError(f"there is no {direction} device number {device}. {_known(device, listed)}")
    if device == "default" or ":" in device or any(info.name == device for info in listed):
        return device
    wanted = device.casefold()
    for info in listed:
        if wanted in info.name.casefold() or wanted in info.description.casefold():
            return info.name
    # a PCM of asound.conf need not be listed; opening it will tell
    return device


def open_error(device: str, direction: Direction, reason: str) -> DeviceError:
    """What went wrong in opening, in words, with the way to mend it."""
    what = "microphone" if direction == "capture" else "loudspeaker"
    if reason.startswith(_NO_DEVICE):
        return DeviceError(f"no such {what}: {device}. {_known(device, list_devices(direction))}")
    if reason.startswith("Device or resource busy"):
        holder = _holder(direction)
        return DeviceError(
            f"{what} {device} is in use{holder}: stop that program, or use a shared device (default, dsnoop)"
        )
    if reason.startswith(("Permission denied", "Operation not permitted")):
        return DeviceError(f"{what} {device}: permission denied; make the user a member of the group audio")
    return DeviceError(f"{what} {device} cannot be opened: {reason}")


def _known(device: str, listed: list[DeviceInfo]) -> str:
    names = [info.name for info in listed if info.name != device]
    if not names:
        return "No other device is there: is it plugged in? (voice-satellite devices)"
    near = difflib.get_close_matches(device, names, n=NEAR_MATCHES, cutoff=0.3) or names[:NEAR_MATCHES]
    return f"Known: {', '.join(near)} (voice-satellite devices)"


def _holder(direction: Direction) -> str:
    """Text such as " by arecord (pid 7)" for the process that holds a sound card, "" when that cannot be seen."""
    for status in sorted(PROC.glob(f"asound/card*/pcm*{direction[0]}/sub*/status")):
        for line in _proc(str(status)).splitlines():
            key, _, pid = line.partition(":")
            if key.strip() == "owner_pid" and pid.strip().isdecimal():
                return f" by {_proc(f'{pid.strip()}/comm') or 'a program'} (pid {pid.strip()})"
    return ""
