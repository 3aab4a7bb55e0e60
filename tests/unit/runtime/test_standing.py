"""What holds at the moment: one state, one problem, told when they change and again on demand."""

import itertools
import logging
from datetime import datetime

import pytest

from satellite.homeassistant.bodies import ProblemCode
from satellite.homeassistant.payloads import HealthFigures
from satellite.runtime.standing import LOST_SHOWN_S, SEVERITY, Standing
from tests.fakes.publisher import TOPICS, RecordingPublisher
from tests.fakes.stage import SETTINGS
from tests.fakes.virtual_time import VirtualClock, pass_time, virtual

HEALTH = HealthFigures("1.0", 1.0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0.0, 0, None, 0.1, 1000, None, None)


class Play:
    """A standing and what was published of it."""

    def __init__(self) -> None:
        self.publisher = RecordingPublisher()
        self.clock = VirtualClock()
        self.standing = Standing(TOPICS, self.publisher, self.clock)

    @property
    def states(self) -> list[str]:
        return self.publisher.of("state")

    @property
    def problems(self) -> list[str | None]:
        """Codes in the order in which they were told; None when there is none."""
        return [problem.get("code") for problem in self.publisher.of("problem")]


# --- state --------------------------------------------------------------------------------------------------------


def test_a_state_is_told_when_it_changes_and_only_then() -> None:
    play = Play()
    for _ in range(2):
        play.standing.started()
        play.standing.listening(is_open=True)
        play.standing.listening(is_open=True)
        play.standing.listening(is_open=False)
    assert play.states == ["idle", "listening", "idle", "listening", "idle"]
    assert set(play.publisher.names()) == {"state"}


def test_of_several_states_the_weightiest_is_told() -> None:
    play = Play()
    standing = play.standing
    standing.listening(is_open=True)
    assert play.states == [], "still starting"
    standing.started()
    standing.speaking(is_heard=True)
    standing.settings(SETTINGS.changed(mute=True))
    standing.speaking(is_heard=False)
    standing.parked(is_parked=True)
    standing.settings(SETTINGS)
    standing.parked(is_parked=False)
    standing.listening(is_open=False)
    assert play.states == ["listening", "speaking", "muted", "parked", "listening", "idle"]


# --- problems -----------------------------------------------------------------------------------------------------


@virtual
async def test_a_problem_keeps_the_time_of_its_first_report() -> None:
    play = Play()
    play.standing.problem("auth", "the key is not known", "check it")
    await pass_time(60)
    play.standing.problem("auth", "the key is not known", "check it")
    play.standing.problem("auth", "the key has expired", None)
    first, second = play.publisher.of("problem")
    assert (first["active"], first["code"], first["message"], first["hint"]) == (
        True,
        "auth",
        "the key is not known",
        "check it",
    )
    assert (second["message"], second["since"]) == ("the key has expired", first["since"])


@pytest.mark.parametrize("jump_s", [1.8e9, 3600.0, -5.0, -86_400.0])
@virtual
async def test_when_the_clock_is_set_a_problem_moves_with_it_once(jump_s: float) -> None:
    """A board without a battery starts in the past, and the network that would tell it better may be what is wrong."""
    play = Play()
    play.standing.problem("unreachable", "no route", None)
    await pass_time(20)
    play.clock.wall_s += jump_s
    for _ in range(10):
        play.standing.publish_health()
        await pass_time(30)
    first, second = (datetime.fromisoformat(problem["since"]) for problem in play.publisher.of("problem"))
    assert (second - first).total_seconds() == pytest.approx(jump_s, abs=0.01)


@virtual
async def test_a_clock_that_is_steered_and_a_machine_that_sleeps_change_nothing() -> None:
    play = Play()
    play.standing.problem("unreachable", "no route", None)
    for _ in range(10):
        play.clock.wall_s += 0.05
        play.clock.sleep(3600.0)
        play.standing.publish_health()
    assert play.problems == ["unreachable"]


@virtual
async def test_a_problem_that_comes_back_is_a_new_one() -> None:
    play = Play()
    play.standing.problem("auth", "no", None)
    play.standing.solved("auth")
    await pass_time(60)
    play.standing.problem("auth", "no", None)
    first, none, second = play.publisher.of("problem")
    assert none == {"active": False}
    assert second["since"] > first["since"]


@virtual
async def test_the_gravest_problem_is_shown_and_the_next_when_it_is_solved() -> None:
    play = Play()
    for code in reversed(SEVERITY):
        play.standing.problem(code, code, None)
    for code in SEVERITY:
        play.standing.solved(code)
    assert play.problems == [*reversed(SEVERITY), *SEVERITY[1:], None]


@pytest.mark.parametrize(("grave", "slight"), list(itertools.pairwise(SEVERITY)))
@virtual
async def test_a_slighter_problem_is_not_told_beside_a_graver_one(grave: ProblemCode, slight: ProblemCode) -> None:
    play = Play()
    play.standing.problem(grave, "grave", None)
    play.standing.problem(slight, "slight", None)
    play.standing.solved(slight)
    assert play.problems == [grave]


@virtual
async def test_one_problem_takes_the_place_of_others_without_a_moment_between() -> None:
    play = Play()
    play.standing.problem("quota", "spent", None)
    play.standing.problem("unreachable", "no route", None, instead_of={"quota", "auth", "unreachable"})
    assert play.problems == ["quota", "unreachable"]


@virtual
async def test_what_is_no_problem_needs_no_solution() -> None:
    play = Play()
    play.standing.solved("auth", "quota")
    assert play.publisher.messages == []


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """What the log was told: how loud, in which words, and the code that the journal gets as a field."""
    return [(record.levelname, record.getMessage(), vars(record)["code"]) for record in caplog.records]


@virtual
async def test_the_log_is_told_of_each_problem_when_it_comes_and_when_it_goes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    play = Play()
    play.standing.problem("auth", "refused\n", "look at the key")
    play.standing.problem("auth", "refused again", None)
    play.standing.problem("unreachable", "no route", None, instead_of={"quota", "auth", "unreachable"})
    play.standing.solved("auth", "unreachable")
    assert told(caplog) == [
        ("WARNING", "problem auth: refused\N{REPLACEMENT CHARACTER} (look at the key)", "auth"),
        ("INFO", "problem auth: over", "auth"),
        ("WARNING", "problem unreachable: no route", "unreachable"),
        ("INFO", "problem unreachable: over", "unreachable"),
    ]


@virtual
async def test_the_log_is_told_of_lost_audio_once_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    play = Play()
    play.standing.lost(100.0)
    play.standing.lost(100.0)
    play.standing.publish_health()
    await pass_time(LOST_SHOWN_S + 1)
    play.standing.publish_health()
    assert [(level, code) for level, _, code in told(caplog)] == [("WARNING", "audio_lost"), ("INFO", "audio_lost")]


@virtual
async def test_what_holds_can_be_looked_at() -> None:
    play = Play()
    standing = play.standing
    assert (standing.state, standing.link, standing.problems, standing.is_muted) == (
        "starting",
        "idle",
        frozenset(),
        False,
    )
    standing.problem("auth", "no", None)
    standing.problem("speaker", "no", None)
    standing.cloud("lost")
    standing.settings(SETTINGS.changed(mute=True))
    assert (standing.state, standing.link, standing.is_muted) == ("starting", "lost", True), (
        "muted shows behind starting"
    )
    assert standing.problems == {"auth", "speaker"}


# --- lost audio ---------------------------------------------------------------------------------------------------


@virtual
async def test_lost_audio_is_told_at_once_then_with_the_health_and_goes_away() -> None:
    play = Play()
    for _ in range(30):
        play.standing.lost(100.0)
        await pass_time(0.1)
    assert [problem["message"] for problem in play.publisher.of("problem")] == [
        "0.1 s of speech were lost since the start"
    ]
    play.standing.publish_health()
    assert play.publisher.of("problem")[-1]["message"] == "3.0 s of speech were lost since the start"
    assert play.publisher.of("problem")[-1]["since"] == play.publisher.of("problem")[0]["since"]
    play.standing.publish_health()
    assert len(play.problems) == 2
    await pass_time(LOST_SHOWN_S)
    play.standing.publish_health()
    assert play.problems == ["audio_lost", "audio_lost", None]
    assert play.standing.lost_ms == pytest.approx(3000)
    play.standing.lost(100.0)
    assert play.publisher.of("problem")[-1]["message"] == "3.1 s of speech were lost since the start"


# --- health and all of it -----------------------------------------------------------------------------------------


@virtual
async def test_health_follows_a_change_of_the_problem() -> None:
    play = Play()
    play.standing.health = lambda: HEALTH
    play.standing.problem("auth", "no", None)
    play.standing.problem("auth", "no", None)
    assert play.publisher.names() == ["problem", "health"]


@virtual
async def test_without_figures_there_is_no_health() -> None:
    play = Play()
    play.standing.publish_health()
    assert play.publisher.messages == []


@virtual
async def test_all_that_holds_is_told_to_a_broker_that_has_come_back() -> None:
    play = Play()
    play.standing.health = lambda: HEALTH
    play.standing.settings(SETTINGS)
    play.standing.started()
    play.standing.listening(is_open=True)
    play.standing.problem("microphone", "pulled out", "put it in")
    play.standing.cloud("connected")
    before = {message.topic: message for message in play.publisher.messages}
    play.publisher.forget()
    play.standing.republish()
    assert sorted(play.publisher.names()) == ["cloud", "health", "problem", "settings", "state"]
    assert {message.topic: message for message in play.publisher.messages} == before
    assert all(message.retain for message in play.publisher.messages)


@virtual
async def test_what_never_held_is_told_as_such() -> None:
    play = Play()
    play.standing.republish()
    assert (play.states, play.problems, play.publisher.names()) == (
        ["starting"],
        [None],
        ["state", "cloud", "problem"],
    )


def test_settings_as_they_are_published() -> None:
    play = Play()
    play.standing.settings(SETTINGS)
    assert play.publisher.of("settings") == [
        {
            "mute": False,
            "volume": 100,
            "source_language": "en",
            "target_languages": ["de"],
            "speech_language": None,
        }
    ]


@virtual
async def test_the_use_of_the_day_is_told_with_the_health() -> None:
    play = Play()
    play.standing.usage = lambda: ("2026-11-21", 75.04)
    play.standing.publish_health()
    assert play.publisher.of("usage") == [{"day": "2026-11-21", "streamed_s": 75.0, "billed_s": 75.0}]


@virtual
async def test_the_link_to_the_cloud_is_told_when_it_changes() -> None:
    play = Play()
    for name in ("idle", "connected", "connected", "lost"):
        play.standing.cloud(name)
    assert play.publisher.of("cloud") == ["connected", "lost"]


@virtual
async def test_settings_are_said_again_on_demand() -> None:
    play = Play()
    play.standing.settings()
    assert play.publisher.of("settings") == []
    play.standing.settings(SETTINGS)
    play.standing.settings()
    first, second = play.publisher.of("settings")
    assert first == second
