"""Discovery: how Home Assistant learns of a satellite, and how it forgets what is no longer there.

Two styles: one retained message for the whole device (Home Assistant 2024.12 and newer), or one for each component.
What was announced before is compared with what is announced now: only what is gone is cleared. A change of style hands
entities over (`migrate_discovery`), so that names and rooms which a person gave them stay.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from satellite.homeassistant.entities import Component, Offer, components
from satellite.homeassistant.messages import Delivery, Message
from satellite.homeassistant.topics import OFFLINE, ONLINE, Topics

Style = Literal["device", "components"]

GONE_MAX = 32
"""Components of before that are remembered."""

_MIGRATE = b'{"migrate_discovery":true}'


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is announced, and how."""

    topics: Topics
    name: str
    area: str | None
    version: str
    prefix: str
    style: Style
    retains_texts: bool = False
    """Whether transcripts and translations are retained too."""

    @property
    def node(self) -> str:
        """The part of discovery topics and unique ids that is this satellite's own."""
        return node_of(self.topics)

    @property
    def filter(self) -> str:
        """All discovery topics of this satellite."""
        return filter_of(self.prefix, self.topics)

    @property
    def trial_topic(self) -> str:
        """Allowed where discovery is, and read by nobody."""
        return f"{self.prefix}/device/{self.node}/trial"

    @property
    def birth_topic(self) -> str:
        """Where Home Assistant says that it has started."""
        return birth_topic(self.prefix)


@dataclass(frozen=True, slots=True)
class Announced:
    """What Home Assistant was told: enough to take it back."""

    prefix: str
    style: Style
    node: str
    root: str
    platforms: dict[str, str]
    """Of each component, by key."""
    retained: tuple[str, ...] = ()
    """Topics of the satellite at which something may be retained."""
    gone: dict[str, str] = field(default_factory=dict)
    """Components of before, by key: said to be gone again and again, as Home Assistant may be away at any time."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Its discovery topics."""
        if self.style == "device":
            return (f"{self.prefix}/device/{self.node}/config",)
        return tuple(self.topic(key) for key in self.platforms)

    def topic(self, key: str) -> str:
        """Where one component is announced by itself."""
        return f"{self.prefix}/{self.platforms[key]}/{self.node}/{key}/config"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to publish, step by step: each once Home Assistant has taken in the one before."""

    steps: tuple[tuple[Message, ...], ...]
    announced: Announced
    """True once all of it is published."""


def node_of(topics: Topics) -> str:
    """The part of discovery topics and unique ids that is one satellite's own."""
    return f"voice_satellite_{topics.satellite_id}"


def filter_of(prefix: str, topics: Topics) -> str:
    """All discovery topics of one satellite."""
    return f"{prefix}/+/{node_of(topics)}/#"


def birth_topic(prefix: str) -> str:
    """Where Home Assistant says that it has started."""
    return f"{prefix}/status"


def plan(identity: Identity, offer: Offer, before: Announced | None) -> Plan:
    """Announce what there is, and clear what there was before and is no longer."""
    found = components(identity.topics, identity.node, offer)
    announced = _announced(identity, offer, found)
    if before is None:
        return Plan((_announcement(identity, announced, found),), announced)
    if (before.prefix, before.node) != (announced.prefix, announced.node) or before.root != announced.root:
        announcement = (*map(_cleared, before.topics), *_announcement(identity, announced, found))
        return Plan(_steps(announcement, before, announced), announced)
    gone = {key: platform for key, platform in (before.gone | before.platforms).items() if key not in found}
    announced = replace(announced, gone=dict(list(gone.items())[-GONE_MAX:]))
    announcement = _announcement(identity, announced, found)
    if before.style == announced.style:
        stale = (topic for topic in before.topics if topic not in announced.topics)
        return Plan(_steps((*announcement, *map(_cleared, stale)), before, announced), announced)
    handed_over = tuple(_latest(topic, _MIGRATE) for topic in before.topics)
    return Plan((handed_over, announcement, tuple(map(_cleared, before.topics))), announced)


def _steps(first: tuple[Message, ...], before: Announced, now: Announced) -> tuple[tuple[Message, ...], ...]:
    """What is retained is cleared after the entities that would read it are gone."""
    stale = tuple(_cleared(topic) for topic in before.retained if topic not in now.retained)
    return (first, stale) if stale else (first,)


def withdrawal(announced: Announced) -> tuple[Message, ...]:
    """Clear what was announced."""
    return tuple(map(_cleared, announced.topics))


def announced_from(stored: object) -> Announced | None:
    """What was kept of an earlier announcement (`as_stored`); None when it is of no use."""
    match stored:
        case {
            "prefix": str(prefix),
            "style": "device" | "components" as style,
            "node": str(node),
            "root": str(root),
            "platforms": dict(platforms),
            "retained": list(retained),
            "gone": dict(gone),
        } if all(isinstance(text, str) for text in (*platforms.values(), *retained, *gone.values())):
            return Announced(prefix, style, node, root, platforms, tuple(retained), gone)
    return None


def as_stored(announced: Announced) -> dict[str, object]:
    """Plain values that `announced_from` reads again."""
    return {
        "prefix": announced.prefix,
        "style": announced.style,
        "node": announced.node,
        "root": announced.root,
        "platforms": dict(announced.platforms),
        "retained": list(announced.retained),
        "gone": dict(announced.gone),
    }


def _announced(identity: Identity, offer: Offer, found: Mapping[str, Component]) -> Announced:
    platforms = {key: str(component["platform"]) for key, component in found.items()}
    topics = identity.topics
    texts = [topics.transcript, topics.utterance, *map(topics.translation, offer.targets)]
    standing = [topics.availability, topics.state, topics.problem, topics.health, topics.settings]
    retained = (*standing, topics.usage, topics.cloud, *(texts if identity.retains_texts else ()))
    return Announced(identity.prefix, identity.style, identity.node, topics.root, platforms, retained)


def _announcement(identity: Identity, announced: Announced, found: Mapping[str, Component]) -> tuple[Message, ...]:
    shared = _shared(identity)
    if identity.style == "device":
        gone: dict[str, Component] = {key: {"platform": platform} for key, platform in announced.gone.items()}
        return (_latest(announced.topics[0], _json({**shared, "components": {**found, **gone}})),)
    return tuple(_latest(announced.topic(key), _json({**shared, **_alone(each)})) for key, each in found.items())


def _alone(component: Component) -> Component:
    """A component in a message of its own: the topic says its platform, and older versions look for `object_id`."""
    alone = {key: value for key, value in component.items() if key != "platform"}
    if "default_entity_id" in component:
        alone["object_id"] = str(component["default_entity_id"]).partition(".")[2]
    return alone


def _shared(identity: Identity) -> dict[str, object]:
    device: dict[str, object] = {
        "identifiers": [identity.node],
        "name": identity.name,
        "manufacturer": "voice-satellite",
        "model": "Voice satellite",
        "sw_version": identity.version,
    }
    if identity.area is not None:
        device["suggested_area"] = identity.area
    return {
        "device": device,
        "origin": {"name": "voice-satellite", "sw_version": identity.version},
        "availability": [
            {
                "topic": identity.topics.availability,
                "payload_available": ONLINE.decode(),
                "payload_not_available": OFFLINE.decode(),
            }
        ],
        "qos": 1,
    }


def _latest(topic: str, payload: bytes) -> Message:
    return Message(topic, payload, True, 1, Delivery.LATEST)


def _cleared(topic: str) -> Message:
    """Nothing is retained there any longer."""
    return _latest(topic, b"")


def _json(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
