"""Options of the Deepgram Flux backend, and the check of their combination with the languages asked for."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from satellite.backends.addresses import parse_address
from satellite.backends.base import Finding, Severity, VoiceChoice
from satellite.backends.deepgram.languages import (
    ENGLISH_MODEL,
    HINTS,
    MULTI_MODEL,
    WITHOUT_NUMERALS,
    hints_for,
    is_english,
    is_known,
    model_for,
)
from satellite.backends.tags import AUTO, is_tag, primary
from satellite.core.section import Secret, Section, checked

MAX_KEYTERMS = 100
MAX_KEYTERM_WORDS = 500
"""The service counts tokens, of which a word has at least one."""
MAX_HINTS = 10
MAX_TAG_CHARACTERS = 128
MANUAL_THRESHOLD = 1.0
"""From here on the model itself never ends a turn."""
TRANSLATORS = "deepl, vurbo and palabra"

_PRINTABLE = re.compile(r"[!-~]+")
_WEIGHT = re.compile(r":\d+(\.\d+)?$")


def _usable_key(key: Secret) -> Secret:
    text = key.get_secret_value().strip()
    if not _PRINTABLE.fullmatch(text):
        raise ValueError("must be a Deepgram API key: printable ASCII characters without blanks")
    if text.lower().startswith(("token:", "bearer:")):
        raise ValueError("must be the key alone, without the word before it")
    return Secret(text)


def _usable_base_url(url: str) -> str:
    return _usable_address(url, "wss", "ws")


def _usable_rest_url(url: str) -> str:
    return _usable_address(url, "https", "http")


def _usable_address(url: str, secure: str, plain: str) -> str:
    address = parse_address(url)
    if address is None or address.query or address.scheme not in (secure, plain):
        raise ValueError(f"must be a plain address such as {secure}://api.deepgram.com")
    if address.scheme == plain and not address.is_loopback:
        raise ValueError(f"must begin with {secure}://; {plain}:// is for loopback addresses only")
    if re.search(r"/v\d+(/|$)", url):
        raise ValueError(f"must end before the version: {secure}://api.deepgram.com")
    return url.rstrip("/")


def _usable_keyterm(term: str) -> str:
    text = " ".join(term.split())
    if not text or not text.isprintable():
        raise ValueError("must be a word or a few, on one line")
    if "," in text or ";" in text:
        raise ValueError("must be one term: commas and semicolons would become part of it; make a list of terms")
    if _WEIGHT.search(text):
        raise ValueError("has a weight at its end, which would become part of it: leave it out")
    return text


def _usable_keyterms(terms: tuple[str, ...]) -> tuple[str, ...]:
    if sum(len(term.split()) for term in terms) > MAX_KEYTERM_WORDS:
        raise ValueError(f"must have at most {MAX_KEYTERM_WORDS} words in all")
    return terms


def _usable_hint(tag: str) -> str:
    if not is_tag(tag) or tag.lower() == AUTO:
        raise ValueError("must be a BCP 47 language tag such as de or pt-BR")
    return tag


def _usable_label(label: str) -> str:
    text = label.strip()
    if not text or not text.isprintable() or len(text) > MAX_TAG_CHARACTERS:
        raise ValueError(f"must be one line of 1 to {MAX_TAG_CHARACTERS} characters")
    return text


Keyterms = Annotated[
    tuple[Annotated[str, checked(_usable_keyterm)], ...], checked(_usable_keyterms), Meta(max_length=MAX_KEYTERMS)
]
Hints = Annotated[tuple[Annotated[str, checked(_usable_hint)], ...], Meta(max_length=MAX_HINTS)]


class DeepgramOptions(Section, frozen=True):
    """Options of Deepgram Flux (`voice.deepgram`)."""

    api_key: Annotated[Secret, checked(_usable_key), Meta(description="Key of a Deepgram project.")]
    base_url: Annotated[
        str,
        checked(_usable_base_url),
        Meta(
            description="Address of the API: wss://api.eu.deepgram.com keeps audio in the EU, wss://api.au.deepgram.com"
            " in Australia; ws for loopback addresses only."
        ),
    ] = "wss://api.deepgram.com"
    authentication: Annotated[
        Literal["key", "token"],
        Meta(
            description="What opens a connection: the key itself, or a temporary token that is asked for with the key"
            " (of role Member or higher) before each connection."
        ),
    ] = "key"
    token_ttl_s: Annotated[
        int, Meta(ge=1, le=3_600, description="Seconds for which a temporary token is good; it opens one connection.")
    ] = 30
    rest_url: Annotated[
        Annotated[str, checked(_usable_rest_url)] | None,
        Meta(description="Address where temporary tokens are asked for; null: https at the host of base_url."),
    ] = None
    model: Annotated[
        Literal["flux-general-en", "flux-general-multi"] | None,
        Meta(description="The model; null: the English one where only English is expected, else the multilingual one."),
    ] = None
    source_media: Annotated[
        Literal["pcm", "opus"], Meta(description="Audio sent: pcm (256 kbit/s), or opus in Ogg (low bandwidth).")
    ] = "pcm"
    eot_threshold: Annotated[
        float,
        Meta(ge=0.5, le=MANUAL_THRESHOLD, description="How sure the model must be that a turn has ended; 1.0: never."),
    ] = 0.7
    eager_eot_threshold: Annotated[
        Annotated[float, Meta(ge=0.3, le=0.9)] | None,
        Meta(description="The same for the early guess that a turn has ended, at most eot_threshold; null: no guess."),
    ] = None
    eot_timeout_ms: Annotated[
        int, Meta(ge=500, le=60_000, description="Milliseconds of silence in the audio after which a turn ends anyway.")
    ] = 5_000
    force_end_turn: Annotated[
        bool,
        Meta(
            description="End the turn when the gate closes; false: silence is sent until it ends, for deployments that"
            " cannot be asked."
        ),
    ] = True
    keyterms: Annotated[
        Keyterms, Meta(description="Names and jargon to expect, one term each; at most 100, 20 to 50 work best.")
    ] = ()
    language_hints: Annotated[
        Hints, Meta(description="Languages to expect beside source_language; multilingual model only.")
    ] = ()
    numerals: Annotated[bool, Meta(description="Write numbers as digits; not for Hindi and Japanese.")] = False
    profanity_filter: Annotated[bool, Meta(description="Mask swear words.")] = False
    redact: Annotated[
        Literal["numbers", "aggressive_numbers"] | None,
        Meta(description="Replace numbers by asterisks; aggressive_numbers: more of them; null: none."),
    ] = None
    mip_opt_out: Annotated[
        bool, Meta(description="Keep audio out of Deepgram's model improvement programme; changes the price.")
    ] = False
    tags: Annotated[
        tuple[Annotated[str, checked(_usable_label)], ...],
        Meta(max_length=16, description="Labels in Deepgram's usage reports; at most 128 characters each."),
    ] = ()


def check(options: DeepgramOptions, voice: VoiceChoice) -> list[Finding]:
    """Everything wrong or doubtful with these options and languages together."""
    return [
        *_check_targets(voice),
        *_check_source(options, voice),
        *_check_hints(options, voice),
        *_check_thresholds(options),
    ]


def _check_targets(voice: VoiceChoice) -> Iterator[Finding]:
    """It only transcribes; a configuration that was made for another backend says otherwise by its defaults."""
    if voice.target_languages:
        targets = ", ".join(voice.target_languages)
        message = f"the backend deepgram does not translate (to {targets}): it only transcribes"
        yield Finding("voice.target_languages", message, _mend("translate"))
    if voice.speech_language is not None:
        message = f"the backend deepgram does not speak ({voice.speech_language}): it only transcribes"
        yield Finding("voice.speech_language", message, _mend("speak"))
    elif voice.speech_voice is not None:
        message = "has no effect: the backend deepgram does not speak"
        yield Finding("voice.speech_voice", message, None, Severity.WARNING)


def _mend(verb: str) -> str:
    return f"write `target_languages: []` and `speech_language: null`; the backends that {verb} are {TRANSLATORS}"


def _check_source(options: DeepgramOptions, voice: VoiceChoice) -> Iterator[Finding]:
    source, path = voice.source_language, "voice.source_language"
    if source != AUTO and not is_known(source):
        message = f"{source} is not transcribed by Deepgram Flux"
        yield Finding(path, message, f"one of {_listed(sorted(HINTS))}, or auto to detect which of them is spoken")
    elif options.model == ENGLISH_MODEL and (source == AUTO or not is_english(source)):
        message = f"{ENGLISH_MODEL} understands English only, and voice.source_language is {source}"
        yield Finding("voice.deepgram.model", message, f"set it to {MULTI_MODEL}, or leave it out")
    if options.numerals and primary(source) in WITHOUT_NUMERALS:
        message = f"has no effect for {source}"
        yield Finding("voice.deepgram.numerals", message, None, Severity.WARNING)


def _check_hints(options: DeepgramOptions, voice: VoiceChoice) -> Iterator[Finding]:
    path = "voice.deepgram.language_hints"
    if options.language_hints and options.model == ENGLISH_MODEL:
        yield Finding(path, f"are refused by {ENGLISH_MODEL}", f"leave them out, or set model to {MULTI_MODEL}")
        return
    for tag in options.language_hints:
        if not is_known(tag):
            message = f"{tag} is not in the list of the service's languages known here, which refuses others"
            yield Finding(path, message, "check the spelling", Severity.WARNING)
    hints = hints_for(voice.source_language, options.language_hints)
    if model_for(options.model, voice.source_language, hints) == ENGLISH_MODEL and options.language_hints:
        message = "have no effect: only English is expected"
        yield Finding(path, message, f"set model to {MULTI_MODEL} to have them used", Severity.WARNING)


def _check_thresholds(options: DeepgramOptions) -> Iterator[Finding]:
    path, eager = "voice.deepgram.eager_eot_threshold", options.eager_eot_threshold
    if eager is None:
        return
    if eager > options.eot_threshold:
        yield Finding(path, f"{eager:g} is above eot_threshold, {options.eot_threshold:g}", "lower it, or leave it out")
    elif options.eot_threshold >= MANUAL_THRESHOLD:
        message = "guesses ends of turns that the model never makes: eot_threshold is 1"
        yield Finding(path, message, "leave it out", Severity.WARNING)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)
