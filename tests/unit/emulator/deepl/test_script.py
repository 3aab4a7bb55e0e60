from typing import Any

from satellite.emulator.conversation import Outgoing
from satellite.emulator.deepl.schema import SessionConfig
from satellite.emulator.deepl.script import Script
from satellite.emulator.phrases import pseudo_word
from satellite.emulator.recogniser import HeardWord


def script(*targets: str, speech: str | None = None, on_silence: bool = True) -> Script:
    config = SessionConfig("", "json", "en", "fixed", targets, speech, "", {})
    return Script("en", config, on_silence=on_silence, seed=3)


def words(text: str, start_ms: int = 0, sentence: int = 0) -> list[HeardWord]:
    return [
        HeardWord(word, start_ms + at * 100, start_ms + at * 100 + 100, (0, sentence))
        for at, word in enumerate(text.split())
    ]


def updates(outgoing: list[Outgoing], language: str | None = None) -> list[dict[str, Any]]:
    found: list[Any] = []
    for item in outgoing:
        for name, value in (item.message or {}).items():
            assert isinstance(value, dict)
            if name == ("target_transcript_update" if language else "source_transcript_update"):
                found += [value] if language in (None, value.get("language")) else []
    return found


def joined(found: list[dict[str, Any]]) -> str:
    return "".join(segment["text"] for update in found for segment in update["concluded"])


def test_text_is_tentative_until_the_phrase_is_over() -> None:
    play = script()
    first = updates(play.heard(words("Good morning,"), 1.0))
    assert [[segment["text"] for segment in update["tentative"]] for update in first] == [["Good"], ["Good morning,"]]
    (then,) = updates(play.heard(words("the", 200), 2.0))
    assert then["concluded"] == [{"language": "en", "text": "Good morning,", "start_time": 0, "end_time": 200}]
    assert [segment["text"] for segment in then["tentative"]] == [" the"]


def test_half_a_second_of_silence_concludes_and_clears() -> None:
    play = script()
    play.heard(words("Good morning."), 0.0)
    assert play.silence(699, 0.0) == []
    (update,) = updates(play.silence(700, 0.0))
    assert [segment["text"] for segment in update["concluded"]] == ["Good morning."]
    assert update["tentative"] == []
    assert play.silence(5000, 0.0) == []


def test_segments_carry_their_blank_and_a_pseudo_translation_is_marked() -> None:
    play = script("de", "fr")
    outgoing = play.heard(words("Good day, you."), 0.0) + play.heard(words("Bye.", 900, 1), 0.0) + play.finish(0.0)
    assert joined(updates(outgoing)) == "Good day, you. Bye."
    assert joined(updates(outgoing, "de")) == "[de] dooG yad, uoy. [de] eyB."
    assert joined(updates(outgoing, "fr")) == "[fr] dooG yad, uoy. [fr] eyB."


def test_targets_conclude_later_and_in_order() -> None:
    outgoing = (play := script("de")).heard(words("One, two, three."), 10.0) + play.finish(10.5)
    dues = [item.due_s for item in outgoing if "target_transcript_update" in (item.message or {})]
    assert dues == sorted(dues)
    concluding = [
        item.due_s
        for item in outgoing
        if item.message and updates([item], "de") and updates([item], "de")[0]["concluded"]
    ]
    assert all(10.1 <= due <= 10.8 for due in concluding)
    assert len(concluding) == 3


def test_speech_is_the_concluded_target_text() -> None:
    play = script("fr", "de", speech="de")
    outgoing = play.heard(words("One, two."), 0.0) + play.finish(0.0)
    assert "".join(item.speech or "" for item in outgoing) == joined(updates(outgoing, "de"))


def test_without_concluding_on_silence_only_the_end_concludes() -> None:
    play = script(on_silence=False)
    outgoing = play.heard(words("One, two. Three.") + words("Four.", 900, 1), 0.0) + play.silence(9_000, 0.0)
    assert joined(updates(outgoing)) == ""
    assert [segment["text"] for segment in updates(outgoing)[-1]["tentative"]] == ["One,", " two.", " Three.", " Four."]
    assert joined(updates(play.finish(0.0))) == "One, two. Three. Four."


def test_a_long_sentence_without_comma_is_cut() -> None:
    play = script()
    outgoing = play.heard(words("word " * 30), 0.0)
    assert len(joined(updates(outgoing)).split()) == 28


def test_pseudo_words_keep_their_punctuation() -> None:
    assert [pseudo_word(word) for word in ("(light)", "on.", "...", "aha!")] == ["(thgil)", "no.", "...", "aha!"]
