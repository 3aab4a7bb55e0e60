"""Languages and turns of a running session: what is switched, and who speaks (Vurbo reference §3B.3, §3B.6)."""

from collections.abc import Iterator, Mapping
from typing import Any

from satellite.emulator.vurbo.control import Answer, Handler
from satellite.emulator.vurbo.schema import Refusal, is_code
from satellite.emulator.vurbo.script import Data, Script
from satellite.emulator.vurbo.service import Session
from satellite.emulator.vurbo.texts import status_text


class Turns:
    """Carries out the commands about languages and turns."""

    def __init__(self, session: Session, script: Script, *, is_chinese: bool) -> None:
        self._course = session.course
        self._script = script
        self._is_chinese = is_chinese
        self._active = session.course.sources[0]
        self._handlers: Mapping[str, Handler] = {
            "start_speaking": self._start_speaking,
            "set_speaker_language": self._set_speaker_language,
            "switch_conversation_mode": self._switch_conversation_mode,
        }

    def handles(self, action: str) -> bool:
        """True for a command of this class that is answered at once."""
        return action in self._handlers

    def answer(self, action: str, data: Mapping[str, Any]) -> Answer:
        """Carry it out."""
        return self._handlers[action](data)

    def switch_language(self, data: Mapping[str, Any]) -> Answer:
        """Another target, and all that was translated anew; in a conversation a preference and nothing else."""
        if self._course.kind == "conversation":
            return self._switch_active(data.get("transcription_languages"))
        codes = data.get("translation_languages")
        if isinstance(codes, str):
            return Refusal("switch_language_no_target", "no array", "scalar_for_array")
        if not codes or not isinstance(codes, list) or not all(map(is_code, codes)):
            return Refusal("switch_language_no_target", "no language")
        if codes == self._course.targets:
            return Refusal("switch_language_same_target", "translated to that already")
        self._course.targets = list(codes)
        if self._course.speech_language is not None:
            self._course.speech_language = codes[0]
        return self._translated_anew(codes)

    def _translated_anew(self, codes: list[str]) -> Answer:
        finished = [each for each in self._script.sentences if each.is_final]
        name = codes[0]
        events: list[Data] = [
            {
                "action": "language_switch_start",
                "translation_language": name,
                "total_segments": len(finished),
                "message": "Started switching language and retranslating",
            }
        ]
        for sentence in finished:
            translations: Data = {}
            for code in codes:
                sentence.translations[code] = sentence.translated(code)
                translations |= self._script.translation(sentence, code, again=True)
            events.append({"action": "batch_retranslation", "sid": sentence.number, "translations": translations})
        events.append(
            {
                "action": "language_switch_done",
                "translation_language": name,
                "success_count": len(finished),
                "failed_count": 0,
                "message": "Language switch complete",
            }
        )
        return events

    def _switch_active(self, codes: object) -> Answer:
        sources = self._course.sources
        if codes is None:
            self._active = next(code for code in sources if code != self._active)
        elif not isinstance(codes, list) or not codes:
            return Refusal("switch_language_no_target", "no language", "scalar_for_array" if codes else None)
        elif codes[0] not in sources:
            return Refusal("conversation_invalid_language", f"{codes[0]!r:.20} is none of the two")
        elif codes[0] == self._active:
            return Refusal("conversation_same_language", "preferred already")
        else:
            self._active = codes[0]
        return [{"action": "language_switched", "language": self._active}]

    def _set_speaker_language(self, data: Mapping[str, Any]) -> Answer:
        """One of the two people speaks another language."""
        number, code, course = data.get("speaker"), data.get("language"), self._course
        refusal = next(self._speaker_faults(number, code), None)
        if refusal is not None:
            return refusal
        self._active = str(code) if self._active == course.speakers[data["speaker"]] else self._active
        course.speakers[data["speaker"]] = str(code)
        course.sources = [course.speakers[1], course.speakers[2]]
        languages = {str(each): language for each, language in sorted(course.speakers.items())}
        return [{"action": "speaker_language_changed", "speaker_language_map": languages}]

    def _speaker_faults(self, number: object, code: object) -> Iterator[Refusal]:
        course = self._course
        if course.kind != "conversation":
            yield Refusal("invalid_action", "not a conversation")
        elif not isinstance(number, int) or number not in (1, 2):
            yield Refusal("conversation_invalid_speaker", f"{number!r:.20}")
        elif not is_code(code):
            yield Refusal("conversation_invalid_language", f"{code!r:.20}")
        elif course.speaking is not None:
            yield Refusal("conversation_speaking", "somebody is speaking")
        elif course.speakers[number] == code:
            yield Refusal("conversation_same_language", "spoken already")
        elif course.speakers[3 - number] == code:
            yield Refusal("conversation_language_same_as_peer", "the other one speaks it")

    def _start_speaking(self, data: Mapping[str, Any]) -> Answer:
        """An interval begins."""
        course, number = self._course, data.get("speaker")
        if course.kind != "conversation":
            return Refusal("invalid_action", "not a conversation")
        if course.mode != "manual":
            return Refusal("conversation_not_manual_mode", "automatic")
        if number not in (1, 2):
            return Refusal("conversation_invalid_speaker", f"{number!r:.20}")
        if course.speaking is not None:
            return Refusal("conversation_speaking", "somebody is speaking")
        course.speaking = number
        return [{"action": "status", "message": status_text("start_speaking", is_chinese=self._is_chinese)}]

    def _switch_conversation_mode(self, data: Mapping[str, Any]) -> Answer:
        """By itself, or by button; speech that goes on is over."""
        if self._course.kind != "conversation":
            return Refusal("invalid_action", "not a conversation")
        if data.get("conversation_mode") not in ("auto", "manual"):
            return Refusal("conversation_invalid_mode", "auto or manual")
        events: list[Data] = []
        if self._course.speaking is not None:
            ended = self._script.end_speech()
            events += [] if ended is None else [ended[1]]
        self._course.speaking = None
        self._course.mode = data["conversation_mode"]
        return [*events, {"action": "conversation_mode_changed", "conversation_mode": self._course.mode}]

    def stop_speaking_refusal(self) -> Refusal | None:
        """Why an interval cannot end."""
        if self._course.kind != "conversation":
            return Refusal("invalid_action", "not a conversation")
        return None if self._course.speaking is not None else Refusal("conversation_not_speaking", "nobody speaks")
