"""The effective configuration as YAML, secrets masked."""

from typing import Any

import yaml

from satellite.config.loader import Loaded
from satellite.core.section import MASK, Path, Secret, Section


def effective_yaml(loaded: Loaded) -> str:
    """Every key with the value in force, defaults included, as a configuration file."""
    data = _plain(loaded.config, (), loaded.masked)
    data["mqtt"]["port"] = data["mqtt"]["port"] or loaded.config.mqtt.effective_port
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)


def _plain(value: Any, path: Path, masked: frozenset[Path]) -> Any:
    if path in masked or isinstance(value, Secret):
        return MASK
    if isinstance(value, Section):
        return {name: _plain(getattr(value, name), (*path, name), masked) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {name: _plain(entry, (*path, name), masked) for name, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(item, (*path, index), masked) for index, item in enumerate(value)]
    return value
