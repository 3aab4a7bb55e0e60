"""Sender: what goes out on an open stream, and when: beat, pauses, wishes of users, and the end (reference §10, §15).

While the task runs there is one piece of audio for each beat: what waits, else zeros, for a sentence is confirmed by
silence that is heard, and a task without audio is closed. After a while without speech the task is paused, which ends
its billing; with the next speech it is asked for again, and what is said meanwhile waits.

There is always one next step and the time it is due; `pump` takes all steps that are due.
"""

from satellite.backends.base import SessionState
from satellite.backends.outlet import Outlet
from satellite.backends.palabra.conversation import Conversation
from satellite.backends.palabra.inbox import Inbox
from satellite.backends.palabra.jobs import Jobs
from satellite.backends.palabra.pace import ROOM_BEAT_MS, SOCKET_BEAT_MS
from satellite.backends.palabra.steering import NEVER, Steering, Step, TaskState
from satellite.core.audio import RATE_HZ, AudioChunk, samples_of_ms
from satellite.core.backlog import UtteranceEnd
from satellite.core.events import UtteranceSent, UtteranceSettled

MISSED_BEATS = 2
"""Audio of an open utterance that is less than a beat is waited for this long; a stalled microphone gets zeros then."""
STALLED_S = 30.0
"""An open utterance without audio for this long is no reason to keep the session."""

_OPEN = (SessionState.CONNECTING, SessionState.STREAMING)


class Sender:
    """Decides what is sent when."""

    def __init__(self, shared: Conversation, outlet: Outlet, steering: Steering, inbox: Inbox, jobs: Jobs) -> None:
        self._shared = shared
        self._backlog = shared.setup.backlog
        self._outlet = outlet
        self._steering = steering
        self._inbox = inbox
        self._jobs = jobs
        self._beat_samples = samples_of_ms(ROOM_BEAT_MS if shared.options.transport == "webrtc" else SOCKET_BEAT_MS)
        self._is_finishing = False
        self._spoke_at = 0.0
        self._beat_at = 0.0

    @property
    def deadline(self) -> float | None:
        """When the next step is due; None when nothing can be sent."""
        due_at = self._next_step()[0] if self._shared.life.state in _OPEN else NEVER
        return None if due_at == NEVER else due_at

    def began(self, now: float) -> None:
        """The task runs: at first, or again."""
        self._spoke_at = self._beat_at = now

    def finish(self) -> None:
        """End the session as soon as the backlog is sent."""
        self._is_finishing = True

    def is_at_rest(self, now: float) -> bool:
        """True when nothing is waited for any more, nor waits."""
        return not self._backlog.samples and not self._shared.progress.is_pending and now >= self._inbox.expected_until

    def take_marks(self, now: float) -> None:
        """Pass the ends of utterances that no audio waits in front of."""
        while not self._backlog.samples and isinstance(mark := self._backlog.take(1), UtteranceEnd):
            self._pass(mark, now)

    def pump(self, now: float) -> None:
        """Take every step that is due."""
        while self._shared.life.state in _OPEN:
            self.take_marks(now)
            due_at, step = self._next_step()
            if due_at > now:
                return
            step(now)

    # --- what is next ------------------------------------------------------------------------------------------

    def _next_step(self) -> tuple[float, Step]:
        steps = [self._steering.next_step()]
        if self._shared.life.state is SessionState.STREAMING:
            steps += [self._settling_step(), self._ending_step()]
            if self._steering.state is TaskState.RUNNING:
                steps += [self._beat_step(), self._pause_step(), (self._jobs.ready_at, self._run_job)]
            elif self._steering.is_resting and (self._backlog.samples or self._jobs.wants_task):
                steps.append((0.0, self._steering.ask))
        return min(steps, key=lambda due: due[0])

    def _beat_step(self) -> tuple[float, Step]:
        is_whole = self._backlog.samples >= self._beat_samples or self._backlog.has_end or self._is_finishing
        missed_at = self._beat_at + MISSED_BEATS * self._beat_samples / RATE_HZ
        waits_for_more = not is_whole and (self._backlog.samples or self._shared.progress.is_open)
        return max(self._outlet.ready_at, missed_at if waits_for_more else 0.0), self._beat

    def _pause_step(self) -> tuple[float, Step]:
        pause_after_s = self._shared.options.pause_after_s
        is_busy = self._backlog.samples or self._shared.progress.is_pending or not self._jobs.is_idle
        if pause_after_s is None or is_busy or self._inbox.is_tentative or not self._steering.may_pause:
            return NEVER, self._steering.pause
        at = max(self._spoke_at + pause_after_s, self._inbox.expected_until)
        return max(at, self._shared.commands.ready_at("pause_task")), self._steering.pause

    def _ending_step(self) -> tuple[float, Step]:
        if self._is_finishing and not self._backlog.samples:
            at, reason = 0.0, "finished"
        else:
            idle_s = self._shared.setup.idle_close_s
            patience_s = max(idle_s, STALLED_S) if self._shared.progress.is_open else idle_s
            at, reason = (NEVER if self._backlog.samples else self._spoke_at + patience_s), "idle"
        return max(at, self._shared.commands.ready_at("end_task")), lambda now: self._end(reason, now)

    def _settling_step(self) -> tuple[float, Step]:
        due = self._shared.progress.next_settled()
        if due is None:
            return NEVER, self._beat
        at, utterance_id = due
        return at, lambda _: self._settle(utterance_id)

    # --- steps -------------------------------------------------------------------------------------------------

    def _beat(self, now: float) -> None:
        """One piece: audio that waits, and zeros for what is missing of it."""
        chunks: list[AudioChunk] = []
        left = self._beat_samples
        while left and (piece := self._backlog.take(left)) is not None:
            if isinstance(piece, UtteranceEnd):
                self._pass(piece, now)
                continue
            self._shared.progress.spoke(piece.utterance_id)
            self._spoke_at = now
            chunks.append(piece)
            left -= piece.samples
        self._beat_at = now
        self._outlet.beat(chunks, self._beat_samples, now)

    def _run_job(self, now: float) -> None:
        self._spoke_at = now
        if self._jobs.step(now):
            self._inbox.cancel(now)

    def _pass(self, mark: UtteranceEnd, now: float) -> None:
        self._shared.progress.ended(mark.utterance_id, now)
        self._shared.life.report(UtteranceSent(mark.utterance_id))

    def _settle(self, utterance_id: str) -> None:
        self._shared.progress.settle(utterance_id)
        self._shared.life.report(UtteranceSettled(utterance_id))

    def _end(self, reason: str, now: float) -> None:
        """With a tail to come the service is given the time for it; without one it is over at once."""
        self._jobs.over("the session ends")
        is_done = self._steering.is_resting and self.is_at_rest(now)
        data = {"force": True} if is_done else {"eos_timeout": self._shared.options.eos_timeout_s}
        self._outlet.end(self._shared.commands.take("end_task", data, now), now)
        if is_done:
            self._shared.life.end(reason, expected=True)
        else:
            self._shared.life.move(SessionState.ENDING)
            self._shared.ending.begin(reason, now)
