"""Introduction: what is said when, and what is remembered of it."""

from collections.abc import Callable
from dataclasses import replace

from satellite.homeassistant.discovery import Announced, Identity
from satellite.homeassistant.entities import Offer
from satellite.runtime.introduction import STEP_S, Introduction
from tests.fakes.publisher import TOPICS, RecordingPublisher

IDENTITY = Identity(TOPICS, "Kitchen", None, "1.2.3", "homeassistant", "device")
OFFER = Offer(("en",), ("de",), ("de",), translates=True, speaks=True)
CONFIG = "homeassistant/device/voice_satellite_kitchen/config"


class Play:
    """An introduction, what it published, and what it put off."""

    def __init__(self, identity: Identity | None = IDENTITY, announced: Announced | None = None) -> None:
        self.publisher = RecordingPublisher()
        self.put_off: list[tuple[float, Callable[[], None]]] = []
        self.introduction = Introduction(
            identity, self.publisher, announced, lambda delay_s, call: self.put_off.append((delay_s, call))
        )

    @property
    def said(self) -> list[tuple[str, bool]]:
        """Topics, and whether something stands there."""
        return [(message.topic, bool(message.payload)) for message in self.publisher.messages]


def announced() -> Announced:
    play = Play()
    play.introduction.offer(OFFER)
    play.introduction.say()
    found = play.introduction.announced
    assert found is not None
    return found


def test_an_offer_is_said_to_whoever_comes_and_when_it_changes() -> None:
    play = Play()
    play.introduction.say()
    play.introduction.offer(OFFER)
    assert play.said == [(CONFIG, True)]
    play.introduction.offer(OFFER)
    assert play.said == [(CONFIG, True)]
    play.introduction.say()
    play.introduction.offer(replace(OFFER, spoken=("fr",)))
    assert play.said == 3 * [(CONFIG, True)]


def test_nothing_is_said_as_long_as_there_is_nobody() -> None:
    play = Play()
    play.introduction.offer(OFFER)
    assert play.said == []


def test_entities_are_handed_over_step_by_step() -> None:
    play = Play(replace(IDENTITY, style="components"), announced())
    play.introduction.offer(OFFER)
    play.introduction.say()
    assert play.said == [(CONFIG, True)], "they are to be handed over"
    assert play.introduction.announced == announced(), "not done yet: another process would do it again"
    for _ in range(2):
        ((delay_s, call),) = play.put_off
        assert delay_s == STEP_S
        play.put_off.clear()
        call()
    assert play.put_off == []
    assert play.said[-1] == (CONFIG, False)
    assert play.introduction.announced is not None
    assert play.introduction.announced.style == "components"


def test_steps_of_before_are_not_gone_on_with() -> None:
    play = Play(replace(IDENTITY, style="components"), announced())
    play.introduction.offer(OFFER)
    play.introduction.say()
    play.introduction.say()
    (_, first), (_, second) = play.put_off
    before = len(play.said)
    first()
    assert len(play.said) == before
    second()
    assert len(play.said) > before


def test_without_discovery_what_was_announced_is_withdrawn() -> None:
    play = Play(None, announced())
    play.introduction.offer(OFFER)
    play.introduction.say()
    assert play.said == [(CONFIG, False)]


def test_without_discovery_and_without_a_past_nothing_is_said() -> None:
    play = Play(None)
    play.introduction.offer(OFFER)
    play.introduction.say()
    assert play.said == []
