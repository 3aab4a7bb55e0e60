"""Values that stand elsewhere: `!secret NAME`, `!env_var NAME [default]`, `!credential NAME`."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from satellite.config.document import Collection, DocumentError, Scalar, decode, parse
from satellite.config.fields import did_you_mean
from satellite.errors import Problem

SECRETS_FILE = "secrets.yaml"


class UnresolvedTagError(Exception):
    """A tag names something that is not there; carries the sentence and the mend, never a value."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Secrets:
    """Resolves the tags of one configuration file; reads `secrets.yaml` beside it when first needed."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._file = directory / SECRETS_FILE
        self._environment = environment
        self._values: dict[str, str] | None = None
        self._resolvers: dict[str, Callable[[str], str]] = {
            "!secret": self._secret,
            "!env_var": self._env_var,
            "!credential": self._credential,
        }

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that are understood."""
        return tuple(self._resolvers)

    def resolve(self, tag: str, argument: str) -> str:
        """The text a tagged scalar stands for; raises UnresolvedTagError."""
        if not argument.strip():
            raise UnresolvedTagError(f"{tag} needs a name")
        return self._resolvers[tag](argument.strip())

    def _secret(self, name: str) -> str:
        if self._values is None:
            self._values = self._read()
        if name not in self._values:
            if self.problems:
                raise UnresolvedTagError(f"!secret {name} cannot be looked up before {self._file} is mended")
            if not self._file.exists():
                raise UnresolvedTagError(
                    f"!secret {name}: there is no {self._file}", f"create it with a line `{name}: …`"
                )
            raise UnresolvedTagError(
                f"!secret {name} is not in {self._file}",
                did_you_mean(name, self._values) or f"add a line `{name}: …` there",
            )
        return self._values[name]

    def _env_var(self, argument: str) -> str:
        name, _, default = argument.partition(" ")
        if name in self._environment:
            return self._environment[name]
        if default.strip():
            return default.strip()
        raise UnresolvedTagError(
            f"!env_var {name}: the environment variable is not set", f"set it, or give a default: !env_var {name} VALUE"
        )

    def _credential(self, name: str) -> str:
        directory = self._environment.get("CREDENTIALS_DIRECTORY")
        if directory is None:
            raise UnresolvedTagError(
                f"!credential {name}: $CREDENTIALS_DIRECTORY is not set",
                f"systemd sets it for a unit with LoadCredential={name}:FILE",
            )
        if "/" in name or "\0" in name:
            raise UnresolvedTagError("!credential takes a name without slashes")
        try:
            return decode((Path(directory) / name).read_bytes()).rstrip("\r\n")
        except OSError as error:
            raise UnresolvedTagError(
                f"!credential {name}: {reason(error)}", f"add LoadCredential={name}:FILE to the unit"
            ) from error
        except DocumentError as error:
            raise UnresolvedTagError(f"!credential {name}: {error.message}") from error

    def _read(self) -> dict[str, str]:
        """Names and texts of the secrets file; what is wrong with it becomes problems with its own lines."""
        try:
            data = self._file.read_bytes()
            mode = self._file.stat().st_mode
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._complain(1, f"cannot be read: {reason(error)}")
            return {}
        if mode & 0o077:
            hint = f"chmod 600 {self._file}"
            self.warnings.append(Problem(str(self._file), 1, "", "warning: others may read the secrets", hint))
        try:
            root = parse(decode(data))
        except DocumentError as error:
            self._complain(error.line, error.message, error.hint)
            return {}
        return self._values_of(root)

    def _values_of(self, root: Scalar | Collection | None) -> dict[str, str]:
        values: dict[str, str] = {}
        if root is None:
            return values
        if isinstance(root, Scalar) or not root.is_mapping:
            self._complain(root.line, "must hold one `name: value` per line")
            return values
        for key, value in root.pairs():
            if not isinstance(key, Scalar) or not isinstance(value, Scalar):
                self._complain(key.line, "a secret is one text: `name: value`")
            elif key.text in values:
                self._complain(key.line, f"{key.text} is there twice")
            elif value.tag is not None or not value.text:
                self._complain(key.line, f"{key.text} is empty or has a tag", "put the value in quotes")
            else:
                values[key.text] = value.text
        return values

    def _complain(self, line: int, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(str(self._file), line, "", message, hint))


def reason(error: OSError) -> str:
    """Why the system refused, in its own lower-case words."""
    return (error.strerror or os.strerror(error.errno or 0)).lower()
