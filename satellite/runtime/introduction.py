"""Introduction: tells Home Assistant what this satellite has, and takes back what it no longer has."""

from collections.abc import Callable, Iterable

from satellite.homeassistant.discovery import Announced, Identity, Plan, plan, withdrawal
from satellite.homeassistant.entities import Offer
from satellite.homeassistant.messages import Message
from satellite.ports import Publisher

STEP_S = 2.0
"""How long Home Assistant is given to take in one step, when entities go from one style of discovery to the other."""


class Introduction:
    """Says it anew on every connection; `announced` is what an earlier process said, and then what this one did.

    Without an `identity` there is to be no discovery: what was announced before is withdrawn.
    """

    def __init__(
        self,
        identity: Identity | None,
        publisher: Publisher,
        announced: Announced | None,
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self.announced = announced
        self._identity = identity
        self._publisher = publisher
        self._later = later
        self._offer: Offer | None = None
        self._times_said = 0

    def offer(self, offer: Offer) -> None:
        """What there is from now on; said at once when there was something else, and somebody to hear it."""
        is_other, self._offer = offer != self._offer, offer
        if is_other and self._times_said:
            self.say()

    def say(self) -> None:
        """Say all of it to a broker, or a Home Assistant, that has just come."""
        self._times_said += 1
        if self._identity is None:
            self._withdraw()
        elif self._offer is not None:
            self._announce(self._identity, self._offer)

    def _announce(self, identity: Identity, offer: Offer) -> None:
        found = plan(identity, offer, self.announced)
        self._step(found, 0, self._times_said)

    def _step(self, found: Plan, number: int, time_said: int) -> None:
        """One step, unless all of it was said anew meanwhile."""
        if time_said != self._times_said:
            return
        self._publish(found.steps[number])
        if number + 1 < len(found.steps):
            self._later(STEP_S, lambda: self._step(found, number + 1, time_said))
        else:
            self.announced = found.announced

    def _withdraw(self) -> None:
        if self.announced is not None:
            self._publish(withdrawal(self.announced))

    def _publish(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._publisher.publish(message)
