"""The query of `/v2/listen`, judged by the published table (Flux reference §2.2, §9)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

ENGLISH_MODEL = "flux-general-en"
MULTI_MODEL = "flux-general-multi"
HINTS = frozenset({"en", "es", "fr", "de", "hi", "ru", "pt", "ja", "it", "nl"})
RAW_ENCODINGS = frozenset({"linear16", "linear32", "mulaw", "alaw", "opus"})
CONTAINER_ENCODINGS = frozenset({"ogg-opus"})
SAMPLE_RATES = frozenset({"8000", "16000", "24000", "44100", "48000"})
REDACTIONS = frozenset({"numbers", "aggressive_numbers"})
REPEATABLE = frozenset({"keyterm", "language_hint", "tag"})
KNOWN = REPEATABLE | {
    "model", "encoding", "sample_rate", "eot_threshold", "eager_eot_threshold", "eot_timeout_ms", "profanity_filter",
    "numerals", "redact", "mip_opt_out",
}  # fmt: skip
EOT = (0.5, 1.0)
EAGER = (0.3, 0.9)
TIMEOUT_MS = (500, 60_000)
MAX_KEYTERMS = 100
MAX_KEYTERM_WORDS = 500
MAX_TAG_CHARACTERS = 128
DEFAULT_EOT = 0.7
DEFAULT_TIMEOUT_MS = 5_000

_WEIGHT = re.compile(r":\d+(\.\d+)?$")

Pairs = Sequence[tuple[str, str]]


class QueryError(Exception):
    """A query that is refused; the rule it breaks, and the status and code of the answer."""

    def __init__(self, rule: str, detail: str, status: int = 400, code: str = "INVALID_PARAMETER") -> None:
        super().__init__(detail)
        self.rule = rule
        self.status = status
        self.code = code


@dataclass(slots=True)
class Tuning:
    """What can be changed by `Configure`."""

    eot_threshold: float = DEFAULT_EOT
    eager_eot_threshold: float | None = None
    eot_timeout_ms: int = DEFAULT_TIMEOUT_MS
    keyterms: list[str] = field(default_factory=list)
    language_hints: list[str] = field(default_factory=list)
    numerals: bool = False


@dataclass(slots=True)
class StreamConfig:
    """A query that was accepted; `media` as the decoder of the double knows it, `tuning` is what is in force."""

    request: Mapping[str, object]
    model: str
    media: str
    tuning: Tuning

    @property
    def is_multilingual(self) -> bool:
        """True for the model that takes hints and tells languages."""
        return self.model == MULTI_MODEL


def parse_query(pairs: Pairs) -> StreamConfig:
    """The configuration that a query stands for; QueryError names the rule that it breaks."""
    values = _single_values(pairs)
    model = _model(values)
    tuning = Tuning(
        eot_threshold=_number(values, "eot_threshold", EOT, DEFAULT_EOT),
        eager_eot_threshold=_number(values, "eager_eot_threshold", EAGER, 0.0) or None,
        eot_timeout_ms=int(_number(values, "eot_timeout_ms", TIMEOUT_MS, DEFAULT_TIMEOUT_MS)),
        keyterms=_list(pairs, "keyterm"),
        language_hints=_list(pairs, "language_hint"),
        numerals=_boolean(values, "numerals"),
    )
    for name in ("profanity_filter", "mip_opt_out"):
        _boolean(values, name)
    if values.get("redact", "numbers") not in REDACTIONS:
        raise QueryError("bad_redact", "redact is numbers or aggressive_numbers")
    if any(not tag or len(tag) > MAX_TAG_CHARACTERS for tag in _list(pairs, "tag")):
        raise QueryError("bad_tag", f"a tag has 1 to {MAX_TAG_CHARACTERS} characters")
    for check in (check_thresholds, check_keyterms):
        if (objection := check(tuning)) is not None:
            raise QueryError(*objection)
    if (objection := check_hints(tuning.language_hints, model)) is not None:
        raise QueryError(*objection)
    return StreamConfig({**values, **{name: _list(pairs, name) for name in REPEATABLE}}, model, _media(values), tuning)


def check_thresholds(tuning: Tuning) -> tuple[str, str] | None:
    """The rule that two thresholds break together, and how."""
    eager = tuning.eager_eot_threshold
    if eager is not None and eager > tuning.eot_threshold:
        return "eager_above_eot", "eager_eot_threshold is above eot_threshold"
    return None


def check_keyterms(tuning: Tuning) -> tuple[str, str] | None:
    """The rule that key terms break, and how."""
    terms = tuning.keyterms
    if len(terms) > MAX_KEYTERMS or sum(len(term.split()) for term in terms) > MAX_KEYTERM_WORDS:
        return "too_many_keyterms", f"more than {MAX_KEYTERMS} terms or {MAX_KEYTERM_WORDS} tokens"
    if any(not term.strip() for term in terms):
        return "blank_keyterm", "a blank key term"
    return None


def check_hints(hints: Sequence[str], model: str) -> tuple[str, str] | None:
    """The rule that language hints break, and how."""
    if hints and model == ENGLISH_MODEL:
        return "hint_for_english_model", f"{ENGLISH_MODEL} takes no language hints"
    unknown = [hint for hint in hints if hint.partition("-")[0].lower() not in HINTS]
    return ("unknown_hint", f"{unknown[0]!r} is no language of the model") if unknown else None


def literal_keyterms(terms: Sequence[str]) -> list[str]:
    """Terms that are accepted silently as one term, and are not what their author meant."""
    return [term for term in terms if any(mark in term for mark in ",;\n") or _WEIGHT.search(term)]


def _single_values(pairs: Pairs) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in KNOWN:
            raise QueryError("unknown_parameter", f"{name} is no parameter of /v2/listen")
        if name in REPEATABLE:
            continue
        if name in values:
            raise QueryError("parameter_twice", f"{name} is there twice")
        values[name] = value
    return values


def _list(pairs: Pairs, name: str) -> list[str]:
    return [value for key, value in pairs if key == name]


def _model(values: Mapping[str, str]) -> str:
    model = values.get("model")
    if model is None:
        raise QueryError("no_model", "model is required")
    if model not in (ENGLISH_MODEL, MULTI_MODEL):
        raise QueryError("unknown_model", f"no model {model!r} for this project", 403, "INSUFFICIENT_PERMISSIONS")
    return model


def _media(values: Mapping[str, str]) -> str:
    encoding, rate = values.get("encoding"), values.get("sample_rate")
    if encoding is None and rate is None:
        return "audio/auto"
    if encoding in CONTAINER_ENCODINGS:
        raise QueryError("encoding_for_container", "encoding is left out for containers")
    if encoding not in RAW_ENCODINGS:
        raise QueryError("bad_encoding", f"encoding is one of {', '.join(sorted(RAW_ENCODINGS))}")
    if rate is None:
        raise QueryError("no_sample_rate", "raw audio needs sample_rate")
    if rate not in SAMPLE_RATES:
        raise QueryError("bad_sample_rate", f"no sample_rate {rate}")
    kinds: Mapping[str, str] = {"linear16": "s16le", "alaw": "alaw", "mulaw": "ulaw"}
    if encoding not in kinds:
        raise QueryError("", f"the emulator does not decode {encoding}")
    return f"audio/pcm;encoding={kinds[encoding]};rate={rate}"


def _number(values: Mapping[str, str], name: str, bounds: tuple[float, float], default: float) -> float:
    text = values.get(name)
    if text is None:
        return default
    convert: Callable[[str], float] = int if name.endswith("_ms") else float
    try:
        number = convert(text)
    except ValueError:
        raise QueryError("bad_number", f"{name} is no number") from None
    if not bounds[0] <= number <= bounds[1]:
        raise QueryError("out_of_range", f"{name} is {text}, not {bounds[0]:g} to {bounds[1]:g}")
    return number


def _boolean(values: Mapping[str, str], name: str) -> bool:
    text = values.get(name, "false")
    if text not in ("true", "false"):
        raise QueryError("bad_boolean", f"{name} is true or false")
    return text == "true"
