import pytest

from satellite.backends.progress import Progress


def ended(utterance_id: str = "u1", at: float = 10.0) -> Progress:
    progress = Progress()
    progress.spoke(utterance_id)
    progress.ended(utterance_id, at)
    return progress


def test_nothing_is_pending_before_the_first_audio() -> None:
    progress = Progress()
    assert (progress.is_open, progress.is_tentative, progress.is_pending, progress.awaits_answer) == (False,) * 4
    assert progress.next_settled() is None


def test_an_utterance_is_open_from_its_first_audio_to_its_end() -> None:
    progress = Progress()
    progress.spoke("u1")
    progress.spoke("u1")
    assert (progress.is_open, progress.is_pending, progress.awaits_answer) == (True, True, False)
    progress.ended("u1", 1.0)
    assert (progress.is_open, progress.is_pending, progress.awaits_answer) == (False, True, True)


def test_what_was_no_speech_is_settled_after_the_longest_wait() -> None:
    assert ended().next_settled() == (15.0, "u1")


def test_text_settles_a_quiet_second_after_the_last_of_it() -> None:
    progress = ended()
    progress.source_text([], ["u1"], 10.5)
    assert (progress.is_tentative, progress.awaits_answer, progress.next_settled()) == (True, False, None)
    progress.source_text(["u1"], [], 11.0)
    assert (progress.is_tentative, progress.next_settled()) == (False, (12.0, "u1"))


def test_text_that_was_complete_before_the_end_settles_a_second_after_it() -> None:
    progress = Progress()
    progress.spoke("u1")
    progress.source_text(["u1"], [], 3.0)
    progress.ended("u1", 10.0)
    assert progress.next_settled() == (11.0, "u1")


def test_the_next_utterance_does_not_keep_one_from_settling() -> None:
    progress = ended()
    progress.source_text(["u1"], [], 10.2)
    progress.spoke("u2")
    progress.source_text([], ["u2"], 10.8)
    assert progress.next_settled() == (11.2, "u1")


def test_tentative_text_of_nobody_knows_whom_settles_nothing() -> None:
    progress = ended()
    progress.source_text([], [None], 10.5)
    assert progress.next_settled() is None
    assert progress.conclude() == ()


def test_settled_utterances_are_forgotten() -> None:
    progress = ended()
    progress.settle("u1")
    assert (progress.is_pending, progress.awaits_answer) == (False, False)
    progress.source_text(["u1"], [], 20.0)
    assert progress.next_settled() is None


def test_an_end_without_audio_needs_no_answer() -> None:
    progress = Progress()
    progress.ended("u1", 4.0)
    assert (progress.awaits_answer, progress.next_settled()) == (False, (5.0, "u1"))


@pytest.mark.parametrize(("tentative", "concluded"), [([], ("u1", "u2")), (["u2"], ("u1",))])
def test_the_end_of_the_text_concludes_what_is_not_tentative(tentative: list[str], concluded: tuple[str, ...]) -> None:
    progress = ended("u1")
    progress.spoke("u2")
    progress.ended("u2", 11.0)
    progress.source_text(["u1"], tentative, 11.5)
    assert progress.conclude() == concluded


def test_after_an_outage_the_waiting_begins_anew() -> None:
    progress = ended(at=10.0)
    progress.resumed(15.0)
    assert progress.next_settled() == (20.0, "u1")


def test_an_utterance_is_unsettled_from_its_first_audio_to_its_settling() -> None:
    progress = Progress()
    assert progress.unsettled == frozenset()
    progress.spoke("u1")
    progress.ended("u1", 1.0)
    progress.spoke("u2")
    assert progress.unsettled == {"u1", "u2"}
    progress.settle("u1")
    progress.ended("u2", 2.0)
    assert progress.unsettled == {"u2"}


def test_a_service_that_takes_its_time_is_given_it() -> None:
    progress = Progress(quiet_s=2.5)
    progress.spoke("u1")
    progress.ended("u1", 10.0)
    progress.source_text(["u1"], [], 11.0)
    assert progress.next_settled() == (13.5, "u1")
