"""Every command changes the running satellite, or is refused with its reason."""

import pytest

from satellite.core.events import SessionFailed
from satellite.core.turn import TurnSettings
from satellite.errors import ErrorCategory
from satellite.homeassistant.commands import (
    Command,
    CommandRefused,
    Listen,
    Play,
    Restart,
    RestartSession,
    RunBackendAction,
    SetMute,
    SetSourceLanguage,
    SetSpeechLanguage,
    SetTargetLanguages,
    SetVolume,
    StopSpeech,
)
from tests.fakes.stage import SETTINGS, Stage, spoken
from tests.fakes.virtual_time import pass_time, virtual
from tests.fakes.voice import Fate


@virtual
async def test_volume_is_set_stored_and_told() -> None:
    stage = Stage()
    stage.control.handle(SetVolume(30))
    assert stage.speaker.volume_percent == 30
    assert stage.stored == [SETTINGS.changed(volume=30)]
    assert stage.of("settings")[-1]["volume"] == 30


@virtual
async def test_what_was_so_before_is_told_again_and_not_stored() -> None:
    stage = Stage()
    stage.control.handle(SetVolume(SETTINGS.volume))
    assert stage.stored == []
    assert len(stage.of("settings")) == 1


@virtual
async def test_mute_closes_the_microphone_and_forgets_what_waits() -> None:
    stage = Stage([Fate(opens_after_s=60.0)])
    stage.room.speak(1.0, in_s=1.0)
    stage.room.speak(60.0, in_s=5.0)
    async with stage.on():
        await pass_time(7)
        stage.control.handle(SetMute(muted=True))
        await pass_time(5)
        assert stage.room.capture.stopped_at == 1007.0
        assert stage.of("state")[-1] == "muted"
        assert [(record["id"], record["reason"], record["complete"]) for record in stage.of("utterance")] == [
            ("u1", "silence", False),
            ("u2", "muted", False),
        ]
        stage.control.handle(SetMute(muted=False))
        await pass_time(1)
        assert stage.of("state")[-2:] == ["idle", "listening"]
    assert stage.stored == [SETTINGS.changed(mute=True), SETTINGS]


@virtual
async def test_mute_lets_go_of_push_to_talk() -> None:
    """Somebody who mutes and unmutes is not streamed until he speaks, whatever button was left held."""
    stage = Stage()
    async with stage.on():
        stage.control.handle(Listen(held=True))
        await pass_time(2)
        assert stage.of("state")[-1] == "listening"
        stage.control.handle(SetMute(muted=True))
        await pass_time(2)
        stage.control.handle(SetMute(muted=False))
        await pass_time(20)
        assert stage.of("state")[-1] == "idle"
        assert len(stage.of("utterance")) <= 1


@virtual
async def test_mute_forgets_what_was_said_before_and_not_sent() -> None:
    stage = Stage([Fate(opens_after_s=60.0)])
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(10)
        stage.control.handle(SetMute(muted=True))
        await pass_time(100)
    assert stage.service.heard_ms == 0
    assert [(record["reason"], record["complete"]) for record in stage.of("utterance")] == [("silence", False)]
    assert stage.of("problem") == []


@virtual
async def test_a_release_waits_for_the_end_of_the_mute() -> None:
    stage = Stage()
    releases: list[float] = []
    stage.floor.on_release = releases.append
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(4)
        stage.service.says(spoken(2.0, "Hallo."))
        await pass_time(1)
        stage.control.handle(SetMute(muted=True))
        await pass_time(10)
        assert releases == []
        stage.control.handle(SetMute(muted=False))
        assert releases == [1015.0]


@virtual
async def test_mute_does_not_keep_speech_from_being_heard() -> None:
    stage = Stage()
    stage.room.speak(60.0, in_s=1.0)
    async with stage.on():
        await pass_time(3)
        stage.service.says(spoken(2.0, "Hallo."))
        await pass_time(1)
        assert stage.sink.heard == []
        stage.control.handle(SetMute(muted=True))
        await pass_time(1)
        stage.control.handle(SetMute(muted=False))
        await pass_time(5)
    (heard,) = stage.sink.heard
    assert (round(heard.start - 1000, 2), round(heard.end - 1000, 2)) == (4.0, 6.0)
    assert stage.of("state") == ["idle", "listening", "idle", "muted", "speaking", "idle", "listening", "idle"]


@virtual
@pytest.mark.parametrize(
    ("command", "changes"),
    [
        (SetSourceLanguage("fr"), {"source_language": "fr"}),
        (SetTargetLanguages(("de", "it")), {"target_languages": ("de", "it")}),
        (SetSpeechLanguage("de"), {"speech_language": "de"}),
    ],
)
async def test_languages_take_a_new_session(command: Command, changes: dict[str, object]) -> None:
    stage = Stage()
    stage.room.speak(1.0, in_s=1.0)
    stage.room.speak(1.0, in_s=8.0)
    async with stage.on():
        await pass_time(6)
        stage.control.handle(command)
        await pass_time(6)
        assert len(stage.service.sessions) == 2
    assert stage.stored == [SETTINGS.changed(**changes)]
    assert [event["event"] for event in stage.of("session")] == ["opened", "closed", "opened"]


@virtual
async def test_a_language_the_backend_cannot_take_changes_nothing() -> None:
    stage = Stage()
    stage.objection = "this service does not know tlh"
    async with stage.on():
        stage.control.handle(SetSourceLanguage("tlh"))
        stage.control.handle(SetSpeechLanguage("tlh"))
        stage.objection = "text only"
        stage.control.handle(SetTargetLanguages(("de", "tlh")))
        stage.control.handle(SetSourceLanguage("en"))
    assert stage.of("command_error") == [
        {"command": "source_language", "payload": "tlh", "reason": "this service does not know tlh"},
        {"command": "speech_language", "payload": "tlh", "reason": "this service does not know tlh"},
        {"command": "target_languages", "payload": "de,tlh", "reason": "text only"},
    ]
    assert (stage.control.settings, stage.stored) == (SETTINGS, [])


@virtual
async def test_speech_that_cannot_be_turned_off_is_refused_in_the_senders_words() -> None:
    stage = Stage()
    stage.control.settings = SETTINGS.changed(speech_language="de")
    stage.objection = "this service always speaks"
    stage.control.handle(SetSpeechLanguage(None))
    assert stage.of("command_error")[0]["payload"] == "off"


@virtual
async def test_nothing_keeps_a_user_from_muting() -> None:
    stage = Stage()
    stage.objection = "the languages of the configuration do not fit"
    stage.control.handle(SetMute(muted=True))
    stage.control.handle(SetVolume(0))
    assert stage.of("command_error") == []
    assert stage.control.settings == SETTINGS.changed(mute=True, volume=0)


@virtual
async def test_push_to_talk() -> None:
    stage = Stage()
    async with stage.on():
        await pass_time(3)
        stage.control.handle(Listen(held=True))
        await pass_time(2)
        stage.control.handle(Listen(held=False))
        await pass_time(2)
        stage.service.concludes("Hello.")
        await pass_time()
    assert stage.of("state") == ["idle", "listening", "idle"]
    assert stage.of("utterance")[0]["reason"] == "released"
    assert stage.service.heard_ms == pytest.approx(400 + 2000 + 900)


@virtual
async def test_push_to_talk_is_refused_while_muted_and_letting_go_is_not() -> None:
    stage = Stage()
    async with stage.on():
        stage.control.handle(SetMute(muted=True))
        stage.control.handle(Listen(held=True))
        stage.control.handle(Listen(held=False))
    assert stage.of("command_error") == [
        {"command": "listen", "payload": "ON", "reason": "the microphone is muted; send mute OFF first"}
    ]


@virtual
async def test_speech_is_stopped() -> None:
    stage = Stage(turn=TurnSettings("simultaneous"))
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(4)
        stage.service.says(spoken(5.0, "Hallo."))
        await pass_time(1)
        stage.control.handle(StopSpeech())
        await pass_time(5)
    assert [event["event"] for event in stage.of("speech")] == ["started", "cut"]


@virtual
async def test_a_session_is_restarted_out_of_a_park() -> None:
    stage = Stage([Fate(failure=SessionFailed(ErrorCategory.AUTHORIZATION, "not yours"))])
    stage.room.speak(1.0, in_s=1.0)
    async with stage.on():
        await pass_time(10)
        stage.control.handle(RestartSession())
        await pass_time(1)
    assert [event["event"] for event in stage.of("session")] == ["failed", "opened"]


@virtual
async def test_restart_and_play_are_for_the_application() -> None:
    stage = Stage()
    stage.control.handle(Restart())
    stage.control.handle(Play("/sounds/bell.wav"))
    stage.control.handle(Play("/etc/passwd"))
    assert (stage.restarts, stage.played) == (1, ["/sounds/bell.wav"])
    assert stage.of("command_error") == [{"command": "play", "payload": "/etc/passwd", "reason": "not from there"}]


@virtual
async def test_an_action_that_the_backend_does_not_have() -> None:
    stage = Stage()
    stage.control.handle(RunBackendAction("dance", {"steps": 3}))
    assert stage.of("command_error") == [
        {"command": "backend/dance", "payload": "", "reason": "this backend has no action dance; there are jump, tune"}
    ]


@virtual
async def test_what_was_refused_before_it_came_here_is_answered_too(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    stage.control.handle(CommandRefused("volume", "eleven", "expected a number from 0 to 100"))
    assert stage.of("command_error")[0]["command"] == "volume"
    assert caplog.messages == ["command volume refused: expected a number from 0 to 100"]
