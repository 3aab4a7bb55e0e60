"""Progress: which utterances are still being worked on, and when the service will say no more about one.

The service marks no ends of utterances, so an utterance counts as settled when all its audio was sent, none of its
source text is tentative any longer, and nothing new was said about it for a while.
"""

from collections.abc import Iterable

QUIET_S = 1.0
"""Without source text about an utterance for this long, none is expected."""
ANSWER_S = 5.0
"""Without any source text at all about an utterance for this long after its end, it was no speech."""


class Progress:
    """Follows utterances from their first audio to the settling of their text."""

    def __init__(self, quiet_s: float = QUIET_S) -> None:
        self._quiet_s = quiet_s
        self._open_id: str | None = None
        self._latest_id: str | None = None
        self._ended_at: dict[str, float] = {}
        self._silent: set[str] = set()
        self._touched_at: dict[str, float] = {}
        self._tentative: frozenset[str | None] = frozenset()

    @property
    def is_open(self) -> bool:
        """True while audio of an utterance was sent and its end was not."""
        return self._open_id is not None

    @property
    def is_tentative(self) -> bool:
        """True while source text may still change."""
        return bool(self._tentative)

    @property
    def is_pending(self) -> bool:
        """True while more source text is expected."""
        return self.is_open or self.is_tentative or bool(self._ended_at)

    @property
    def unsettled(self) -> frozenset[str]:
        """Utterances of which more source text is expected, or was."""
        return frozenset(self._ended_at) | ({self._open_id} if self._open_id is not None else frozenset())

    @property
    def awaits_answer(self) -> bool:
        """True while nothing was said about the utterance that ended last."""
        return not self.is_open and self._latest_id in self._silent

    def spoke(self, utterance_id: str) -> None:
        """Audio of the utterance was sent."""
        if utterance_id != self._open_id:
            self._open_id = utterance_id
            self._silent.add(utterance_id)

    def ended(self, utterance_id: str, now: float) -> None:
        """The last audio of the utterance was sent."""
        self._open_id = None
        self._latest_id = utterance_id
        self._ended_at[utterance_id] = now

    def resumed(self, now: float) -> None:
        """A new connection is up: what the outage held back may still come, so the waiting begins anew."""
        self._ended_at = dict.fromkeys(self._ended_at, now)

    def source_text(self, concluded: Iterable[str | None], tentative: Iterable[str | None], now: float) -> None:
        """Source text came; the arguments are the utterances of its segments."""
        self._tentative = frozenset(tentative)
        named = {each for each in (*concluded, *self._tentative) if each is not None}
        self._silent -= named
        self._touched_at.update(dict.fromkeys(named & {*self._ended_at, self._open_id}, now))

    def next_settled(self) -> tuple[float, str] | None:
        """When which utterance is settled next, if nothing comes in between; None when none is about to be."""
        if None in self._tentative:
            return None
        waiting = [(self._quiet_at(each), each) for each in self._ended_at if each not in self._tentative]
        return min(waiting, default=None)

    def settle(self, utterance_id: str) -> None:
        """The utterance was reported as settled."""
        del self._ended_at[utterance_id]
        self._silent.discard(utterance_id)
        self._touched_at.pop(utterance_id, None)

    def conclude(self) -> tuple[str, ...]:
        """The service says no more source text comes: the utterances of which none is left tentative."""
        return tuple(each for each in self._ended_at if each not in self._tentative and None not in self._tentative)

    def _quiet_at(self, utterance_id: str) -> float:
        ended_at = self._ended_at[utterance_id]
        if utterance_id in self._silent:
            return ended_at + ANSWER_S
        return max(ended_at, self._touched_at.get(utterance_id, ended_at)) + self._quiet_s
