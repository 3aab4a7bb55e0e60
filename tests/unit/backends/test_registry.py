import subprocess
import sys

import pytest

from satellite.backends import registry
from satellite.backends.base import Backend
from satellite.errors import BackendError


@pytest.mark.parametrize("name", registry.names())
def test_every_name_loads_a_backend_of_that_name(name: str) -> None:
    backend = registry.load(name)
    assert isinstance(backend, Backend)
    assert backend.name == name


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BackendError, match="no backend 'deeple'; there are deepl, vurbo, loopback"):
        registry.load("deeple")


def test_naming_the_backends_loads_none_of_them() -> None:
    script = (
        "import sys; from satellite.backends import registry; registry.names();"
        "print([name for name in sys.modules if name.startswith('satellite.backends.') and 'session' in name])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
