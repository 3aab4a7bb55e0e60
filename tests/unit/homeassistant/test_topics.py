import pytest

from satellite.homeassistant.topics import Topics, is_id

TOPICS = Topics("voice-satellite", "kitchen")


def test_every_topic_is_spelled_as_in_the_contract() -> None:
    spelled = [
        TOPICS.availability,
        TOPICS.state,
        TOPICS.transcript,
        TOPICS.transcript_tentative,
        TOPICS.translation("de"),
        TOPICS.translation_tentative("pt-BR"),
        TOPICS.utterance,
        TOPICS.speech,
        TOPICS.session,
        TOPICS.problem,
        TOPICS.health,
        TOPICS.usage,
        TOPICS.cloud,
        TOPICS.settings,
        TOPICS.command_error,
        TOPICS.backend_result("say"),
        TOPICS.command("mute"),
    ]
    below = "voice-satellite/kitchen/"
    assert [topic.removeprefix(below) for topic in spelled] == [
        "availability",
        "state",
        "transcript",
        "transcript/tentative",
        "translation/de",
        "translation/pt-BR/tentative",
        "utterance",
        "speech",
        "session",
        "problem",
        "health",
        "usage",
        "cloud",
        "settings",
        "command_error",
        "backend/say/result",
        "set/mute",
    ]
    assert all(topic.startswith(below) for topic in spelled)


def test_commands_come_for_one_satellite_and_for_the_fleet() -> None:
    assert TOPICS.command_filters == ("voice-satellite/kitchen/set/#", "voice-satellite/all/set/#")


@pytest.mark.parametrize(
    ("topic", "path"),
    [
        ("voice-satellite/kitchen/set/mute", "mute"),
        ("voice-satellite/all/set/backend/say", "backend/say"),
        ("voice-satellite/kitchen/set/", ""),
        ("voice-satellite/kitchen/set", None),
        ("voice-satellite/bath/set/mute", None),
        ("voice-satellite/kitchen/state", None),
        ("x/voice-satellite/kitchen/set/mute", None),
    ],
)
def test_the_path_of_a_command(topic: str, path: str | None) -> None:
    assert TOPICS.command_path(topic) == path


def test_a_base_with_several_levels() -> None:
    topics = Topics("home/voice", "kitchen")
    assert topics.state == "home/voice/kitchen/state"
    assert topics.command_path("home/voice/all/set/restart") == "restart"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((good, True) for good in ("kitchen", "0_a-b", "x" * 63)),
        *((bad, False) for bad in ("x" * 64, "", "-a", "Kitchen", "a/b", "+", "a\n", "all")),
    ],
)
def test_what_a_satellite_can_be_called(text: str, expected: bool) -> None:
    assert is_id(text) is expected
