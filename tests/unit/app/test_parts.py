import asyncio

from satellite.adapters.clock import SystemClock
from satellite.app import parts
from satellite.config.model import Config
from satellite.core.audio import CaptureBlock
from satellite.core.turn import TurnSettings
from satellite.errors import ErrorCategory
from satellite.ports import CaptureSource
from tests.fakes.sections import made


def config(**sections: object) -> Config:
    return made(Config, {"satellite": {"id": "kitchen"}, **sections})


def test_ids_are_never_the_same() -> None:
    assert len({parts.new_id() for _ in range(1000)}) == 1000


def test_what_is_configured_holds_until_a_command_changes_it() -> None:
    settings = parts.configured_settings(
        config(
            audio={"output": {"volume": 35}},
            voice={"source_language": "auto", "target_languages": ["fr"], "speech_language": None},
        )
    )
    assert (settings.mute, settings.volume) == (False, 35)
    assert (settings.source_language, settings.target_languages, settings.speech_language) == ("auto", ("fr",), None)
    assert parts.book_settings(settings).expected_languages == ("fr",)


def test_times_are_given_in_seconds() -> None:
    chosen = config(audio={"duplex": "simultaneous", "tail_ms": 450, "barge_in": True})
    assert parts.turn_settings(chosen) == TurnSettings("simultaneous", 0.45, barge_in=True)


def test_the_broker_is_reached_as_configured() -> None:
    settings = parts.mqtt_settings(
        config(mqtt={"host": "broker.lan", "username": "sat", "password": "hidden", "tls": {}}), 5
    )
    assert (settings.host, settings.port, settings.username, settings.password) == ("broker.lan", 8883, "sat", "hidden")
    assert settings.birth_topic == "homeassistant/status"
    assert "hidden" not in repr(settings)
    assert parts.mqtt_settings(config(mqtt={"discovery_prefix": None}), 5).birth_topic is None


def test_what_is_published_and_logged() -> None:
    options = parts.reporter_options(config(mqtt={"publish_tentative": False, "retain_transcripts": True}))
    assert (options.publish_tentative, options.retain_transcripts, options.log_transcripts) == (False, True, False)


def test_a_device_is_looked_for_at_short_intervals_however_long_it_is_gone() -> None:
    backoff = parts.device_backoff()
    delays_s = [backoff.lost(ErrorCategory.CONNECTIVITY, now).delay_s or 0.0 for now in range(100)]
    assert 2.0 < max(delays_s) <= parts.DEVICE_CAP_S < 5.0


async def test_who_watches_the_input_is_told_how_far_it_has_come() -> None:
    heard: list[float] = []
    chosen = config(audio={"input": {"device": "null"}})
    source: CaptureSource = parts.listener_parts(chosen, SystemClock(), heard.append).open_capture()
    blocks: list[CaptureBlock] = []

    source.start(blocks.append, lambda _: None)
    await asyncio.sleep(0.35)
    await source.stop()
    assert len(blocks) >= 2
    assert heard == [round(0.1 * number, 1) for number in range(1, len(blocks) + 1)]
    assert source.overruns == 0


async def test_nobody_need_watch() -> None:
    source = parts.listener_parts(config(audio={"input": {"device": "null"}}), SystemClock(), None).open_capture()
    assert type(source).__name__ == "NullCapture"
