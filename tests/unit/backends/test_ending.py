from satellite.backends.ending import Ending


def test_before_the_end_nothing_is_waited_for() -> None:
    ending = Ending(10.0, 5.0)
    ending.heard(1.0)
    assert (ending.has_begun, ending.deadline) == (False, None)


def test_each_message_prolongs_the_wait() -> None:
    ending = Ending(10.0, 5.0)
    ending.begin("idle", 5.0)
    assert (ending.has_begun, ending.reason, ending.deadline) == (True, "idle", 15.0)
    ending.heard(9.0)
    assert ending.deadline == 19.0


def test_where_more_is_to_come_the_wait_is_longer() -> None:
    ending = Ending(20.0, 5.0)
    ending.begin("idle", 0.0)
    assert ending.deadline == 20.0


def test_a_new_connection_gets_five_seconds() -> None:
    ending = Ending(10.0, 5.0)
    ending.begin("idle", 0.0)
    ending.resumed(2.0)
    assert (ending.was_resumed, ending.deadline) == (True, 7.0)


def test_a_service_that_never_stops_talking_is_left() -> None:
    ending = Ending(10.0, 5.0)
    ending.begin("idle", 0.0)
    ending.heard(119.0)
    assert ending.deadline == 120.0


def test_there_may_be_a_reason_to_hurry() -> None:
    ending = Ending(10.0, 5.0)
    ending.hurry(1.0, 0.0)
    deadlines = [ending.deadline]
    ending.begin("idle", 0.0)
    ending.hurry(3.0, 1.0)
    ending.heard(2.0)
    deadlines.append(ending.deadline)
    ending.hurry(30.0, 2.0)
    assert [*deadlines, ending.deadline] == [None, 4.0, 4.0]
