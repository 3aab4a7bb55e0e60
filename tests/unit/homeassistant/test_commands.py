import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.homeassistant.commands import (
    ARGUMENTS_BYTES_MAX,
    ARGUMENTS_DEPTH_MAX,
    ECHO_CHARACTERS_MAX,
    PAYLOAD_BYTES_MAX,
    Command,
    CommandRefused,
    Listen,
    Play,
    Restart,
    RestartSession,
    RunBackendAction,
    SetMute,
    SetSourceLanguage,
    SetSpeechLanguage,
    SetTargetLanguages,
    SetVolume,
    StopSpeech,
    parse,
    printable,
)
from satellite.homeassistant.topics import Topics

TOPICS = Topics("voice-satellite", "kitchen")
TARGETS_MAX = 3


def command(name: str, payload: bytes | str) -> Command | CommandRefused | None:
    data = payload if isinstance(payload, bytes) else payload.encode()
    return parse(TOPICS, TOPICS.command(name), data, retained=False, targets_max=TARGETS_MAX)


def refusal(name: str, payload: bytes | str) -> CommandRefused:
    refused = command(name, payload)
    assert isinstance(refused, CommandRefused)
    return refused


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        ("mute", "ON", SetMute(muted=True)),
        ("mute", "off", SetMute(muted=False)),
        ("listen", " On\n", Listen(held=True)),
        ("listen", "OFF", Listen(held=False)),
        ("volume", "0", SetVolume(0)),
        ("volume", "100", SetVolume(100)),
        ("volume", "55.0", SetVolume(55)),
        ("volume", " 7.6 ", SetVolume(8)),
        ("source_language", "auto", SetSourceLanguage("auto")),
        ("source_language", "EN", SetSourceLanguage("en")),
        ("source_language", "zh-hant-tw", SetSourceLanguage("zh-Hant-TW")),
        ("source_language", "es-419", SetSourceLanguage("es-419")),
        ("speech_language", "Off", SetSpeechLanguage(None)),
        ("speech_language", "pt-br", SetSpeechLanguage("pt-BR")),
        ("target_languages", '["de","fr"]', SetTargetLanguages(("de", "fr"))),
        ("target_languages", "de, FR,de", SetTargetLanguages(("de", "fr"))),
        ("target_languages", "de,de,de,de,de", SetTargetLanguages(("de",))),
        ("target_languages", "[]", SetTargetLanguages(())),
        ("stop_speech", "", StopSpeech()),
        ("restart_session", "PRESS", RestartSession()),
        ("restart", b"\xff", Restart()),
        ("play", "https://example.org/dong.wav", Play("https://example.org/dong.wav")),
        ("backend/say", '{"text":"hällo","n":1.5}', RunBackendAction("say", {"text": "hällo", "n": 1.5})),
        ("backend/list_voices", "", RunBackendAction("list_voices", {})),
    ],
)
def test_commands_that_are_obeyed(name: str, payload: bytes | str, expected: Command) -> None:
    assert command(name, payload) == expected


def test_a_command_to_the_fleet() -> None:
    sent = parse(TOPICS, "voice-satellite/all/set/mute", b"ON", retained=False, targets_max=TARGETS_MAX)
    assert sent == SetMute(muted=True)


def test_retained_commands_are_ignored() -> None:
    assert parse(TOPICS, TOPICS.command("mute"), b"ON", retained=True, targets_max=TARGETS_MAX) is None


@pytest.mark.parametrize("topic", [TOPICS.state, "voice-satellite/bath/set/mute", "homeassistant/status", ""])
def test_what_is_not_for_us_is_ignored(topic: str) -> None:
    assert parse(TOPICS, topic, b"ON", retained=False, targets_max=TARGETS_MAX) is None


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        ("mute", "true", "expected ON or OFF"),
        ("mute", "1", "expected ON or OFF"),
        ("mute", "  ", "empty"),
        ("listen", "maybe", "expected ON or OFF"),
        ("listen", b"\xff\xfe", "not UTF-8"),
        ("volume", "101", "outside"),
        ("volume", "-1", "outside"),
        ("volume", "loud", "from 0 to 100"),
        ("volume", "nan", "from 0 to 100"),
        ("volume", "1e1", "from 0 to 100"),
        ("volume", "٣", "from 0 to 100"),
        ("volume", "9" * 5000, "bytes"),
        ("volume", "9" * 4000, "from 0 to 100"),
        ("source_language", "off-", "BCP 47"),
        ("source_language", "english", "BCP 47"),
        ("source_language", "en_US", "BCP 47"),
        ("speech_language", "auto", "BCP 47"),
        ("target_languages", "de,fr,es,it", "3 is the most"),
        ("target_languages", "de,,fr", "BCP 47"),
        ("target_languages", '["de",5]', "list of language tags"),
        ("target_languages", '{"de":1}', "BCP 47"),
        ("target_languages", '["de"', "not valid JSON"),
        ("target_languages", "[" * 4000, "not valid JSON"),
        ("play", "", "empty"),
        ("play", "a\x00b", "control characters"),
        ("play", "x" * (PAYLOAD_BYTES_MAX + 1), "bytes"),
        ("backend/", "{}", "backend/<action>"),
        ("backend", "{}", "backend/<action>"),
        ("backend/Say", "{}", "backend/<action>"),
        ("backend/say/more", "{}", "backend/<action>"),
        ("backend/say", "[1]", "JSON object"),
        ("backend/say", '{"a":NaN}', "not valid JSON"),
        ("backend/say", '{"a":1e999}', "not valid JSON"),
        ("backend/say", '{"a":"\\ud800"}', "not valid JSON"),
        ("backend/say", '{"a":' + "9" * 5000 + "}", "not valid JSON"),
        ("backend/say", b'{"a":"\xff"}', "not UTF-8"),
        ("backend/say", b" " * (ARGUMENTS_BYTES_MAX + 1), "bytes"),
        ("", "x", "no such command; there are mute, volume"),
        ("mutee", "ON", "no such command"),
        ("mute/now", "ON", "no such command"),
    ],
)
def test_commands_that_are_refused_with_a_reason(name: str, payload: bytes | str, reason: str) -> None:
    assert reason in refusal(name, payload).reason


def test_arguments_may_be_nested_up_to_a_bound() -> None:
    def nested(depth: int) -> dict[str, object]:
        value: dict[str, object] = {}
        for turn in range(depth - 1):
            value = {"a": [value]} if turn % 2 else {"a": value, "b": 1}
        return value

    assert isinstance(command("backend/say", json.dumps(nested(6))), RunBackendAction)
    assert f"deeper than {ARGUMENTS_DEPTH_MAX}" in refusal("backend/say", json.dumps(nested(20))).reason


def test_arguments_too_deep_for_the_parser_are_refused_too() -> None:
    # How deep json itself can go depends on the version of Python.
    reason = refusal("backend/say", '{"a":' + "[" * 8000 + "]" * 8000 + "}").reason
    assert "nested deeper" in reason or "not valid JSON" in reason


def test_the_depth_bound_is_exact() -> None:
    def lists(depth: int) -> str:
        return '{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"

    assert isinstance(command("backend/say", lists(ARGUMENTS_DEPTH_MAX)), RunBackendAction)
    assert isinstance(command("backend/say", lists(ARGUMENTS_DEPTH_MAX + 1)), CommandRefused)


def test_a_refusal_repeats_the_payload_printable_and_short() -> None:
    refused = refusal("volume", b"\x1b[31m" + b"x" * 3000 + b"\xff")
    assert len(refused.payload) == ECHO_CHARACTERS_MAX
    assert refused.payload.startswith("\N{REPLACEMENT CHARACTER}[31mxxx")
    assert refused.payload.endswith("x…")
    assert refused.command == "volume"


def test_a_refusal_repeats_the_command_printable_and_short() -> None:
    refused = refusal("né\x07" + "w" * 100, "ON")
    assert refused.command.startswith("né\N{REPLACEMENT CHARACTER}www")
    assert len(refused.command) == 64


def test_short_printable_text_is_left_alone() -> None:
    assert printable("grün", 4) == "grün"


NAMES = st.sampled_from(
    ["mute", "volume", "source_language", "speech_language", "target_languages", "listen", "play", "backend/say", "x"]
)


@given(NAMES | st.text(max_size=80), st.binary(max_size=600) | st.text(max_size=300).map(lambda text: text.encode()))
def test_no_payload_can_do_harm(name: str, payload: bytes) -> None:
    answer = command(name, payload)
    assert answer is not None
    if isinstance(answer, CommandRefused):
        assert answer.reason
        json.dumps([answer.command, answer.payload, answer.reason], ensure_ascii=False).encode()
        assert (answer.command + answer.payload).isprintable()


def test_a_service_that_does_not_translate_says_so() -> None:
    topic = TOPICS.command("target_languages")
    refused = parse(TOPICS, topic, b"de", retained=False, targets_max=0)
    assert isinstance(refused, CommandRefused)
    assert refused.reason == "the voice service does not translate"
    assert parse(TOPICS, topic, b"[]", retained=False, targets_max=0) == SetTargetLanguages(())
