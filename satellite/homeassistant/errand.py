"""Errand: one command on its way to satellites, and what came of it, judged by what they publish."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from satellite.homeassistant.commands import printable
from satellite.homeassistant.fleet import SATELLITES_MAX
from satellite.homeassistant.messages import Message
from satellite.homeassistant.order import Order, RefusalNote, SettingsNote
from satellite.homeassistant.reports import MESSAGE_CHARACTERS_MAX, UnreadableError, decoded
from satellite.homeassistant.topics import EVERYBODY, OFFLINE, ONLINE, Topics, is_id

REFUSED_WITHIN_S = 1.5
"""A command that nothing shows counts as told when nobody has refused it for so long."""

Word = Literal["done", "unchanged", "answered", "told", "refused", "forbidden", "offline", "unknown", "unanswered"]
GOOD: frozenset[Word] = frozenset({"done", "unchanged", "answered", "told"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command at one satellite; `reason`, fit to be shown, when that is not good."""

    word: Word
    reason: str | None = None
    answer: Mapping[str, object] | None = None
    """What the voice service answered, in words of others."""

    @property
    def is_good(self) -> bool:
        """Whether it was carried out, as far as that can be seen."""
        return self.word in GOOD

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {"outcome": self.word, "reason": self.reason, "answer": self.answer}


NOT_TOLD = Outcome("offline", "it was not told")
GONE = Outcome("offline", "it went before anything came of it")
UNKNOWN = Outcome("unknown", "nothing here says that it is online: is that its id, and may this login read there?")
UNANSWERED = Outcome("unanswered", "nothing came of it in time")


class _Answer(msgspec.Struct, frozen=True):
    """Of `backend/<action>/result`."""

    ok: bool
    reason: str | None = None
    result: dict[str, object] = msgspec.field(default_factory=dict)


@dataclass(slots=True)
class _Addressee:
    """One satellite: what it said before, and what it made of the command."""

    is_online: bool | None = None
    was_told: bool = False
    held_before: bool | None = None
    """Its settings were so already; None: it has not said."""
    outcome: Outcome | None = None


@dataclass(slots=True)
class Errand:
    """Fed with what the broker delivers; `ids` are the satellites it is for, none: all."""

    base: str
    order: Order
    ids: Sequence[str] = ()
    _is_sent: bool = False
    _addressees: dict[str, _Addressee] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Those that are named have their places, in this order."""
        self._addressees.update((satellite_id, _Addressee()) for satellite_id in self.ids)

    # --- before ------------------------------------------------------------------------------------------------------

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to, one after the other."""
        names = ["command_error", *filter(None, (self.order.answer_name,))]
        names += ["settings"] * self.order.is_setting
        return tuple(f"{self.base}/{one}/{name}" for name in (*names, "availability") for one in self.ids or ("+",))

    @property
    def is_prepared(self) -> bool:
        """All that has to be known before is known."""
        return bool(self.ids) and all(
            one.is_online is False or (one.is_online and (one.held_before is not None or not self.order.is_setting))
            for one in self._addressees.values()
        )

    def sent(self) -> dict[str, Message]:
        """The command goes out: what to publish, by the satellite it is for, or EVERYBODY."""
        self._is_sent = True
        for one in self._addressees.values():
            one.was_told = one.is_online is True
        told = [satellite_id for satellite_id in self.ids if self._addressees[satellite_id].was_told]
        return {
            one: Message(Topics(self.base, one).command(self.order.name), self.order.payload)
            for one in (told if self.ids else (EVERYBODY,))
        }

    def forbidden(self, satellite_id: str, reason: str) -> None:
        """The broker does not let us tell it."""
        self._addressees[satellite_id].outcome = Outcome("forbidden", reason)

    # --- afterwards --------------------------------------------------------------------------------------------------

    def hear(self, topic: str, payload: bytes, *, is_live: bool) -> None:
        """One message; `is_live` unless it was retained before we subscribed."""
        satellite_id, _, name = topic.removeprefix(f"{self.base}/").partition("/")
        one = self._addressees.get(satellite_id) or self._discovered(satellite_id, payload)
        if one is None:
            return
        try:
            self._hear(one, name, payload, is_news=is_live and self._is_sent)
        except UnreadableError:
            return

    def _discovered(self, satellite_id: str, payload: bytes) -> _Addressee | None:
        """A place for one that was not heard of yet; None when it gets none."""
        if self.ids or not payload or not is_id(satellite_id) or len(self._addressees) >= SATELLITES_MAX:
            return None
        return self._addressees.setdefault(satellite_id, _Addressee())

    def _hear(self, one: _Addressee, name: str, payload: bytes, *, is_news: bool) -> None:
        """Raises UnreadableError."""
        if name == "availability":
            one.is_online = {ONLINE: True, OFFLINE: False}.get(payload)
        elif name == "settings":
            self._hear_settings(one, decoded(payload, SettingsNote), is_news=is_news)
        elif is_news and one.outcome is None:
            one.outcome = self._refusal(payload) if name == "command_error" else _answered(payload)

    def _hear_settings(self, one: _Addressee, note: SettingsNote, *, is_news: bool) -> None:
        holds = self.order.holds_in(note)
        if not is_news:
            one.held_before = holds
        elif holds and one.outcome is None:
            one.outcome = Outcome("unchanged" if one.held_before else "done")

    def _refusal(self, payload: bytes) -> Outcome | None:
        """Raises UnreadableError."""
        note = decoded(payload, RefusalNote)
        return _refused(note.reason) if self.order.is_refused_by(note) else None

    # --- in the end --------------------------------------------------------------------------------------------------

    def patience_s(self, within_s: float) -> float:
        """How long to wait for what comes of it."""
        return within_s if self.order.is_seen else min(within_s, REFUSED_WITHIN_S)

    def is_settled(self) -> bool:
        """Nothing more is waited for."""
        told = [one for one in self._addressees.values() if one.was_told]
        return bool(told or self.ids) and all(one.outcome is not None for one in told)

    def outcomes(self) -> dict[str, Outcome]:
        """By id; those that were named in their order, else by the alphabet."""
        ids = self.ids or sorted(self._addressees)
        return {satellite_id: self._outcome(self._addressees[satellite_id]) for satellite_id in ids}

    def _outcome(self, one: _Addressee) -> Outcome:
        if one.outcome is not None:
            return one.outcome
        if not one.was_told:
            return UNKNOWN if one.is_online is None else NOT_TOLD
        if not self.order.is_seen:
            return Outcome("told")
        return UNANSWERED if one.is_online else GONE


def _answered(payload: bytes) -> Outcome:
    """Raises UnreadableError."""
    answer = decoded(payload, _Answer)
    return Outcome("answered", answer=answer.result) if answer.ok else _refused(answer.reason or "it was not done")


def _refused(reason: str) -> Outcome:
    return Outcome("refused", printable(reason, MESSAGE_CHARACTERS_MAX))
