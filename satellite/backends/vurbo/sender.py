"""Sender: what goes out on an open session, and when: audio, tail, and the end (reference §3A.2, §3A.3, §3B.2, §3B.6).

There is always one next step and the time it is due; `pump` takes all steps that are due.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from satellite.backends.base import SessionState
from satellite.backends.outlet import SILENCE_SAMPLES, Outlet
from satellite.backends.vurbo.commands import Command
from satellite.backends.vurbo.deeds import Deeds
from satellite.backends.vurbo.pace import CATCH_UP_CHUNK_S, CHUNK_S
from satellite.backends.vurbo.sentences import Sentences
from satellite.backends.vurbo.speaking import Speaking
from satellite.backends.vurbo.talk import Talk
from satellite.backends.vurbo.timers import Timers
from satellite.core.audio import AudioChunk, samples_of_ms
from satellite.core.backlog import UtteranceEnd
from satellite.core.events import UtteranceSent, UtteranceSettled

MAX_TAIL_S = 1.5
STUCK_S = 10.0
"""Text that stays tentative for this long after the tail becomes final by the end of the session only."""

_CHUNK_SAMPLES = samples_of_ms(CHUNK_S * 1000)
_MAX_CHUNK_SAMPLES = samples_of_ms(CATCH_UP_CHUNK_S * 1000)
_MAX_TAIL_SAMPLES = samples_of_ms(MAX_TAIL_S * 1000)
_NEVER = float("inf")

Step = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Crew:
    """Those whom a sender has act."""

    outlet: Outlet
    timers: Timers
    speaking: Speaking
    deeds: Deeds
    sentences: Sentences


class Sender:
    """Decides what is sent when."""

    def __init__(self, talk: Talk, crew: Crew) -> None:
        self._talk = talk
        self._outlet = crew.outlet
        self._timers = crew.timers
        self._speaking = crew.speaking
        self._deeds = crew.deeds
        self._sentences = crew.sentences
        self._backlog = talk.setup.backlog
        self._is_finishing = False
        self._tail_samples = 0

    @property
    def deadline(self) -> float | None:
        """When the next step is due; None when nothing can be sent."""
        due_at = self._next_step()[0] if self._talk.life.state is SessionState.STREAMING else _NEVER
        return None if due_at == _NEVER else due_at

    def finish(self) -> None:
        """End the session as soon as the backlog is sent."""
        self._is_finishing = True

    def take_marks(self, now: float) -> None:
        """Pass the ends of utterances that no audio waits in front of."""
        while not self._backlog.samples and isinstance(mark := self._backlog.take(1), UtteranceEnd):
            self._pass(mark, now)

    def pump(self, now: float) -> None:
        """Take every step that is due."""
        while self._talk.life.state is SessionState.STREAMING:
            self.take_marks(now)
            due_at, step = self._next_step()
            if due_at > now:
                return
            step(now)

    # --- what is next ------------------------------------------------------------------------------------------

    def _next_step(self) -> tuple[float, Step]:
        progress, commander = self._talk.progress, self._talk.commander
        steps = [self._audio_step() if self._backlog.samples else self._rest_step(), self._settling_step()]
        if self._speaking.deadline is not None:
            steps.append((self._speaking.deadline, self._speaking.sent_all))
        if not commander.is_busy and not self._backlog.samples:
            is_over = self._is_finishing and self._speaking.is_closed
            idle_at = self._timers.idle_at(is_open=progress.is_open)
            steps.append(
                (self._outlet.ready_at, lambda now: self._end("finished", now))
                if is_over
                else (max(self._outlet.ready_at, idle_at), self._idle)
            )
        return min(steps, key=lambda due: due[0])

    def _audio_step(self) -> tuple[float, Step]:
        """What has to be done for the audio that waits."""
        if self._talk.commander.holds_audio:
            return _NEVER, self._send_audio
        if self._talk.counters.is_paused:
            return (0.0, self._deeds.pause_ends) if self._is_finishing else (self._paused_at(), self._idle)
        if not self._speaking.may_send:
            return (0.0, self._speaking.open) if self._speaking.is_closed else (_NEVER, self._speaking.open)
        is_enough = self._backlog.samples >= _CHUNK_SAMPLES or self._backlog.has_end or self._is_finishing
        return max(self._outlet.ready_at, 0.0 if is_enough else self._timers.gathered_at), self._send_audio

    def _paused_at(self) -> float:
        """A pause that nobody ends is over some day; what waits goes into the next session."""
        return _NEVER if self._talk.commander.is_busy else self._timers.idle_at(is_open=False)

    def _rest_step(self) -> tuple[float, Step]:
        """What is done where no audio waits: close an interval, or let the service hear that nobody speaks."""
        if self._speaking.deadline is not None:
            return 0.0, self._speaking.sent_all
        if self._is_finishing and not self._speaking.is_closed and self._talk.wishes.is_manual:
            is_open = not self._talk.commander.is_busy
            return (0.0, self._speaking.close) if is_open else (_NEVER, self._speaking.close)
        progress = self._talk.progress
        is_answered = not (progress.is_tentative or progress.awaits_answer)
        if self._talk.wishes.is_manual or progress.is_open or is_answered or self._is_held:
            return _NEVER, self._send_tail
        if self._tail_samples < _MAX_TAIL_SAMPLES:
            return max(self._outlet.ready_at, self._outlet.sounds_until), self._send_tail
        if not progress.is_tentative or self._talk.commander.is_busy:
            return _NEVER, self._send_tail
        stuck_at = max(self._outlet.sounds_until, self._sentences.heard_at) + STUCK_S
        return stuck_at, lambda now: self._end("concluded", now)

    @property
    def _is_held(self) -> bool:
        return self._talk.commander.holds_audio or self._talk.counters.is_paused

    def _settling_step(self) -> tuple[float, Step]:
        due = self._talk.progress.next_settled()
        if due is None:
            return _NEVER, self._send_tail
        at, utterance_id = due
        return at, lambda _: self._settle(utterance_id)

    # --- steps -------------------------------------------------------------------------------------------------

    def _send_audio(self, now: float) -> None:
        piece = self._backlog.take(_MAX_CHUNK_SAMPLES)
        if isinstance(piece, UtteranceEnd):
            self._pass(piece, now)
            return
        chunk = cast("AudioChunk", piece)  # audio waits, so there is a piece
        self._talk.progress.spoke(chunk.utterance_id)
        self._timers.spoke(now)
        self._tail_samples = 0
        self._outlet.audio(chunk, now)

    def _send_tail(self, now: float) -> None:
        self._tail_samples += SILENCE_SAMPLES
        self._outlet.silence(now)

    def _idle(self, now: float) -> None:
        if self._speaking.is_closed:
            self._end("idle", now)
        else:
            self._speaking.close(now)

    def _pass(self, mark: UtteranceEnd, now: float) -> None:
        self._talk.progress.ended(mark.utterance_id, now)
        self._talk.life.report(UtteranceSent(mark.utterance_id))
        self._speaking.close(now)

    def _settle(self, utterance_id: str) -> None:
        self._talk.progress.settle(utterance_id)
        self._talk.life.report(UtteranceSettled(utterance_id))

    def _end(self, reason: str, now: float) -> None:
        """End the session in order."""
        self._talk.life.move(SessionState.ENDING)
        self._talk.ending.begin(reason, now)
        self._talk.commander.insist(Command("stop", {}, lambda _outcome, _now: None), now)
