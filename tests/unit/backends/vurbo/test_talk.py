"""What the parts of a session share."""

from satellite.backends.base import SessionCounters
from satellite.backends.ending import Ending
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.progress import Progress
from satellite.backends.vurbo.commands import Commander
from satellite.backends.vurbo.messages import audio_message
from satellite.backends.vurbo.talk import Talk
from satellite.backends.vurbo.wishes import Wishes
from satellite.core.timeline import Timeline
from tests.unit.backends.vurbo.stage import options, setup


def test_it_is_a_line_with_wishes_commands_and_an_end() -> None:
    chosen = setup()
    wishes, commander, ending = Wishes(options(), chosen), Commander(lambda _command, _now: None), Ending(1.0, 1.0)
    counters, timeline, progress = SessionCounters(), Timeline(), Progress()
    talk = Talk(chosen, Lifecycle(), counters, timeline, progress, audio_message, wishes, commander, ending)
    assert (talk.setup, talk.wishes, talk.commander, talk.ending) == (chosen, wishes, commander, ending)
