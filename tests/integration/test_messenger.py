"""The messenger and its visits at a real mosquitto."""

import asyncio
import json
from typing import Any

import pytest

from satellite.adapters.mqtt_settings import MqttSettings
from satellite.app.messenger import Messenger
from satellite.app.visiting import first, visit
from satellite.errors import BrokerError, ErrorCategory
from satellite.homeassistant.errand import UNANSWERED, Errand, Outcome
from satellite.homeassistant.messages import Message
from satellite.homeassistant.order import Order
from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.mqtt_link import old_broker
from tests.fakes.onlooking import BASE, say

PATIENCE_S = 30.0
SETTINGS = {"mute": False, "volume": 80, "source_language": "en", "target_languages": [], "speech_language": None}


async def obeying(link: Subscriber, topic: str) -> None:
    """The kitchen turns its volume to 35 when it is told to."""
    await link.until(lambda seen: bool(seen.on(topic)), PATIENCE_S)
    await link.send(f"{BASE}/kitchen/settings", json.dumps(SETTINGS | {"volume": 35}), retain=True)


@pytest.mark.parametrize(("ids", "topic"), [(("kitchen",), "kitchen/set/volume"), ((), "all/set/volume")])
async def test_it_tells_and_hears_the_answer(broker: Broker, ids: tuple[str, ...], topic: str) -> None:
    errand = Errand(BASE, Order("volume", b"35"), ids)
    async with subscriber(broker.port, f"{BASE}/+/set/#") as link, asyncio.TaskGroup() as group:
        await say(link, "kitchen", settings=json.dumps(SETTINGS))
        group.create_task(obeying(link, f"{BASE}/{topic}"))
        await Messenger(MqttSettings("127.0.0.1", broker.port), errand).run(PATIENCE_S)
    assert errand.outcomes() == {"kitchen": Outcome("done")}


async def test_a_thousand_answer_at_once(broker: Broker) -> None:
    errand = Errand(BASE, Order("volume", b"35"))
    ids = [f"s{number:04}" for number in range(1000)]

    async def chorus(link: Subscriber, volume: int) -> None:
        settings = json.dumps(SETTINGS | {"volume": volume})
        for one in ids:
            await link.client.publish(f"{BASE}/{one}/settings", settings, qos=0, retain=True)
            await link.client.publish(f"{BASE}/{one}/availability", "online", qos=0, retain=True)
        await link.send("sung", b"")

    async def answering(link: Subscriber) -> None:
        await link.until(lambda seen: bool(seen.on(f"{BASE}/all/set/volume")), PATIENCE_S)
        await chorus(link, 35)

    async with subscriber(broker.port, f"{BASE}/all/set/#") as link, asyncio.TaskGroup() as group:
        await chorus(link, 80)
        group.create_task(answering(link))
        await Messenger(MqttSettings("127.0.0.1", broker.port), errand).run(PATIENCE_S)
    assert errand.outcomes() == dict.fromkeys(ids, Outcome("done"))


async def test_time_is_up(broker: Broker) -> None:
    errand = Errand(BASE, Order("volume", b"35"), ("kitchen",))
    async with subscriber(broker.port, f"{BASE}/+/set/#") as link:
        await say(link, "kitchen", settings=json.dumps(SETTINGS))
        await Messenger(MqttSettings("127.0.0.1", broker.port), errand).run(0.2)
    assert errand.outcomes() == {"kitchen": UNANSWERED}


async def test_a_broker_that_cannot_be_reached() -> None:
    with pytest.raises(BrokerError, match="cannot be reached"):
        await Messenger(MqttSettings("127.0.0.1", 9), Errand(BASE, Order("mute", b"ON"))).run(1.0)


async def test_a_visitor_leaves_no_trace(broker: Broker) -> None:
    async with subscriber(broker.port) as link:
        async with visit(MqttSettings("127.0.0.1", broker.port), "trial") as connection:
            await connection.publish(Message("said", b"x"))
        await link.send("end", b"")
        await link.until(lambda seen: bool(seen.on("end")))
    assert [one.topic for one in link.received] == ["said", "end"]
    assert "as voice-satellite-trial-" in broker.log


async def test_an_older_broker_is_visited_too() -> None:
    async with old_broker() as (_, port), visit(MqttSettings("127.0.0.1", port), "trial") as connection:
        assert await connection.look_on(("x",)) == []


def test_the_first_of_many_troubles() -> None:
    trouble = BrokerError(ErrorCategory.SERVER, "first")
    inner: Any = ExceptionGroup("", [trouble, BrokerError(ErrorCategory.SERVER, "second")])
    assert first(ExceptionGroup("", [inner])) is trouble
