"""SpeechCursor: which utterance a piece of synthesised speech belongs to, for one language.

Speech repeats the concluded target text, in order and complete (DeepL voice reference §16), so text concluded and
text spoken are two cursors over one line of characters; blanks do not count, as they move at the seams.
"""

from collections import deque
from dataclasses import dataclass

MAX_PASSAGES = 256
"""Concluded passages that may wait for their speech; the oldest are given up first."""


@dataclass(slots=True)
class _Passage:
    utterance_id: str
    text: str


class SpeechCursor:
    """Concluded text that waits to be spoken, and whose it is."""

    def __init__(self) -> None:
        self._waiting: deque[_Passage] = deque(maxlen=MAX_PASSAGES)
        self._ahead_chars = 0
        self.owner: str | None = None
        """Utterance of the latest speech: what follows without a text of its own belongs to it."""

    def concluded(self, utterance_id: str, text: str) -> None:
        """Target text of an utterance that is going to be spoken, unless it was spoken ahead of this."""
        passage = _without_blanks(text)
        spoken_chars = min(self._ahead_chars, len(passage))
        self._ahead_chars -= spoken_chars
        if passage[spoken_chars:]:
            self._waiting.append(_Passage(utterance_id, passage[spoken_chars:]))

    def spoken(self, text: str) -> str | None:
        """The utterance this speech begins in, None when its text has not been concluded yet.

        Speech that does not match the next passage but a later one means that speech in between never came; when it
        matches none, lengths decide.
        """
        speech = _without_blanks(text)
        self._skip_to(speech)
        utterance_id = self._waiting[0].utterance_id if self._waiting else None
        self._ahead_chars += self._consume(len(speech))
        return utterance_id

    def owes(self, utterance_id: str) -> bool:
        """True while concluded text of this utterance has not been spoken."""
        return any(passage.utterance_id == utterance_id for passage in self._waiting)

    # --- inside ------------------------------------------------------------------------------------------------

    def _skip_to(self, speech: str) -> None:
        passages = [passage.text for passage in self._waiting]
        for index in range(len(passages)):
            following = "".join(passages[index:])
            if following.startswith(speech) or speech.startswith(following):
                for _ in range(index):
                    self._waiting.popleft()
                return

    def _consume(self, chars: int) -> int:
        """Take spoken characters off the waiting text; returns how many went beyond it."""
        while chars and self._waiting:
            passage = self._waiting[0]
            taken = min(chars, len(passage.text))
            passage.text = passage.text[taken:]
            chars -= taken
            if not passage.text:
                self._waiting.popleft()
        return chars


def _without_blanks(text: str) -> str:
    return "".join(text.split())
