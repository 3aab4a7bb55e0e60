import json
from pathlib import Path

import pytest
import yaml

from satellite.cli import main
from satellite.config.schema import json_schema


def test_show_prints_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("voice: {deepl: {api_key: abcdefgh}}\n")
    assert main(["config", "show", "-c", str(file)]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["voice"]["deepl"]["api_key"] == "****"


def test_schema_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()
