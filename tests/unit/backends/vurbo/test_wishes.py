"""How a session should be: what `start` and `config` say, by options, languages, and what was asked for since."""

from typing import Any

from satellite.backends.vurbo.arguments import (
    Announcement,
    Configure,
    Nothing,
    SetName,
    SetSpeakerLanguage,
    SetTts,
    SetTtsMode,
    StartSpeaking,
    SwitchConversationMode,
    SwitchLanguage,
)
from satellite.backends.vurbo.vocabulary import Correction, Entry, Term, Voice
from satellite.backends.vurbo.wishes import Wishes
from satellite.core.section import Section
from tests.unit.backends.vurbo.stage import options, setup


def wishes(standing: dict[str, Section] | None = None, voice: dict[str, Any] | None = None, **changes: Any) -> Wishes:
    return Wishes(options(**changes), setup(standing=standing or {}, **(voice or {})))


CONVERSATION: dict[str, Any] = {"recording_type": "conversation"}
SPOKEN: dict[str, Any] = {"speech_language": "de"}


def test_one_way_in_text() -> None:
    assert wishes().start() == {
        "type": "transcribe",
        "transcription_languages": ["en-US"],
        "translation_languages": ["de-DE"],
        "realtime_translation": True,
        "recognition_mode": "single",
        "audio_format": "pcm",
        "summary_template": "general",
        "tts_enabled": False,
    }
    assert wishes().config() == {}


def test_one_way_with_everything() -> None:
    chosen = wishes(
        voice={"target_languages": ("fr",), "speech_language": "de", "speech_voice": "de-DE-KatjaNeural"},
        second_source_language="es",
        audio_format="webm",
        realtime_translation=False,
        tts_mode="async",
        name="Kitchen",
        summary_mode="custom",
        summary_prompt="One line.",
        summary_prompt_slug="line",
        summary_language="en",
        summary_plain_text=True,
        speaking_speed="normal",
        segmentation_mode="auto",
        profanity_handling="mask",
    )
    assert chosen.start() == {
        "type": "transcribe",
        "transcription_languages": ["en-US", "es-ES"],
        "translation_languages": ["fr-FR", "de-DE"],
        "realtime_translation": False,
        "recognition_mode": "single",
        "audio_format": "webm",
        "tts_enabled": True,
        "tts_mode": "async",
        "tts_language": "de-DE",
        "tts_voice": "de-DE-KatjaNeural",
        "name": "Kitchen",
        "summary_mode": "custom",
        "summary_prompt": "One line.",
        "summary_prompt_slug": "line",
        "summary_language": "en-US",
        "summary_plain_text": True,
        "options": {"speaking_speed": "normal", "segmentation_mode": "auto", "profanity_handling": "mask"},
    }
    assert not chosen.speaks_by_itself
    assert chosen.speech_language == "de"
    assert (chosen.speaks("de"), chosen.speaks("fr")) == (True, False)


def test_a_transcript_only() -> None:
    chosen = wishes(voice={"target_languages": ()})
    assert "translation_languages" not in chosen.start()
    assert chosen.targets_of("en") == ()


def test_a_conversation_has_two_speakers() -> None:
    chosen = wishes(voice=SPOKEN, conversation_mode="manual", active_language="de", **CONVERSATION)
    assert chosen.start() == {
        "type": "conversation",
        "transcription_languages": ["en-US", "de-DE"],
        "speakers": [{"id": 1, "language": "en-US"}, {"id": 2, "language": "de-DE"}],
        "conversation_mode": "manual",
        "active_language": "de-DE",
        "realtime_translation": True,
        "audio_format": "pcm",
        "summary_template": "general",
        "tts_enabled": True,
        "tts_mode": "sync",
    }
    assert chosen.is_manual
    assert (chosen.targets_of("en"), chosen.targets_of("de")) == (("de",), ("en",))
    assert chosen.speech_language is None
    assert chosen.speaks("en")
    assert chosen.speaks_by_itself
    assert wishes(**CONVERSATION).start()["tts_enabled"] is False, "it is on by default there"


def test_voices_of_a_conversation() -> None:
    voices = {"de": {"voice": "de-DE-KatjaNeural"}}
    chosen = wishes(voice=SPOKEN, voices=voices, **CONVERSATION)
    katja = {"voice": "de-DE-KatjaNeural", "speaking_rate": 1.0}
    assert chosen.start()["tts_config"] == {"de-DE": katja}
    chosen.take("set_tts", SetTts(tts_config={"en": Voice(speaking_rate=1.5)}))
    assert chosen.start()["tts_config"] == {"de-DE": katja, "en-US": {"speaking_rate": 1.5}}
    chosen.take("set_tts", SetTts(tts_enabled=False))
    assert chosen.start()["tts_enabled"] is False
    assert not chosen.speaks("de")


def test_a_broadcast_has_its_channel() -> None:
    broadcast: dict[str, Any] = {"recording_type": "broadcast", "broadcast_token": "k7q2"}
    chosen = wishes(broadcast_phase="standby", standby_message="Soon.", voices={"de": {}}, **broadcast)
    assert chosen.start() == {
        "type": "broadcast",
        "broadcast_token": "k7q2",
        "broadcast_phase": "standby",
        "standby_message": "Soon.",
        "realtime_translation": True,
        "recognition_mode": "single",
        "audio_format": "pcm",
        "tts_config": {"de-DE": {"speaking_rate": 1.0}},
    }
    assert chosen.spoken_language == "und"
    assert chosen.targets_of("en") == ()
    assert not chosen.speaks_by_itself
    chosen.take("set_standby_message", Announcement(message="Now."))
    assert chosen.start()["standby_message"] == "Now."
    chosen.take("broadcast_announcement", Announcement(message="Hello."))
    chosen.take("broadcast_go_live", Nothing())
    assert chosen.start()["broadcast_phase"] == "live"
    assert "standby_message" not in chosen.start()
    meeting = wishes(summary_template="meeting", **broadcast)
    assert meeting.start()["summary_template"] == "meeting"
    assert "tts_config" not in meeting.start()


def test_other_targets_are_in_the_next_start_with_the_spoken_one() -> None:
    chosen = wishes({"switch_language": SwitchLanguage(translation_languages=("es",))}, SPOKEN)
    assert chosen.start()["translation_languages"] == ["es-ES", "de-DE"]
    assert chosen.start()["tts_language"] == "de-DE"
    assert chosen.targets_of("en") == ("es",)
    assert (chosen.spelled("es-ES"), chosen.spelled("de-DE"), chosen.spelled("fr-FR")) == ("es", "de", "fr-FR")
    chosen.take("switch_language", SwitchLanguage())
    assert chosen.targets_of("en") == ("es",)


def test_what_was_asked_of_a_conversation_is_in_the_next_start() -> None:
    standing: dict[str, Section] = {
        "set_speaker_language/1": SetSpeakerLanguage(speaker=1, language="fr"),
        "set_speaker_language/2": SetSpeakerLanguage(speaker=2, language="it-IT"),
        "switch_language": SwitchLanguage(transcription_languages=("it-IT",)),
        "switch_conversation_mode": SwitchConversationMode(conversation_mode="manual"),
        "start_speaking": StartSpeaking(speaker=2),
        "tts_mode": SetTtsMode(tts_mode="async"),
        "set_name": SetName(name="Table 3"),
    }
    chosen = wishes(standing, SPOKEN, **CONVERSATION)
    start = chosen.start()
    assert start["speakers"] == [{"id": 1, "language": "fr-FR"}, {"id": 2, "language": "it-IT"}]
    assert start["transcription_languages"] == ["fr-FR", "it-IT"]
    assert (start["conversation_mode"], start["active_language"]) == ("manual", "it-IT")
    assert (start["tts_mode"], start["name"]) == ("async", "Table 3")
    assert chosen.speaker == 2
    chosen.take("start_speaking", StartSpeaking())
    assert chosen.speaker == 2
    chosen.take("switch_language", SwitchLanguage())
    assert chosen.start()["active_language"] == "it-IT"


def test_a_speaker_s_language_is_for_conversations() -> None:
    chosen = wishes({"set_speaker_language/1": SetSpeakerLanguage(speaker=1, language="fr")})
    assert chosen.start()["transcription_languages"] == ["en-US"]


def test_vocabulary_is_always_sent_whole() -> None:
    chosen = wishes(
        terminology={"en": [{"term": "Zigbee"}]},
        corrections={"en": [{"correct": "hub", "incorrect": ["hup"]}]},
        dictionary=[{"source": "hub", "translations": {"de": "Zentrale"}}],
    )
    assert set(chosen.config()) == {"terminology", "fuzzy_correction", "translation_dict"}
    chosen.take("config", Configure(terminology={"en": (Term(term="Matter"),)}))
    assert chosen.config()["terminology"] == {"en-US": [{"term": "Matter", "boost": 1.0}]}
    assert chosen.config()["fuzzy_correction"] == {"en-US": [{"correct": "hub", "incorrect": ["hup"]}]}
    chosen.take("config", Configure(fuzzy_correction={"en": (Correction(correct="x", incorrect=("y",)),)}))
    chosen.take("config", Configure(translation_dict=(Entry(source="x", translations={"de": "z"}),)))
    assert chosen.config()["translation_dict"] == [{"source": "x", "translations": {"de-DE": "z"}}]
    assert chosen.config()["terminology"] == {"en-US": [{"term": "Matter", "boost": 1.0}]}


def test_speech_cannot_be_had_later_outside_a_conversation() -> None:
    chosen = wishes({"set_tts": SetTts(tts_enabled=True)})
    assert chosen.start()["tts_enabled"] is False
