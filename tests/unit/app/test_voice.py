from satellite.adapters.clock import SystemClock
from satellite.adapters.link import SessionDriver
from satellite.app.parts import configured_settings
from satellite.app.voice import VoiceRoom
from satellite.backends.base import SessionState
from satellite.config.model import Config
from satellite.core.backlog import Backlog
from tests.fakes.sections import made

CONFIG = made(Config, {"voice": {"deepl": {"api_key": "not-a-real-key"}, "target_languages": ["de"]}})


def room() -> VoiceRoom:
    return VoiceRoom(CONFIG, SystemClock())


def test_it_is_the_configured_backend() -> None:
    assert (room().name, room().targets_max) == ("deepl", 5)


async def test_sessions_are_made_but_not_started() -> None:
    session = room().make_session(Backlog(16_000), configured_settings(CONFIG), {})
    assert session.state is SessionState.IDLE
    assert session.actions() == []
    assert isinstance(room().make_link(session, lambda _: None, "s1"), SessionDriver)


def test_settings_are_judged_by_the_backend() -> None:
    settings = configured_settings(CONFIG)
    assert room().objection(settings) is None
    assert "mt" in (room().objection(settings.changed(speech_language="mt")) or "")
    too_many = ("de", "fr", "es", "it", "pl", "nl")
    assert room().objection(settings.changed(target_languages=too_many)) is not None


def test_what_is_offered_follows_the_settings_and_the_backend() -> None:
    offer = room().offer(configured_settings(CONFIG).changed(source_language="xx", speech_language="de"))
    assert (offer.targets, offer.translates, offer.speaks) == (("de",), True, True)
    assert offer.sources[:2] == ("auto", "ar")
    assert "xx" in offer.sources
    assert "mt" not in offer.spoken, "the service does not speak it"
