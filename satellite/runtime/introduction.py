"""Introduction: tells Home Assistant what this satellite has, and takes back what it no longer has."""

from collections.abc import Callable, Iterable

from satellite.homeassistant.discovery import Announced, Identity, plan, withdrawal
from satellite.homeassistant.entities import Offer
from satellite.homeassistant.messages import Message
from satellite.ports import Publisher

HANDED_OVER_S = 10.0
"""How long Home Assistant is given to hand entities over from one style of discovery to the other."""


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

    def offer(self, offer: Offer) -> None:
        """Say what there is from now on, unless it is what there was."""
        if offer != self._offer:
            self._offer = offer
            self.say()

    def say(self) -> None:
        """Say all of it, whether or not it was said before."""
        if self._identity is None:
            self._withdraw()
        elif self._offer is not None:
            self._announce(self._identity, self._offer)

    def _announce(self, identity: Identity, offer: Offer) -> None:
        found = plan(identity, offer, self.announced)
        self._publish(found.now)
        if not found.later:
            self.announced = found.announced
            return

        def handed_over() -> None:
            self._publish(found.later)
            self.announced = found.announced

        self._later(HANDED_OVER_S, handed_over)

    def _withdraw(self) -> None:
        if self.announced is not None:
            self._publish(withdrawal(self.announced))

    def _publish(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._publisher.publish(message)
