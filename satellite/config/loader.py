"""From a file to a Config, or to every problem it has, each with its line."""

import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from satellite.backends.base import Severity
from satellite.config.checks import CHECKS
from satellite.config.document import MAX_FILE_BYTES, Collection, DocumentError, Node, Scalar, decode, parse
from satellite.config.fields import dotted, section_at
from satellite.config.model import Config, Mqtt, Voice
from satellite.config.reader import Reader
from satellite.config.secrets import Secrets, reason
from satellite.config.sentences import sentence
from satellite.core.section import MASK, Fault, Path, Section, Wrong, fields_of, read
from satellite.errors import ConfigError, Problem

DEFAULT_PATH = FilePath("/etc/voice-satellite/config.yaml")
TEXT_CHARACTERS_MAX = 1_000
SMALLEST = "voice: {backend: deepl, deepl: {api_key: …}}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used; `masked` are the paths whose values came from a secret place."""

    config: Config
    masked: frozenset[Path]
    warnings: tuple[Problem, ...]


def load(path: FilePath | str) -> Config:
    """The configuration in the file; raises ConfigError with every problem, sorted by line."""
    return load_all(path).config


def load_all(path: FilePath | str, environment: Mapping[str, str] | None = None) -> Loaded:
    """The configuration with its warnings; raises ConfigError with every problem, sorted by line."""
    return _Loading(FilePath(path), os.environ if environment is None else environment).result()


def load_broker(path: FilePath | str, environment: Mapping[str, str] | None = None) -> Mqtt:
    """The section `mqtt`; all other sections may be missing or wrong. Raises ConfigError with every problem of it."""
    return _Loading(FilePath(path), os.environ if environment is None else environment).broker()


class _Broker(Section, frozen=True):
    mqtt: Mqtt = Mqtt()


class _Loading:
    """One pass over one file. Problems gather; the end decides."""

    def __init__(self, path: FilePath, environment: Mapping[str, str]) -> None:
        self._path = path
        self._file = str(path)
        self._secrets = Secrets(path.parent, environment)
        self._reader = Reader(self._file, self._secrets)
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []

    def result(self) -> Loaded:
        """Reads, validates, checks. Raises ConfigError."""
        config = self._validated(self._data())
        self._check(config)
        self._raise_problems()
        warnings = self._presentable([*self._secrets.warnings, *self._warnings])
        return Loaded(config, frozenset(self._reader.masked), warnings)

    def broker(self) -> Mqtt:
        """Reads, validates and checks one section. Raises ConfigError."""
        read_of, faults = read(_Broker, self._data(without=fields_of(Config).keys() - {"mqtt"}))
        for fault in faults:
            if not _is_below(fault.path, self._reader.unusable):
                self._note(fault)
        mqtt = (read_of or _Broker()).mqtt
        self._check(Config(mqtt=mqtt), below="mqtt")
        self._raise_problems()
        return mqtt

    def _raise_problems(self) -> None:
        problems = [*self._reader.problems, *self._secrets.problems, *self._problems]
        if problems:
            raise ConfigError(self._presentable(problems))

    def _data(self, without: AbstractSet[str] = frozenset()) -> dict[str, Any]:
        """The file as plain data; a file that is no YAML mapping has this one problem and no other."""
        try:
            with self._path.open("rb") as stream:
                root = _mapping_root(parse(decode(stream.read(MAX_FILE_BYTES + 1))))
            data = self._reader.mapping(_without(root, without))
        except OSError as error:
            raise ConfigError((Problem(self._file, 1, "", f"cannot be read: {reason(error)}"),)) from error
        except DocumentError as error:
            raise ConfigError((Problem(self._file, error.line, "", error.message, error.hint),)) from error
        _anchor_files(data, self._path.parent.absolute())
        return data

    def _validated(self, data: dict[str, Any]) -> Config:
        """The model of the data; with faults noted, the model of what is left without the wrong values."""
        chosen = _open_chosen_backend(data)
        config, faults = read(Config, data)
        for fault in faults:
            if not self._is_consequence(fault, chosen):
                self._note(fault)
        return config or Config()

    def _is_consequence(self, fault: Fault, chosen: str | None) -> bool:
        """True when the file needs no mend here: the cause is told already, or the section is not in use."""
        path = fault.path
        if _is_below(path, self._reader.unusable):
            return True
        return fault.wrong is Wrong.MISSING and path[:1] == ("voice",) and path[1] != chosen

    def _note(self, fault: Fault) -> None:
        path = fault.path
        message, hint = sentence(fault, _is_below(path, self._reader.masked))
        self._problems.append(Problem(self._file, self._reader.line_of(path), dotted(path), message, hint))
        self._reader.unusable.add(path)

    def _check(self, config: Config, below: str = "") -> None:
        """Combinations and the world outside; silent about keys that have a problem already."""
        for check, keys in CHECKS:
            if not all(key.startswith(below) for key in keys):
                continue
            if any(_touches(_path(key), self._reader.unusable) for key in keys):
                continue
            for finding in check(config):
                path = _path(finding.path)
                if _is_below(path, self._reader.unusable):
                    continue
                is_warning = finding.severity is Severity.WARNING
                message = f"warning: {finding.message}" if is_warning else finding.message
                line = self._reader.line_of(path)
                (self._warnings if is_warning else self._problems).append(
                    Problem(self._file, line, dotted(path), message, finding.hint)
                )

    def _presentable(self, problems: list[Problem]) -> tuple[Problem, ...]:
        """Sorted, this file's before those of the secrets file, and free of any secret's text."""
        problems = [
            replace(problem, message=self._short(problem.message), hint=self._short(problem.hint or "") or None)
            for problem in problems
        ]
        return tuple(sorted(problems, key=lambda problem: (problem.file != self._file, problem.line)))

    def _short(self, text: str) -> str:
        """Free of secrets, and no longer than a person reads: names in a file may be of any length."""
        text = self._scrub(text)
        return text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[: TEXT_CHARACTERS_MAX - 1]}…"

    def _scrub(self, text: str) -> str:
        for secret in self._reader.secret_texts:
            text = text.replace(secret, MASK)
        return text


def _mapping_root(root: Node | None) -> Collection:
    """The root if it is what a configuration begins with; raises DocumentError."""
    if root is None:
        raise DocumentError(1, "the file is empty", f"the smallest that works is {SMALLEST}")
    if isinstance(root, Scalar) or not root.is_mapping:
        raise DocumentError(root.line, "must be a mapping of sections", f"such as {SMALLEST}")
    return root


def _without(root: Collection, names: AbstractSet[str]) -> Collection:
    """A mapping without these keys: nothing of them is read, and no secret of theirs looked up."""
    kept = [pair for pair in root.pairs() if not (isinstance(pair[0], Scalar) and pair[0].text in names)]
    return replace(root, children=[node for pair in kept for node in pair])


def _open_chosen_backend(data: dict[str, Any]) -> str | None:
    """The chosen backend; its section is there afterwards, so that what it lacks is found."""
    voice = data["voice"] = data.get("voice") if data.get("voice") is not None else {}
    if not isinstance(voice, dict):
        return None
    chosen = voice.get("backend", fields_of(Voice)["backend"].default)
    if not isinstance(chosen, str) or section_at(("voice", chosen)) is None:
        return None
    if voice.get(chosen) is None:
        voice[chosen] = {}
    return chosen


def _anchor_files(data: dict[str, Any], directory: FilePath) -> None:
    """Relative file names are meant from the configuration's directory, wherever the daemon is started."""
    for *parents, key in _FILE_KEYS:
        section: Any = data
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        value = section.get(key) if isinstance(section, dict) else None
        if isinstance(value, str) and value and key != "device":
            section[key] = str(directory / value)
        elif isinstance(value, str) and value.removeprefix("file:") not in {value, ""}:
            section[key] = f"file:{directory / value.removeprefix('file:')}"


_FILE_KEYS = (
    ("audio", "input", "device"),
    ("audio", "output", "device"),
    ("mqtt", "tls", "ca_file"),
    ("mqtt", "tls", "cert_file"),
    ("mqtt", "tls", "key_file"),
)


def _path(text: str) -> Path:
    return tuple(int(part) if part.isdigit() else part for part in text.split("."))


def _is_below(path: Path, others: set[Path]) -> bool:
    """True when the path is one of the others or inside one."""
    return any(path[: len(other)] == other for other in others if other)


def _touches(path: Path, others: set[Path]) -> bool:
    """True when the path is one of the others, inside one, or around one."""
    return _is_below(path, others) or any(other[: len(path)] == path for other in others)
