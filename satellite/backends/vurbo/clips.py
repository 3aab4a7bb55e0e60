"""Clips: pieces of speech on their way to the loudspeaker, each whole in itself (reference §8)."""

from collections.abc import Mapping
from typing import Any

from satellite.backends.vurbo.messages import sid_of
from satellite.backends.vurbo.sentences import Sentences
from satellite.backends.vurbo.speech import audio_of, language_of, name_of_unknown, sniff
from satellite.backends.vurbo.talk import Talk
from satellite.core.events import SpeechChunk


class Clips:
    """Turns `tts_ready` into speech; a form that cannot be played is told once, and text goes on."""

    def __init__(self, talk: Talk, sentences: Sentences) -> None:
        self._talk = talk
        self._sentences = sentences
        self._has_told = False

    def take(self, data: Mapping[str, Any]) -> bool:
        """One clip; False when it is of no use."""
        named = language_of(data)
        language = None if named is None else self._talk.wishes.spelled(named)
        found = self._sentences.spoken(sid_of(data.get("sid")), language)
        # what is played again is not the speech that is waited for
        spoken_in, text = found or (language or self._talk.wishes.speech_language, "")
        if spoken_in is None or not self._talk.wishes.speaks(spoken_in):
            return False
        audio = audio_of(data)
        sound = None if audio is None else sniff(audio)
        if sound is None:
            self._tell(spoken_in, audio or b"", text)
            return False
        self._talk.life.report(SpeechChunk(spoken_in, sound.content_type, (), (sound.data,), sound.duration_ms, text))
        return True

    def _tell(self, language: str, audio: bytes, text: str) -> None:
        """Whoever plays speech finds no decoder for its type, and says so; the type is not tried again."""
        if not self._has_told:
            self._has_told = True
            self._talk.life.report(SpeechChunk(language, name_of_unknown(audio), (), (), 0, text))
