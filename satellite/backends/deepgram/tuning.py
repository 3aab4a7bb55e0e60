"""Tuning: settings changed while a connection is open (Flux reference §3.2).

One `Configure` is under way at a time; what is asked for meanwhile is put together for the next one. What no message
can change here and now applies with the next session, for which this one makes room in a pause.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from satellite.backends.base import SessionState
from satellite.backends.deepgram.actions import CONFIGURE, OFF, Configure, changed
from satellite.backends.deepgram.languages import ENGLISH_MODEL
from satellite.backends.deepgram.manners import Manners
from satellite.backends.deepgram.messages import configure
from satellite.backends.lifecycle import Lifecycle
from satellite.core.events import ActionAnswered

ANSWER_S = 5.0
LATER = {"applies": "with the next session"}
NOW = {"applies": "now"}


@dataclass(slots=True)
class _Request:
    """What a user asked for, and the answer as soon as there is one."""

    changes: Configure
    is_sent: bool = False
    answer: ActionAnswered | None = None


class Tuning:
    """The settings in force, and their changes."""

    def __init__(self, life: Lifecycle, manners: Manners, settings: Configure, model: str) -> None:
        self._life = life
        self._manners = manners
        self._model = model
        self._requests: deque[_Request] = deque()
        self.settings = settings
        """What the service was told and has not refused."""
        self.deadline: float | None = None
        """When no answer comes any more; None while none is waited for."""
        self.wants_renewal = False
        """True when something waits for the next session."""

    def ask(self, changes: Configure) -> None:
        """A user wants settings changed; answers come in the order of the questions: nothing else tells them apart."""
        request = _Request(changes)
        self._requests.append(request)
        if (reason := self._objection(changes)) is not None:
            request.answer = ActionAnswered(CONFIGURE, reason=reason)
        elif self._is_for_later(changes):
            self._postpone(request)
        self._flush()

    def pump(self, now: float) -> None:
        """Send what was asked for, as one message."""
        if self.deadline is not None or self._life.state is not SessionState.STREAMING:
            return
        waiting = [request for request in self._requests if request.answer is None]
        if not waiting:
            return
        changes = self._changed(Configure(), waiting)
        for request in waiting:
            request.is_sent = True
        self._life.act(configure(self._members(changes)))
        self.deadline = now + ANSWER_S

    def confirmed(self) -> bool:
        """ConfigureSuccess came; False when nobody had asked."""
        sent = self._under_way()
        self.settings = self._changed(self.settings, sent)
        return self._settled(sent, ActionAnswered(CONFIGURE, NOW))

    def refused(self, said: str) -> bool:
        """ConfigureFailure came: nothing was changed; False when nobody had asked."""
        reason = f"the service refused it{': ' if said else ''}{said}"
        return self._settled(self._under_way(), ActionAnswered(CONFIGURE, reason=reason))

    def misunderstood(self) -> bool:
        """The service did not understand a message: True when it can only have been this one."""
        if self.deadline is None:
            return False
        self._manners.configures = False
        self._give_up()
        return True

    def deadline_reached(self, now: float) -> None:
        """Wait no longer: a later answer could not be told from one to a later question."""
        if self.deadline is not None and now >= self.deadline:
            self._give_up()

    def _give_up(self) -> None:
        self.deadline = None
        for request in self._requests:
            if request.answer is None:
                self._postpone(request)
        self._flush()

    def _objection(self, changes: Configure) -> str | None:
        """Why the service would refuse it."""
        if changes.language_hints and self._model == ENGLISH_MODEL:
            return f"{ENGLISH_MODEL} takes no language hints"
        wanted = self._changed(self.settings, [*self._requests])
        eager, eot = wanted.eager_eot_threshold or OFF, wanted.eot_threshold or OFF
        if eager > eot:
            return f"eager_eot_threshold, {eager:g}, would be above eot_threshold, {eot:g}"
        return None

    def _is_for_later(self, changes: Configure) -> bool:
        """No message switches guesses off, and some deployments take none at all."""
        switches_off = changes.eager_eot_threshold == OFF and bool(self.settings.eager_eot_threshold)
        is_open = self._life.state is not SessionState.ENDING
        return switches_off or self.wants_renewal or not self._manners.configures or not is_open

    def _postpone(self, request: _Request) -> None:
        request.answer = ActionAnswered(CONFIGURE, LATER)
        self.wants_renewal = True

    def _under_way(self) -> list[_Request]:
        return [request for request in self._requests if request.is_sent and request.answer is None]

    def _settled(self, sent: list[_Request], answer: ActionAnswered) -> bool:
        self.deadline = None
        for request in sent:
            request.answer = answer
        self._flush()
        return bool(sent)

    def _flush(self) -> None:
        while self._requests and (answer := self._requests[0].answer) is not None:
            self._requests.popleft()
            self._life.report(answer)

    @staticmethod
    def _changed(settings: Configure, requests: list[_Request]) -> Configure:
        """Settings after these requests, those that were refused left out."""
        for request in requests:
            if request.answer is None or request.answer.reason is None:
                settings = changed(settings, request.changes)
        return settings

    def _members(self, changes: Configure) -> Mapping[str, Any]:
        """The members of the message. Of two thresholds that are checked against each other both go (§3.2)."""
        members: dict[str, Any] = {}
        thresholds: dict[str, Any] = {}
        if changes.eot_threshold is not None or changes.eager_eot_threshold:
            thresholds["eot_threshold"] = changes.eot_threshold or self.settings.eot_threshold
            if eager := changes.eager_eot_threshold or self.settings.eager_eot_threshold:
                thresholds["eager_eot_threshold"] = eager
        if changes.eot_timeout_ms is not None:
            thresholds["eot_timeout_ms"] = changes.eot_timeout_ms
        if thresholds:
            members["thresholds"] = thresholds
        if changes.keyterms is not None:
            members["keyterms"] = list(changes.keyterms)
        if changes.language_hints is not None:
            members["language_hints"] = list(changes.language_hints)
        if changes.numerals is not None:
            members["numerals"] = changes.numerals
        return members
