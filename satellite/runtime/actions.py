"""Actions: what users ask of the voice session while it runs, on the way to it, and the answers on the way back."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from satellite.backends.base import RuntimeAction
from satellite.core.events import ActionAnswered
from satellite.core.section import Section

UNANSWERED_MAX = 16
"""Of one action; more are refused."""
NO_SESSION = "no session with the voice service is open; one opens when somebody speaks"


class ActionReport(Protocol):
    """Who publishes the answers."""

    def action_result(self, action: str, reason: str | None, result: Mapping[str, object]) -> None:
        """An action was carried out; or not, for a reason."""


@dataclass(frozen=True, slots=True)
class ActionPorts:
    """What actions pass through."""

    declared: Mapping[str, RuntimeAction]
    """What the backend can be asked for."""
    read: Callable[[type[Section], Mapping[str, object]], Section | str]
    """The arguments as the action wants them, or what is wrong with them."""
    run: Callable[[str, Section], bool]
    """Ask the present session; False when none is open."""
    report: ActionReport


class Actions:
    """Asks, and sees to it that everything asked for is answered once."""

    def __init__(self, ports: ActionPorts) -> None:
        self._ports = ports
        self._unanswered: dict[str, deque[Section]] = {name: deque() for name in ports.declared}
        self.standing: dict[str, Section] = {}
        """By name, what every session from now on begins with; see RuntimeAction.part."""

    def request(self, action: str, arguments: Mapping[str, object]) -> str | None:
        """Ask for it; why that is not possible, or None. A refusal is published as the answer, too."""
        reason = self._request(action, arguments)
        if reason is not None:
            self._ports.report.action_result(action, reason, {})
        return reason

    def answered(self, answer: ActionAnswered) -> None:
        """The session said what became of the oldest request for this action."""
        waiting = self._unanswered.get(answer.action)
        arguments = waiting.popleft() if waiting else None
        if arguments is not None and answer.reason is None:
            self._remember(answer.action, arguments)
        self._ports.report.action_result(answer.action, answer.reason, answer.result)

    def session_over(self) -> None:
        """Nothing more is answered by the session that was."""
        for action, waiting in self._unanswered.items():
            while waiting:
                waiting.popleft()
                self._ports.report.action_result(action, "the session ended before it answered", {})

    def _request(self, action: str, arguments: Mapping[str, object]) -> str | None:
        declared = self._ports.declared.get(action)
        if declared is None:
            return _unknown(action, self._ports.declared)
        read = self._ports.read(declared.arguments, arguments)
        if isinstance(read, str):
            return read
        if len(self._unanswered[action]) >= UNANSWERED_MAX:
            return f"{UNANSWERED_MAX} requests for {action} wait for an answer"
        # before it is asked for: a session may answer at once
        self._unanswered[action].append(read)
        if self._ports.run(action, read):
            return None
        self._unanswered[action].pop()
        if not declared.outlasts_session:
            return NO_SESSION
        self._remember(action, read)
        self._ports.report.action_result(action, None, {"applies": "with the next session"})
        return None

    def languages_changed(self) -> None:
        """The user asks for other languages: what was asked for with the ones before is void."""
        for name in list(self.standing):
            if self._ports.declared[name.partition("/")[0]].follows_languages:
                del self.standing[name]

    def _remember(self, action: str, arguments: Section) -> None:
        """What was left out stays as it was asked for before."""
        declared = self._ports.declared[action]
        if not declared.outlasts_session:
            return
        name = action if declared.part is None else f"{action}/{getattr(arguments, declared.part)}"
        if (earlier := self.standing.get(name)) is not None:
            left_out = [field for field in arguments.__struct_fields__ if getattr(arguments, field) is None]
            arguments = msgspec.structs.replace(arguments, **{field: getattr(earlier, field) for field in left_out})
        self.standing[name] = arguments


def _unknown(action: str, declared: Mapping[str, RuntimeAction]) -> str:
    there = f"; there are {', '.join(sorted(declared))}" if declared else ""
    return f"this backend has no action {action}{there}"
