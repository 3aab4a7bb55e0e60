from pathlib import Path

import pytest

from satellite.adapters.inspection import Place, Waiting
from satellite.app.diagnosis.files import (
    MIB,
    check_secrets,
    judge_configuration,
    judge_mode,
    judge_place,
    judge_waiting,
)
from satellite.app.diagnosis.report import Verdict
from satellite.config.loader import Loaded, load_all
from satellite.errors import ConfigError, Problem

LITERAL = "voice: {deepl: {api_key: some-key}}\n"
SECRET = "voice: {deepl: {api_key: !secret key}}\n"
FAR = Path("/state")


def written(directory: Path, text: str, mode: int = 0o600) -> str:
    path = directory / "config.yaml"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_every_problem_is_told_as_check_tells_it() -> None:
    problems = tuple(Problem("f.yaml", line, "a.b", "is wrong", "do so") for line in range(1, 13))
    outcome = judge_configuration("f.yaml", ConfigError(problems))
    assert outcome.verdict is Verdict.FAIL
    assert outcome.detail.startswith("f.yaml:1: a.b: is wrong (do so); f.yaml:2: ")
    assert outcome.detail.endswith("f.yaml:10: a.b: is wrong (do so); and 2 more")
    assert "check -c f.yaml" in (outcome.mend or "")


def test_warnings_warn_but_for_modes_which_have_a_check_of_their_own(tmp_path: Path) -> None:
    good = load_all(written(tmp_path, LITERAL))
    assert judge_configuration("f.yaml", good).verdict is Verdict.PASS
    modes = Problem("secrets.yaml", 1, "", "warning: others may read the secrets", "chmod")
    other = Problem("f.yaml", 2, "voice", "warning: is odd")
    assert judge_configuration("f.yaml", Loaded(good.config, good.masked, (modes,))).verdict is Verdict.PASS
    outcome = judge_configuration("f.yaml", Loaded(good.config, good.masked, (modes, other)))
    assert (outcome.verdict, outcome.detail) == (Verdict.WARN, "f.yaml:2: voice: warning: is odd")


@pytest.mark.parametrize(
    ("text", "config_mode", "secrets_mode", "verdict"),
    [
        (LITERAL, 0o600, None, Verdict.PASS),
        (LITERAL, 0o640, None, Verdict.PASS),
        (LITERAL, 0o644, None, Verdict.WARN),
        (SECRET, 0o644, 0o600, Verdict.PASS),
        (SECRET, 0o600, 0o640, Verdict.WARN),
        ("voice: {backend: loopback}\n", 0o644, None, Verdict.SKIP),
        ("voice: {backend: loopback, deepl: {api_key: some-key}}\n", 0o644, None, Verdict.WARN),
        ("voice: {backend: loopback}\nmqtt: {username: me, password: some-password}\n", 0o644, None, Verdict.WARN),
    ],
)
def test_files_with_secrets_are_for_few(
    tmp_path: Path, text: str, config_mode: int, secrets_mode: int | None, verdict: Verdict
) -> None:
    if secrets_mode is not None:
        (tmp_path / "secrets.yaml").write_text("key: some-key\n")
        (tmp_path / "secrets.yaml").chmod(secrets_mode)
    file = written(tmp_path, text, config_mode)
    outcome = check_secrets(file, load_all(file))
    assert outcome.verdict is verdict
    assert (outcome.mend is not None) == (verdict is Verdict.WARN)
    assert "some-" not in outcome.detail


def test_the_secrets_file_is_looked_at_without_a_configuration_too(tmp_path: Path) -> None:
    missing = str(tmp_path / "config.yaml")
    error = ConfigError((Problem(missing, 1, "", "cannot be read"),))
    assert check_secrets(missing, error).verdict is Verdict.SKIP
    (tmp_path / "secrets.yaml").write_text("key: some-key\n")
    (tmp_path / "secrets.yaml").chmod(0o666)
    assert check_secrets(missing, error).mend == f"chmod 600 {tmp_path}/secrets.yaml"


@pytest.mark.parametrize(("mode", "verdict"), [(0o600, Verdict.PASS), (0o640, Verdict.WARN), (0o604, Verdict.WARN)])
def test_modes(mode: int, verdict: Verdict) -> None:
    assert judge_mode(Path("s"), mode, 0o077, "600").verdict is verdict


@pytest.mark.parametrize(
    ("place", "verdict", "told"),
    [
        (Place(FAR, None, 900 * MIB, None), Verdict.PASS, "/state can be written; 900 MiB free"),
        (Place(FAR, Path("/"), 900 * MIB, None), Verdict.PASS, "/state is made at the first start"),
        (Place(FAR, None, 63 * MIB, None), Verdict.WARN, "nearly full: 63 MiB free"),
        (Place(FAR, None, MIB - 1, None), Verdict.FAIL, "is full: 0 MiB free"),
        (Place(FAR, None, 0, "read-only file system"), Verdict.FAIL, "cannot be written: read-only file system"),
    ],
)
def test_the_place_for_state(place: Place, verdict: Verdict, told: str) -> None:
    outcome = judge_place(place)
    assert outcome.verdict is verdict
    assert told in outcome.detail


def test_what_waits_is_counted_and_what_was_damaged_is_named() -> None:
    assert judge_waiting(Waiting(None, ())).verdict is Verdict.PASS
    assert judge_waiting(Waiting(0, ())).verdict is Verdict.WARN
    assert judge_waiting(Waiting(17, ())).detail == "17 messages wait for the broker in spool.db"
    both = judge_waiting(Waiting(2, ("spool.db.set-aside-1",)))
    assert both.verdict is Verdict.WARN
    assert "spool.db.set-aside-1" in both.detail
    assert "2 messages" in both.detail
