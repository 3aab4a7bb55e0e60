"""What has work must move; what sleeps with the machine is not blamed for it."""

from satellite.core.liveness import AWAKE_STEP_S, Liveness, Vital


class Play:
    """One part with a patience of 5 s, looked at each second."""

    def __init__(self) -> None:
        self.liveness = Liveness()
        self.now = 100.0
        self.done = 0
        self.is_due = True

    def look(self, after_s: float = 1.0) -> str | None:
        self.now += after_s
        return self.liveness.stuck({"ears": Vital(self.done, self.is_due, 5.0)}, self.now)

    def looks(self, count: int) -> list[str | None]:
        return [self.look() for _ in range(count)]


def test_a_part_that_works_is_well() -> None:
    play = Play()
    for _ in range(100):
        play.done += 1
        assert play.look() is None


def test_a_part_that_stands_still_is_stuck_after_its_patience() -> None:
    play = Play()
    assert play.looks(7) == [None] * 5 + ["ears"] * 2


def test_any_work_starts_the_patience_anew() -> None:
    play = Play()
    play.looks(5)
    play.done += 1
    assert play.looks(6) == [None] * 5 + ["ears"]


def test_without_work_standing_still_is_right() -> None:
    play = Play()
    play.is_due = False
    assert play.looks(100) == [None] * 100
    play.is_due = True
    assert play.looks(5) == [None] * 4 + ["ears"], "the patience begins with the last look that found no work"


def test_a_machine_that_slept_counts_as_a_moment() -> None:
    play = Play()
    play.looks(2)
    assert play.look(after_s=3600.0) is None
    assert AWAKE_STEP_S < 3.0
    assert play.looks(2) == [None, "ears"], "but sleep again and again does not hide a part that never moves"


def test_time_that_goes_back_harms_nothing() -> None:
    play = Play()
    play.looks(3)
    assert play.look(after_s=-50.0) is None


def test_the_first_part_that_is_stuck_is_named() -> None:
    liveness = Liveness()
    vitals = {"ears": Vital(1, is_due=True, patience_s=2.0), "mouth": Vital((), is_due=True, patience_s=1.0)}
    assert [liveness.stuck(vitals, now) for now in (0.0, 1.0, 2.0)] == [None, "mouth", "ears"]


def test_nothing_to_look_at_is_well() -> None:
    assert Liveness().stuck({}, 1.0) is None
