"""Manners: what the deployment at an address was found not to understand, for as long as the program runs.

Older and self-hosted deployments answer a message that they do not know by a fatal error (Flux reference §3.2, §3.3):
it is not sent to them a second time, in whichever session.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Manners:
    """What may be asked of one deployment."""

    forces_turns: bool = True
    configures: bool = True


class Memory:
    """The manners of each address that was ever used."""

    def __init__(self) -> None:
        self._manners: dict[str, Manners] = {}

    def of(self, base_url: str) -> Manners:
        """What is known of the deployment there; all is well until it was found out otherwise."""
        return self._manners.setdefault(base_url, Manners())
