"""Which backends there are; each is imported only when it is used."""

import importlib
from typing import Any, cast

from satellite.backends.base import Backend
from satellite.errors import BackendError, ErrorCategory

_MODULES = {
    "deepl": "satellite.backends.deepl.backend",
    "vurbo": "satellite.backends.vurbo.backend",
    "palabra": "satellite.backends.palabra.backend",
    "deepgram": "satellite.backends.deepgram.backend",
    "loopback": "satellite.backends.loopback.backend",
}


def names() -> tuple[str, ...]:
    """What may stand in `voice.backend`."""
    return tuple(_MODULES)


def load(name: str) -> Backend[Any]:
    """The backend of that name; BackendError when there is none."""
    module = _MODULES.get(name)
    if module is None:
        raise BackendError(ErrorCategory.INVALID_REQUEST, f"no backend {name!r}; there are {', '.join(_MODULES)}")
    return cast("Backend[Any]", importlib.import_module(module).BACKEND)
