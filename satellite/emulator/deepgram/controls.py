"""The client's text messages: a strict enumeration (Flux reference §3, §11, §14)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from satellite.emulator.deepgram.query import (
    EAGER,
    EOT,
    TIMEOUT_MS,
    StreamConfig,
    Tuning,
    check_hints,
    check_keyterms,
    check_thresholds,
)

UNSUPPORTED = {"KeepAlive": "keep_alive", "Finalize": "finalize"}
"""Messages of the older interface, and the rule that each breaks."""
MEMBERS = frozenset({"type", "thresholds", "keyterms", "language_hints", "numerals"})
THRESHOLDS = frozenset({"eot_threshold", "eager_eot_threshold", "eot_timeout_ms"})


class UnparsableError(Exception):
    """A message that is answered by a fatal error; the rule that it breaks."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule


class RefusedError(Exception):
    """A `Configure` that is understood and refused; its code."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Control:
    """A well-formed message."""

    type: str
    members: Mapping[str, object]


def parse(text: str) -> Control:
    """Read one text message; UnparsableError names the rule that it breaks."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise UnparsableError("text_no_json", "a text message that is no JSON") from fault
    if not isinstance(value, dict):
        raise UnparsableError("text_no_object", "a text message that is no object")
    kind = value.get("type")
    if kind not in ("Configure", "ForceEndTurn", "CloseStream"):
        rule = UNSUPPORTED.get(kind, "unknown_message") if isinstance(kind, str) else "unknown_message"
        raise UnparsableError(rule, f"{kind!r:.60} is no message of /v2/listen")
    if kind == "Configure":
        _check_shape(value)
    elif set(value) != {"type"}:
        raise UnparsableError("extra_members", f"{kind} has no members beside its type")
    return Control(kind, value)


def _check_shape(value: Mapping[str, object]) -> None:
    """Types only: values are judged later."""
    if "features" in value:
        raise UnparsableError("features_wrapper", "features is of the older interface")
    unknown = set(value) - MEMBERS
    if unknown:
        raise UnparsableError("extra_members", f"Configure has no member {min(unknown)}")
    thresholds = value.get("thresholds", {})
    if not isinstance(thresholds, dict) or not set(thresholds) <= THRESHOLDS:
        raise UnparsableError("bad_thresholds", "thresholds is an object of the three published numbers")
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in thresholds.values()):
        raise UnparsableError("text_for_number", "thresholds are numbers")
    if not isinstance(value.get("numerals", False), bool):
        raise UnparsableError("text_for_boolean", "numerals is true or false, without quotes")
    for name in ("keyterms", "language_hints"):
        entries = [] if value.get(name) is None else value[name]
        if not isinstance(entries, list) or any(not isinstance(entry, str) for entry in entries):
            raise UnparsableError("bad_list", f"{name} is a list of strings")


def configured(control: Control, config: StreamConfig) -> Tuning:
    """The settings after a `Configure`, all or nothing; RefusedError says why not."""
    members = control.members
    thresholds = members.get("thresholds", {})
    assert isinstance(thresholds, dict)  # noqa: S101 - `parse` has seen to it
    tuning = replace(config.tuning, **thresholds)
    for name, (low, high) in {"eot_threshold": EOT, "eager_eot_threshold": EAGER, "eot_timeout_ms": TIMEOUT_MS}.items():
        if name in thresholds and not low <= thresholds[name] <= high:
            raise RefusedError("INVALID_THRESHOLD", f"{name} is not {low:g} to {high:g}")
    keyterms, hints = members.get("keyterms"), members.get("language_hints")
    if isinstance(keyterms, list):
        tuning.keyterms = keyterms
    if isinstance(hints, list):
        tuning.language_hints = hints
    tuning.numerals = bool(members.get("numerals", tuning.numerals))
    checks: tuple[tuple[str, Callable[[], tuple[str, str] | None]], ...] = (
        ("INVALID_THRESHOLD", lambda: check_thresholds(tuning)),
        ("INVALID_KEYTERMS", lambda: check_keyterms(tuning)),
        ("INVALID_LANGUAGE_HINTS", lambda: check_hints(hints or [], config.model)),  # type: ignore[arg-type]  # a list
    )
    for code, check in checks:
        if (objection := check()) is not None:
            raise RefusedError(code, objection[1])
    return tuning
