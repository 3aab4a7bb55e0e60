"""Checks of files: the configuration and its secrets, the state directory, and what waits in it."""

from pathlib import Path

from satellite.adapters.inspection import Place, Waiting, mode_of
from satellite.app.diagnosis.report import Outcome, Verdict, failed, joined, passed, skipped, warned
from satellite.config.fields import secrets_in
from satellite.config.loader import Loaded
from satellite.config.secrets import SECRETS_FILE
from satellite.errors import ConfigError, Problem

MIB = 1024 * 1024
SCARCE_BYTES = 64 * MIB
"""Twice of what waits for a broker at most."""
FULL_BYTES = 1 * MIB
SHOWN_MAX = 10
READABLE_BY_OTHERS = 0o007
READABLE_BY_GROUP = 0o070
UNREADABLE = "others may read"


def judge_configuration(file: str, loaded: Loaded | ConfigError) -> Outcome:
    """Every problem as `check` prints it, or the warnings."""
    if isinstance(loaded, ConfigError):
        mend = f"mend the lines named; `voice-satellite check -c {file}` shows them again"
        return failed(_listed(loaded.problems), mend)
    warnings = [warning for warning in loaded.warnings if UNREADABLE not in warning.message]
    if warnings:
        return warned(_listed(tuple(warnings)), f"look at the lines named; `voice-satellite check -c {file}`")
    return passed(f"{file}: no mistakes")


def _listed(problems: tuple[Problem, ...]) -> str:
    shown = [str(problem) for problem in problems[:SHOWN_MAX]]
    if len(problems) > SHOWN_MAX:
        shown.append(f"and {len(problems) - SHOWN_MAX} more")
    return "; ".join(shown)


def check_secrets(file: str, loaded: Loaded | ConfigError) -> Outcome:
    """Who may read the files that hold keys and passwords."""
    secrets = Path(file).parent / SECRETS_FILE
    mode = mode_of(secrets)
    outcomes = [] if mode is None else [judge_mode(secrets, mode, READABLE_BY_GROUP | READABLE_BY_OTHERS, "600")]
    if not isinstance(loaded, ConfigError) and holds_secrets(loaded):
        mode = mode_of(Path(file))
        outcomes += [] if mode is None else [judge_mode(Path(file), mode, READABLE_BY_OTHERS, "640")]
    return joined(outcomes) if outcomes else skipped("no secrets in files")


def judge_mode(path: Path, mode: int, unwanted: int, wanted: str) -> Outcome:
    """A file with secrets in it."""
    if mode & unwanted:
        return warned(f"{path} holds secrets and has mode {mode:03o}: {UNREADABLE} it", f"chmod {wanted} {path}")
    return passed(f"{path}: mode {mode:03o}")


def holds_secrets(loaded: Loaded) -> bool:
    """True when the configuration file itself has a key or a password in plain text."""
    return any(path not in loaded.masked for path, _ in secrets_in(loaded.config))


def judge_place(place: Place) -> Outcome:
    """Where settings and waiting text are kept."""
    if place.refusal is not None:
        mend = f"mend its owner or mode, or the disk: the satellite's user has to write in {place.path}"
        return failed(f"{place.path} cannot be written: {place.refusal}", mend)
    free = f"{place.free_bytes // MIB} MiB free"
    if place.free_bytes < FULL_BYTES:
        return failed(f"the disk of {place.path} is full: {free}", "make room: text that waits cannot be stored")
    if place.free_bytes < SCARCE_BYTES:
        return warned(f"the disk of {place.path} is nearly full: {free}", "make room")
    if place.made_in is not None:
        return passed(f"{place.path} is made at the first start; {free}")
    return passed(f"{place.path} can be written; {free}")


def judge_waiting(waiting: Waiting) -> Outcome:
    """Text that has not reached the broker yet, and files that could not be used."""
    outcomes = []
    if waiting.set_aside:
        names = ", ".join(waiting.set_aside)
        outcomes.append(
            warned(f"damaged files were set aside: {names}", "what was whole in them was delivered; delete them")
        )
    if waiting.messages:
        mend = "they go out when the satellite runs and reaches the broker"
        outcomes.append(warned(f"{waiting.messages} messages wait for the broker in spool.db", mend))
    elif waiting.messages == 0:
        outcomes.append(warned("spool.db holds no message that can be read", "the next start sets it aside if damaged"))
    return joined(outcomes) if outcomes else Outcome(Verdict.PASS, "no text waits for the broker")
