"""Other processes of ours on this machine: the satellite that runs by a configuration, and the devices it holds."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
DEVICE_MODULE = "satellite.adapters.devicemain"
MODULE_OPTION = ["-m", "satellite"]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A running satellite; `devices` are the directions ("capture", "playback") in which it holds one."""

    pid: int
    devices: frozenset[str]


def running_satellite(config: Path, default_config: str, proc: Path = PROC) -> Neighbour | None:
    """The satellite that runs by this configuration file, None when nobody is seen to."""
    wanted = os.path.realpath(config)
    commands = dict(_commands(proc))
    for pid, words in commands.items():
        named = _configuration(words, default_config)
        if named is not None and _absolute(named, proc / str(pid)) == wanted:
            return Neighbour(pid, frozenset(_devices(pid, commands.values())))
    return None


def _commands(proc: Path) -> Iterator[tuple[int, list[str]]]:
    """Process numbers with the words of their command lines, as far as we may see them."""
    for entry in proc.glob("[0-9]*/cmdline"):
        try:
            text = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has ended, or is hidden from us
        yield int(entry.parent.name), text.split("\0")[:-1]


def _configuration(words: Sequence[str], default_config: str) -> str | None:
    """The configuration that a command line `… run -c FILE` names, None when it is no such command."""
    for at, word in enumerate(words):
        is_ours = Path(word).name == "voice-satellite" or list(words[at - 1 : at + 1]) == MODULE_OPTION
        if is_ours and words[at + 1 : at + 2] == ["run"]:
            return _option(words[at + 2 :]) or default_config
    return None


def _option(words: Sequence[str]) -> str | None:
    """The value of `-c` in its spellings."""
    for at, word in enumerate(words):
        if word in ("-c", "--config"):
            return words[at + 1] if at + 1 < len(words) else None
        if word.startswith("--config="):
            return word.partition("=")[2]
        if word.startswith("-c"):
            return word[2:]
    return None


def _absolute(name: str, process: Path) -> str | None:
    """A file as that process names it; None when we may not see where it runs."""
    if Path(name).is_absolute():
        return os.path.realpath(name)
    try:
        return os.path.realpath((process / "cwd").readlink() / name)
    except OSError:
        return None


def _devices(pid: int, commands: Iterable[list[str]]) -> Iterator[str]:
    """In which directions processes of that one hold a device."""
    for words in commands:
        if DEVICE_MODULE in words:
            parent, direction = words[words.index(DEVICE_MODULE) + 1 :][:3:2]
            if parent == str(pid):
                yield direction
