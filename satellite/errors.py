"""The exception tree.

SatelliteError
├── ConfigError             problems: tuple[Problem, …]; exit code 78
├── DeviceError             a capture or playback device; retryable
├── MediaError              audio in a form we cannot decode or encode
├── BackendError(category)  the service said no; made only in backends
├── BrokerError(category)   the MQTT broker cannot be used; made only in adapters
├── StalledError            a part of the pipeline stands still and nobody knows why; ends the process
└── LocalMisuse             called in the wrong state: a bug, never caught
"""

import enum
from dataclasses import dataclass


class ErrorCategory(enum.Enum):
    """Why something failed, sorted once; decides between retrying and parking."""

    CONNECTIVITY = "connectivity"
    SERVER = "server"
    RATE_LIMIT = "rate_limit"
    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    INVALID_REQUEST = "invalid_request"
    QUOTA = "quota"

    @property
    def is_retryable(self) -> bool:
        """True when waiting alone may heal it."""
        return self in _RETRYABLE


_RETRYABLE = frozenset({ErrorCategory.CONNECTIVITY, ErrorCategory.SERVER, ErrorCategory.RATE_LIMIT})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration: where, what, and how to mend it. `path` is empty for a whole file."""

    file: str
    line: int
    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        path = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}: {path}{self.message}{hint}"


def without_extra(name: str) -> str:
    """How to mend that an optional package is not there; the way differs with how the program was installed."""
    return f"install the extra {name} (docs/install.md)"


class SatelliteError(Exception):
    """Base of everything this package raises on purpose."""


class ConfigError(SatelliteError):
    """The configuration cannot be used; carries every problem found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class DeviceError(SatelliteError):
    """A capture or playback device failed or is not there; retryable."""


class MediaError(SatelliteError):
    """Audio in a form that cannot be decoded or encoded here."""


class BackendError(SatelliteError):
    """The voice service refused; the category says whether waiting helps."""

    def __init__(self, category: ErrorCategory, detail: str) -> None:
        super().__init__(detail)
        self.category = category


class BrokerError(SatelliteError):
    """The MQTT broker cannot be reached, refuses, or cannot be started; the text names the cause and the mend."""

    def __init__(self, category: ErrorCategory, detail: str) -> None:
        super().__init__(detail)
        self.category = category


class StalledError(SatelliteError):
    """A part of the pipeline has work and does none, for no reason that is known: it ends the process."""


class LocalMisuse(SatelliteError):  # noqa: N818 - it names what we did, as the house's words have it
    """A method was called in a state that does not allow it: a bug of ours."""
