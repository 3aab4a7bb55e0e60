"""Hearing: audio and control messages of one connection, understood in the order in which they came (§3.3)."""

import asyncio
import functools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from satellite.core.audio import ms_of_samples
from satellite.emulator.deepgram.script import Event, Script
from satellite.emulator.pcm import WIDTH
from satellite.emulator.recogniser import Heard, Recogniser, Resent


@dataclass(frozen=True, slots=True)
class _Audio:
    pcm: bytes
    at_s: float


Order = Callable[[], list[Event]]
"""A control message: what is to be sent for it."""


class Hearing:
    """A queue of what came, so that arrivals are timed undisturbed, and of what is to be sent, which takes a while."""

    def __init__(self, recogniser: Recogniser, script: Script, latency_s: float) -> None:
        self._recogniser = recogniser
        self._script = script
        self._latency_s = latency_s
        self._waiting: deque[_Audio | Order] = deque()
        self._has_come = asyncio.Event()
        self._samples = 0
        self._outbox: deque[tuple[float, Event | None]] = deque()
        self._has_outgoing = asyncio.Event()

    @property
    def stream_ms(self) -> float:
        """Length of the stream so far."""
        return ms_of_samples(self._samples)

    def listen(self, pcm: bytes, at_s: float) -> None:
        """Queue audio."""
        self._waiting.append(_Audio(pcm, at_s))
        self._has_come.set()

    def order(self, order: Order) -> None:
        """Queue a control message."""
        self._waiting.append(order)
        self._has_come.set()

    def conclude(self) -> list[Event]:
        """`CloseStream`: what is still decoded, no end of a turn, and then the end."""
        self.say(self._script.finish(self._recogniser.finish().words), is_last=True)
        return []

    async def understand(self) -> list[Resent]:
        """Take the next; returns what of it had been sent before."""
        while not self._waiting:
            self._has_come.clear()
            await self._has_come.wait()
        item = self._waiting.popleft()
        if not isinstance(item, _Audio):
            self.say(item())
            return []
        call = functools.partial(self._recogniser.push, item.pcm, item.at_s)
        heard: Heard = await asyncio.to_thread(call) if self._recogniser.is_slow else call()
        self._samples += len(item.pcm) // WIDTH
        self.say(self._script.audio(heard.words, self.stream_ms, is_mid_word=heard.is_mid_word))
        return heard.resent

    def say(self, events: list[Event], *, is_last: bool = False) -> None:
        """Have these sent after the usual while; after the last the connection ends."""
        due_s = asyncio.get_running_loop().time() + self._latency_s
        self._outbox.extend((due_s, event) for event in events)
        if is_last:
            self._outbox.append((due_s, None))
        self._has_outgoing.set()

    async def next_message(self) -> Event | None:
        """The next message when it is due, None for the end."""
        while not self._outbox:
            self._has_outgoing.clear()
            await self._has_outgoing.wait()
        due_s, event = self._outbox.popleft()
        await asyncio.sleep(due_s - asyncio.get_running_loop().time())
        return event
