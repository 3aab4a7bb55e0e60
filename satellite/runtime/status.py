"""StatusLine: how the satellite is, in one line for the service manager. No speech in it, and nothing secret."""

from collections.abc import Callable

from satellite.homeassistant.commands import printable
from satellite.runtime.standing import Standing

PROBLEM_CHARACTERS_MAX = 120
NOT_CONNECTED = "not connected"
REFUSED_RELOAD = "the changed configuration was refused, see the log"


class BrokerWords:
    """How the link to the broker stands; called on every change."""

    def __init__(self) -> None:
        self.text = NOT_CONNECTED

    def __call__(self, is_connected: bool, problem: str | None) -> None:
        """There is a connection or not, and this is wrong with it."""
        self.text = "connected" if is_connected else NOT_CONNECTED
        if problem is not None:
            self.text += f" ({printable(problem, PROBLEM_CHARACTERS_MAX)})"


class StatusLine:
    """Called for the line as it is at the moment."""

    def __init__(self, backend: str, standing: Standing, broker: BrokerWords, utterances: Callable[[], int]) -> None:
        self.is_reload_refused = False
        """The configuration in force is not the one on disk, which has mistakes."""
        self._backend = backend
        self._standing = standing
        self._broker = broker
        self._utterances = utterances

    def __call__(self) -> str:
        """State, links, what was done, and what is wrong."""
        state, cloud, problem = self._standing.shown
        parts = [state, f"{self._backend} {cloud}", f"broker {self._broker.text}", *self._done()]
        if problem is not None:
            parts.append(f"problem: {problem.code} ({printable(problem.message, PROBLEM_CHARACTERS_MAX)})")
        if self.is_reload_refused:
            parts.append(REFUSED_RELOAD)
        return "; ".join(parts)

    def _done(self) -> list[str]:
        count = self._utterances()
        done = [f"{count} {'utterance' if count == 1 else 'utterances'} since the start"]
        if self._standing.usage is not None:
            done.append(f"{self._standing.usage()[1] / 60:.1f} min billed today")
        return done
