"""The control commands of a running session, each with its published answer and errors (Vurbo reference §3B, §3C)."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from satellite.emulator.vurbo.schema import NAME_CHARACTERS, Refusal, is_code, is_voice
from satellite.emulator.vurbo.script import Data, Script, Sentence
from satellite.emulator.vurbo.service import Session
from satellite.emulator.vurbo.texts import status_text

MAX_TERM_CHARACTERS = 100
MAX_TERMS = 500
MAX_DICTIONARY = 50
MAX_PLAYED = 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Answer = list[Data] | Refusal
"""Events in order, or the error."""
Handler = Callable[[Mapping[str, Any]], Answer]


class Control:
    """Carries out commands; `speak` is given sid and language of what is to be spoken."""

    def __init__(
        self, session: Session, script: Script, speak: Callable[[int, str], None], *, is_chinese: bool
    ) -> None:
        self._session = session
        self._course = session.course
        self._script = script
        self._speak = speak
        self._is_chinese = is_chinese
        people = People(script)
        self._handlers: Mapping[str, Handler] = {
            "config": self._config,
            "pause": self._pause,
            "resume": self._resume,
            "set_name": self._set_name,
            "tts_play": self._tts_play,
            "tts_stop": lambda _: self._status("tts_stop"),
            "tts_mode": self._tts_mode,
            "set_tts": self._set_tts,
            "retranslate": self._retranslate,
            "rename_speaker": people.rename,
            "reassign_speaker": people.reassign,
            "merge_speakers": people.merge,
            "broadcast_go_live": self._go_live,
            "broadcast_announcement": self._announce,
            "set_standby_message": self._stand_by,
        }

    def handles(self, action: str) -> bool:
        """True for a command of this class."""
        return action in self._handlers

    def answer(self, action: str, data: Mapping[str, Any]) -> Answer:
        """Carry it out."""
        return self._handlers[action](data)

    def _status(self, action: str) -> list[Data]:
        return [{"action": "status", "message": status_text(action, is_chinese=self._is_chinese)}]

    def _config(self, data: Mapping[str, Any]) -> Answer:
        return check_config(data) or [
            {
                "action": "config_updated",
                "updated": [name for name in ("terminology", "fuzzy_correction", "translation_dict") if name in data],
                "message": "Settings updated",
            }
        ]

    def _pause(self, _: Mapping[str, Any]) -> Answer:
        if self._course.is_paused:
            return Refusal("session_already_paused", "paused already")
        self._course.is_paused = True
        return self._status("pause")

    def _resume(self, _: Mapping[str, Any]) -> Answer:
        if not self._course.is_paused:
            return Refusal("session_not_paused", "not paused")
        self._course.is_paused = False
        return self._status("resume")

    def _set_name(self, data: Mapping[str, Any]) -> Answer:
        name = data.get("name")
        if not isinstance(name, str) or not name.strip():
            return Refusal("set_name_empty", "no name")
        if len(name) > NAME_CHARACTERS:
            return Refusal("set_name_too_long", f"{len(name)} characters")
        self._course.name = name
        return self._status("set_name")

    def _tts_play(self, data: Mapping[str, Any]) -> Answer:
        if not self._course.speaks:
            return Refusal("tts_not_enabled", "the session does not speak")
        sid, length = data.get("sid"), data.get("length", 1)
        if not isinstance(length, int) or not 1 <= length <= MAX_PLAYED:
            return Refusal("invalid_data", f"length {length!r:.20}", "bad_value")
        first = self._script.sentence(sid)
        if first is None:
            return Refusal("tts_segment_not_found", f"no sentence {sid!r:.20}")
        wanted = self._script.sentences[first.number - 1 : first.number - 1 + length]
        spoken = [(each.number, code) for each in wanted for code in each.translations if self._course.is_spoken(code)]
        if not spoken:
            return Refusal("tts_translation_not_found", f"sentence {sid} has no translation")
        for number, code in spoken:
            self._speak(number, code)
        return []

    def _tts_mode(self, data: Mapping[str, Any]) -> Answer:
        if not self._course.speaks:
            return Refusal("tts_not_enabled", "the session does not speak")
        if data.get("tts_mode") not in ("sync", "async"):
            return Refusal("invalid_data", "sync or async", "bad_value")
        self._course.tts_mode = data["tts_mode"]
        return [{"action": "tts_mode_changed", "tts_mode": self._course.tts_mode}]

    def _set_tts(self, data: Mapping[str, Any]) -> Answer:
        if self._course.kind != "conversation":
            return Refusal("invalid_action", "not a conversation")
        config = data.get("tts_config", {})
        if not isinstance(config, dict) or not all(map(is_voice, config.values())):
            return Refusal("invalid_data", "tts_config", "bad_value")
        self._course.voices |= {code: voice for code, voice in config.items() if code in self._course.sources}
        self._course.speaks = data.get("tts_enabled", self._course.speaks)
        complete = {code: self._course.voices.get(code, {"speaking_rate": 1.0}) for code in self._course.sources}
        return [{"action": "tts_updated", "tts_enabled": self._course.speaks, "tts_config": complete}]

    def _retranslate(self, data: Mapping[str, Any]) -> Answer:
        if self._session.stopped_s is not None:
            return Refusal("retranslate_session_not_active", "stopped")
        sentence, codes, text = (
            self._script.sentence(data.get("sid")),
            data.get("translation_languages"),
            data.get("text"),
        )
        if sentence is None:
            return Refusal("retranslate_sid_not_found", f"no sentence {data.get('sid')!r:.20}")
        if not isinstance(codes, list):
            return Refusal("retranslate_no_target_lang", "no array", "scalar_for_array")
        if not codes or not all(map(is_code, codes)):
            return Refusal("retranslate_no_target_lang", "no language")
        if not isinstance(text, str) or not text.strip():
            return Refusal("retranslate_no_text", "no text")
        sentence.text = text
        translations: Data = {}
        for code in codes:
            sentence.translations[code] = sentence.translated(code)
            translations |= self._script.translation(sentence, code, again=True)
        return [{"action": "translation", "translations": translations}]

    def _go_live(self, _: Mapping[str, Any]) -> Answer:
        if self._course.kind != "broadcast":
            return Refusal("broadcast_not_enabled", "no broadcast")
        if self._course.phase == "live":
            return self._status("broadcast_go_live")
        self._course.phase = "live"
        return [{"action": "broadcast_phase_changed", "phase": "live", "message": "Broadcast started"}]

    def _announce(self, data: Mapping[str, Any]) -> Answer:
        if self._course.kind != "broadcast":
            return Refusal("broadcast_not_enabled", "no broadcast")
        if not str(data.get("message") or "").strip():
            return Refusal("invalid_parameter", "no message")
        return self._status("broadcast_announcement")

    def _stand_by(self, data: Mapping[str, Any]) -> Answer:
        if self._course.kind != "broadcast":
            return Refusal("broadcast_not_enabled", "no broadcast")
        if self._course.phase != "standby":
            return Refusal("broadcast_not_in_standby", "live")
        if not str(data.get("message") or "").strip():
            return Refusal("invalid_parameter", "no message")
        return self._status("set_standby_message")


class People:
    """Who said what (§3C.2)."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def rename(self, data: Mapping[str, Any]) -> Answer:
        """Another label; by original id or by label."""
        speaker, label = data.get("speaker_id"), data.get("new_label")
        if not isinstance(label, str) or not label.strip() or not isinstance(speaker, str) or not speaker.strip():
            return Refusal("speaker_name_empty", "no name")
        if len(label) > MAX_TERM_CHARACTERS or _CONTROL.search(label):
            return Refusal("invalid_parameter", "label", "bad_value")
        labels = self._script.labels
        original = next((each for each, known in labels.items() if known == speaker), speaker)
        if original not in self._script.speakers:
            return Refusal("speaker_not_found", f"no speaker {speaker!r:.40}")
        if label in [known for each, known in labels.items() if each != original]:
            return Refusal("speaker_name_duplicate", "another speaker has it")
        labels[original] = label
        event: Data = {"action": "speaker_renamed", "speaker_id": original, "new_label": label}
        return [{**event, "affected_sids": [each.number for each in self._of(original)]}]

    def reassign(self, data: Mapping[str, Any]) -> Answer:
        """One sentence was somebody else's; original ids only."""
        sentence, target = self._script.sentence(data.get("sid")), data.get("target_speaker_id")
        if sentence is None:
            return Refusal("speaker_sid_not_found", f"no sentence {data.get('sid')!r:.20}")
        if not isinstance(target, str) or not target.strip():
            return Refusal("speaker_name_empty", "no speaker")
        if target not in self._script.speakers:
            return Refusal("speaker_not_found", f"no speaker {target!r:.40}")
        old, sentence.speaker = sentence.speaker, target
        event: Data = {"action": "speaker_reassigned", "sid": sentence.number, "old_speaker_id": old}
        return [{**event, "new_speaker_id": target, "new_speaker_label": self._script.labels.get(target, target)}]

    def merge(self, data: Mapping[str, Any]) -> Answer:
        """Two were one."""
        source, target = data.get("source_speaker_id"), data.get("target_speaker_id")
        if not isinstance(source, str) or not isinstance(target, str) or not source.strip() or not target.strip():
            return Refusal("speaker_name_empty", "no speaker")
        if source == target:
            return Refusal("merge_speakers_same_id", "the same speaker")
        if not {source, target} <= self._script.speakers:
            return Refusal("speaker_not_found", "no such speaker")
        event: Data = {"action": "speakers_merged", "source_speaker_id": source, "target_speaker_id": target}
        event["target_speaker_label"] = self._script.labels.get(target, target)
        return [{**event, "affected_sids": self._script.merge(source, target)}]

    def _of(self, speaker: str) -> list[Sentence]:
        return [each for each in self._script.sentences if each.speaker == speaker]


def check_config(data: Mapping[str, Any]) -> Refusal | None:
    """What of `config` is over a limit."""
    return next(_config_faults(data), None)


def _config_faults(data: Mapping[str, Any]) -> Iterator[Refusal]:
    terms, fuzzy, entries = (data.get(name) for name in ("terminology", "fuzzy_correction", "translation_dict"))
    if not (terms or fuzzy or entries):
        yield Refusal("config_empty", "nothing given")
    if entries is not None and not isinstance(entries, list):
        yield Refusal("invalid_data", "translation_dict is no array", "scalar_for_array")
        return
    if len(entries or []) > MAX_DICTIONARY:
        yield Refusal("config_too_many_dict_entries", f"{len(entries or [])} entries", "config_too_many_dict_entries")
    by_language = {**(terms or {})}
    if not all(map(is_code, [*by_language, *(fuzzy or {})])):
        yield Refusal("invalid_data", "a language without its region", "invalid_language")
    for listed in by_language.values():
        if len(listed) > MAX_TERMS:
            yield Refusal("config_too_many_entries", f"{len(listed)} terms", "config_too_many_entries")
        for each in listed:
            if len(each["term"]) > MAX_TERM_CHARACTERS:
                yield Refusal("config_term_too_long", f"{len(each['term'])} characters", "config_term_too_long")
            if not 0.5 <= each.get("boost", 1.0) <= 5.0:
                yield Refusal("invalid_data", "boost", "bad_value")
