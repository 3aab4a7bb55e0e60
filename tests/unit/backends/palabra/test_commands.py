import json

import pytest

from satellite.backends.palabra.commands import Commands


def test_a_command_is_a_message_of_its_own() -> None:
    assert json.loads(Commands().take("end_task", {"eos_timeout": 2}, 0.0).text) == {
        "message_type": "end_task",
        "data": {"eos_timeout": 2},
    }


@pytest.mark.parametrize(
    ("first", "second", "gap_s"),
    [
        ("set_task", "get_task", 2.1),
        ("get_task", "set_task", 2.1),
        ("pause_task", "end_task", 3.1),
        ("tts_task", "tts_task", 1.1),
        ("flush_task", "interrupt_task", 1.1),
    ],
)
def test_commands_of_one_group_keep_their_distance(first: str, second: str, gap_s: float) -> None:
    commands = Commands()
    assert commands.ready_at(second) < 0
    commands.take(first, {}, 10.0)
    assert commands.ready_at(second) == pytest.approx(10.0 + gap_s)


def test_groups_do_not_wait_for_each_other() -> None:
    commands = Commands()
    commands.take("set_task", {}, 10.0)
    assert commands.ready_at("pause_task") < 0
