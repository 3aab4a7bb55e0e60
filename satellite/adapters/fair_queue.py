"""FairQueue: messages that arrived and wait to be handled; of a flood on one topic the oldest go, others are kept."""

import asyncio
from collections import Counter, deque

import aiomqtt


class FairQueue(asyncio.Queue[aiomqtt.Message]):
    """When it is full, the topic with the most messages in it loses its oldest; a full queue never refuses."""

    def _init(self, maxsize: int) -> None:
        self.dropped = 0
        self._room = maxsize
        self._messages: deque[aiomqtt.Message] = deque()

    def qsize(self) -> int:
        """How many wait."""
        return len(self._messages)

    def full(self) -> bool:
        """There is always room."""
        return False

    def empty(self) -> bool:
        """True when none waits."""
        return not self._messages

    def _get(self) -> aiomqtt.Message:
        return self._messages.popleft()

    def _put(self, item: aiomqtt.Message) -> None:
        if len(self._messages) >= self._room:
            self._shed()
        self._messages.append(item)

    def _shed(self) -> None:
        crowded = Counter(message.topic.value for message in self._messages).most_common(1)[0][0]
        at = next(at for at, message in enumerate(self._messages) if message.topic.value == crowded)
        del self._messages[at]
        self.dropped += 1
