"""ALSA's devices by name: what there is, which one a configuration means, and what an open error means."""

import contextlib
import ctypes
import functools
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from satellite.adapters.sound import WHAT, DeviceInfo, Direction, known_devices
from satellite.errors import DeviceError

DRIVER = "alsa"
PROC = Path("/proc")
PLUGIN_NAMES = (
    "null", "hw", "plughw", "plug", "sysdefault", "dmix", "dsnoop", "front", "rear", "center_lfe", "side", "surround",
    "iec958", "spdif", "hdmi", "modem", "phoneline", "usbstream", "lavrate", "samplerate", "speex", "speexrate", "jack",
    "oss", "upmix", "vdownmix", "asym", "cards",
)  # fmt: skip
"""Hints that are plug-ins or parts of a card; the card itself is listed as plughw."""
TOO_OLD = tuple(f"0.{minor}." for minor in range(10))
"""Versions of pyalsaaudio that tell neither the state of a device nor what it was opened with; Debian 12 has 0.8.4."""
SOUND_SERVERS = ("pulse", "pipewire")
_CARD_IN_NAME = re.compile(r"(?:CARD=|\bhw:|\bplughw:)([^,:)]+)")
_NO_DEVICE = ("No such file or directory", "No such device")


def is_available() -> bool:
    """True when pyalsaaudio is installed, and not known to be too old."""
    if importlib.util.find_spec("alsaaudio") is None:
        return False
    try:
        version = importlib.metadata.version("pyalsaaudio")
    except importlib.metadata.PackageNotFoundError:  # a module without its package's papers
        return True
    return not version.startswith(TOO_OLD)


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


def list_devices(direction: Direction, *, is_asking: bool = False) -> list[DeviceInfo]:
    """What can be put into the configuration: default first, then each card, then PCMs from asound.conf.

    `is_asking` leaves out sound servers that are not there; one that is stalled makes it wait.
    """
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
        if _is_own(name) and not (is_asking and name in SOUND_SERVERS and not _answers(alsaaudio, kind, name))
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


def open_error(device: str, name: str, direction: Direction, reason: str) -> DeviceError:
    """What went wrong in opening the PCM `name` that `device` means, in words, with the way to mend it."""
    what = WHAT[direction]
    if reason.startswith(_NO_DEVICE):
        return DeviceError(f"no such {what}: {device}. {_known(device, list_devices(direction))}")
    if reason.startswith("Device or resource busy"):
        return busy_error(device, name, direction)
    if reason.startswith(("Permission denied", "Operation not permitted")):
        return DeviceError(f"{what} {device}: permission denied; make the user a member of the group audio")
    if reason.startswith("Connection refused"):
        return DeviceError(f"{what} {device}: the sound server (PulseAudio, PipeWire) does not run")
    return DeviceError(f"{what} {device} cannot be opened: {reason}")


def busy_error(device: str, name: str, direction: Direction) -> DeviceError:
    """Somebody else has it: who, and what to do."""
    shared = "dsnoop" if direction == "capture" else "dmix"
    return DeviceError(
        f"{WHAT[direction]} {device} is in use{holder(name, direction)}: "
        f"stop that program, or use a shared device (default, {shared})"
    )


def busy_card(device: str, direction: Direction) -> str | None:
    """The PCM of a card that `device` means by a part of its name, when somebody holds it."""
    wanted = device.casefold()
    for info in _cards(direction):
        if wanted in f"{info.name} {info.description}".casefold() and holder(info.name, direction):
            return info.name
    return None


def _known(device: str, listed: list[DeviceInfo]) -> str:
    return known_devices(device, [info.name for info in listed])


def holder(name: str, direction: Direction) -> str:
    """Text such as " by arecord (pid 7)" for who holds the card of this PCM (or any card), "" when nobody is seen."""
    match = _CARD_IN_NAME.search(name)
    cards = _numbers_of(match.group(1)) if match else []
    pids = [pid for card in cards or ["*"] for pid in _owners(card, direction)]
    pids = pids or [pid for card in cards or ["*"] for pid in _openers(card, direction)]
    named = [f"{_proc(f'{pid}/comm') or 'a program'} (pid {pid})" for pid in dict.fromkeys(pids)]
    return f" by {', '.join(named)}" if named else ""


def _numbers_of(card: str) -> list[str]:
    """The number of a card that is named by its id or its number."""
    if card.isdecimal():
        return [card]
    ids = _found("asound/card*/id")
    return [path.parent.name.removeprefix("card") for path in ids if _proc(str(path)) == card]


def _found(pattern: str) -> list[Path]:
    """What there is below /proc; nothing when a card goes away while we look."""
    try:
        return sorted(PROC.glob(pattern))
    except OSError:
        return []


def _owners(card: str, direction: Direction) -> Iterator[str]:
    """Processes that the kernel names as owners of the card's PCMs."""
    for status in _found(f"asound/card{card}/pcm*{direction[0]}/sub*/status"):
        for line in _proc(str(status)).splitlines():
            key, _, thread = line.partition(":")
            if key.strip() == "owner_pid" and thread.strip().isdecimal():
                yield _process_of(thread.strip())


def _process_of(thread: str) -> str:
    """The process of a thread: the kernel remembers who called open."""
    for line in _proc(f"{thread}/status").splitlines():
        if line.startswith("Tgid:"):
            return line.removeprefix("Tgid:").strip()
    return thread


def _openers(card: str, direction: Direction) -> Iterator[str]:
    """Processes with the card's PCM nodes among their open files, as far as we may look into them."""
    node = re.compile(rf"/dev/snd/pcmC{card if card != '*' else '[0-9]+'}D[0-9]+{direction[0]}")
    for process in PROC.glob("[0-9]*"):
        if any(node.fullmatch(target) for target in _open_files(process)):
            yield process.name


def _open_files(process: Path) -> Iterator[str]:
    """What it has open, as far as we may see; it may end while we look."""
    with contextlib.suppress(OSError):
        for link in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                yield str(link.readlink())
