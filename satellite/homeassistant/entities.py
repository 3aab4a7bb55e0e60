"""Entities: what Home Assistant is told that a satellite has, each as its discovery configuration.

All are named for people in English, as parts of their device ("Kitchen" + "Transcript"). Texts reach Home Assistant
whole in attributes; a state holds at most 255 characters, so it is cut at a word before that.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from satellite.homeassistant.bodies import State
from satellite.homeassistant.commands import AUTO, OFF
from satellite.homeassistant.languages import language_name
from satellite.homeassistant.topics import Topics

STATES = get_args(get_args(State)[0])
STATE_CHARACTERS_MAX = 250

Component = dict[str, object]
"""A discovery configuration; `platform` says what it is."""

_NO_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Offer:
    """What a satellite can do at present; tags are BCP 47, each list as it is to be offered."""

    sources: tuple[str, ...]
    spoken: tuple[str, ...]
    targets: tuple[str, ...]
    """Those that are translated to."""
    translates: bool
    speaks: bool


def components(topics: Topics, node: str, offer: Offer) -> dict[str, Component]:
    """Every entity and device trigger by its key; `node` begins the unique ids."""
    found = {
        **_texts(topics, offer.targets),
        **_conditions(topics),
        **_controls(topics),
        **_choices(topics, offer),
        **_diagnostics(topics),
        **_triggers(topics),
    }
    for key, component in found.items():
        if component["platform"] != "device_automation":
            component["unique_id"] = f"{node}_{key}"
            component["default_entity_id"] = f"{component['platform']}.{slug(topics.satellite_id)}_{key}"
    return found


def with_present(options: Sequence[str], present: str | None, *, detects: bool = False) -> tuple[str, ...]:
    """The options of a choice, with what is set at present among them and `auto` first where it can be chosen."""
    first = (AUTO,) if detects or present == AUTO else ()
    rest = {tag for tag in (*options, present) if tag is not None and tag != AUTO}
    return (*first, *sorted(rest))


def translation_key(language: str) -> str:
    """The key of a language's sensor: `translation_pt_br`."""
    return f"translation_{slug(language) or 'other'}"


def slug(text: str) -> str:
    """What may stand in an entity id: a-z, 0-9 and _."""
    return _NO_SLUG.sub("_", text.lower()).strip("_")


# --- text -----------------------------------------------------------------------------------------------------------


def _texts(topics: Topics, targets: Sequence[str]) -> dict[str, Component]:
    source = "value_json.source.text"
    found: dict[str, Component] = {
        "transcript": _text(topics, "Transcript", source, _SOURCE_ATTRIBUTES, "mdi:account-voice")
    }
    for language in targets:
        text = f"value_json.translations.get({language!r})"
        name = f"{language_name(language)} translation"
        attributes = _TRANSLATION_ATTRIBUTES.replace("LANGUAGE", repr(language))
        found[translation_key(language)] = _text(topics, name, text, attributes, "mdi:translate")
    found["utterance"] = {
        "platform": "event",
        "name": "Utterance",
        "icon": "mdi:message-text",
        "state_topic": topics.utterance,
        "event_types": ["utterance"],
        "value_template": "{{ dict(value_json, event_type='utterance') | to_json }}",
    }
    return found


def _text(topics: Topics, name: str, text: str, attributes: str, icon: str) -> Component:
    """A sensor of the last utterance that had this text; one without it (a noise) changes nothing."""
    chosen = f"{attributes} if {text} else this.attributes"
    return {
        "platform": "sensor",
        "name": name,
        "icon": icon,
        "state_topic": topics.utterance,
        "value_template": f"{{{{ ({text} or this.state) | truncate({STATE_CHARACTERS_MAX}, false, '…', 0) }}}}",
        "json_attributes_topic": topics.utterance,
        "json_attributes_template": f"{{{{ ({chosen}) | to_json }}}}",
    }


_TIMES = "start=value_json.start, end=value_json.end, utterance_id=value_json.id, complete=value_json.complete"
_SOURCE_ATTRIBUTES = (
    f"dict(text=value_json.source.text, language=value_json.source.language, {_TIMES}, "
    "translations=value_json.translations)"
)
_TRANSLATION_ATTRIBUTES = (
    f"dict(text=value_json.translations.get(LANGUAGE), language=LANGUAGE, {_TIMES}, source=value_json.source, "
    "translations=value_json.translations)"
)


# --- conditions -----------------------------------------------------------------------------------------------------


def _conditions(topics: Topics) -> dict[str, Component]:
    return {
        "state": {
            "platform": "sensor",
            "name": "State",
            "icon": "mdi:state-machine",
            "device_class": "enum",
            "options": list(STATES),
            "state_topic": topics.state,
        },
        "voice_activity": {
            "platform": "binary_sensor",
            "name": "Voice activity",
            "icon": "mdi:waveform",
            "device_class": "occupancy",
            "state_topic": topics.state,
            "value_template": "{{ 'ON' if value == 'listening' else 'OFF' }}",
        },
        "cloud_connection": {
            "platform": "binary_sensor",
            "name": "Cloud connection",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": topics.cloud,
            "value_template": "{{ 'OFF' if value == 'lost' else 'ON' }}",
        },
        "problem": {
            "platform": "binary_sensor",
            "name": "Problem",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": topics.problem,
            "value_template": "{{ 'ON' if value_json.active else 'OFF' }}",
            "json_attributes_topic": topics.problem,
            "json_attributes_template": (
                "{{ dict(code=value_json.code | default(none), message=value_json.message | default(none), "
                "hint=value_json.hint | default(none), since=value_json.since | default(none)) | to_json }}"
            ),
        },
    }


# --- controls -------------------------------------------------------------------------------------------------------


def _controls(topics: Topics) -> dict[str, Component]:
    return {
        "mute": {
            "platform": "switch",
            "name": "Mute",
            "icon": "mdi:microphone-off",
            "command_topic": topics.command("mute"),
            "state_topic": topics.settings,
            "value_template": "{{ 'ON' if value_json.mute else 'OFF' }}",
        },
        "volume": {
            "platform": "number",
            "name": "Volume",
            "icon": "mdi:volume-high",
            "min": 0,
            "max": 100,
            "step": 1,
            "unit_of_measurement": "%",
            "command_topic": topics.command("volume"),
            "state_topic": topics.settings,
            "value_template": "{{ value_json.volume }}",
        },
        "stop_speech": _button("Stop speech", "mdi:stop", topics.command("stop_speech")),
        "restart_session": {
            **_button("Restart session", "mdi:cloud-refresh", topics.command("restart_session")),
            "entity_category": "config",
        },
        "restart": {
            **_button("Restart", None, topics.command("restart")),
            "device_class": "restart",
            "entity_category": "config",
        },
    }


def _button(name: str, icon: str | None, command_topic: str) -> Component:
    button: Component = {"platform": "button", "name": name, "command_topic": command_topic, "payload_press": "PRESS"}
    return button if icon is None else {**button, "icon": icon}


def _choices(topics: Topics, offer: Offer) -> dict[str, Component]:
    found: dict[str, Component] = {
        "source_language": _select(
            topics, "Source language", "source_language", offer.sources, "{{ value_json.source_language }}"
        )
    }
    if offer.translates:
        found["target_languages"] = {
            "platform": "text",
            "name": "Target languages",
            "icon": "mdi:translate",
            "entity_category": "config",
            "min": 0,
            "max": 255,
            "command_topic": topics.command("target_languages"),
            "command_template": "{{ value or '[]' }}",
            "state_topic": topics.settings,
            "value_template": "{{ value_json.target_languages | join(', ') }}",
        }
    if offer.speaks:
        found["speech_language"] = _select(
            topics,
            "Speech language",
            "speech_language",
            (OFF, *offer.spoken),
            f"{{{{ value_json.speech_language or '{OFF}' }}}}",
        )
    return found


def _select(topics: Topics, name: str, command: str, options: Sequence[str], value: str) -> Component:
    return {
        "platform": "select",
        "name": name,
        "icon": "mdi:account-voice" if command == "source_language" else "mdi:bullhorn",
        "entity_category": "config",
        "options": list(options),
        "command_topic": topics.command(command),
        "state_topic": topics.settings,
        "value_template": value,
    }


# --- diagnostics ----------------------------------------------------------------------------------------------------


def _diagnostics(topics: Topics) -> dict[str, Component]:
    minutes: Component = {"unit_of_measurement": "min", "device_class": "duration", "suggested_display_precision": 1}
    latency: Component = {"unit_of_measurement": "ms", "device_class": "duration", "suggested_display_precision": 0}
    return {
        "streamed_today": _figure(
            "Streamed today", topics.usage, "{{ (value_json.streamed_s / 60) | round(2) }}", _TOTAL | minutes
        ),
        "billed_today": _figure(
            "Billed today", topics.usage, "{{ (value_json.billed_s / 60) | round(2) }}", _TOTAL | minutes
        ),
        "lost_audio": _figure(
            "Lost audio",
            topics.health,
            "{{ value_json.lost_audio_ms / 1000 }}",
            _TOTAL | {"unit_of_measurement": "s", "device_class": "duration", "suggested_display_precision": 1},
        ),
        "reconnects": _figure(
            "Reconnects", topics.health, "{{ value_json.reconnects }}", _TOTAL | {"icon": "mdi:connection"}
        ),
        "latency": _figure("Latency", topics.health, "{{ value_json.latency_ms.uplink_p50 }}", _PRESENT | latency),
        "latency_p95": _figure(
            "Latency 95 %", topics.health, "{{ value_json.latency_ms.uplink_p95 }}", _PRESENT | latency | _HIDDEN
        ),
        "outbox": _figure(
            "Waiting messages", topics.health, "{{ value_json.outbox }}", _PRESENT | _HIDDEN | {"icon": "mdi:tray-full"}
        ),
        "memory": _figure(
            "Memory",
            topics.health,
            "{{ (value_json.rss_bytes / 1048576) | round(1) }}",
            _PRESENT | _HIDDEN | {"unit_of_measurement": "MiB", "device_class": "data_size"},
        ),
        "version": _figure("Version", topics.health, "{{ value_json.version }}", _HIDDEN | {"icon": "mdi:tag"}),
    }


_TOTAL: Component = {"state_class": "total_increasing"}
"""Grows until it begins anew."""
_PRESENT: Component = {"state_class": "measurement"}
_HIDDEN: Component = {"enabled_by_default": False}


def _figure(name: str, topic: str, value: str, more: Component) -> Component:
    return {
        "platform": "sensor",
        "name": name,
        "entity_category": "diagnostic",
        "state_topic": topic,
        "value_template": value,
        **more,
    }


# --- device triggers ------------------------------------------------------------------------------------------------


def _triggers(topics: Topics) -> dict[str, Component]:
    problem = "{{ 'raised' if value_json.active else 'cleared' }}"
    return {
        "trigger_utterance": _trigger("said", "utterance", topics.utterance, None, None),
        "trigger_speech_started": _trigger("started", "speech", topics.speech, "{{ value_json.event }}", "started"),
        "trigger_speech_finished": _trigger("finished", "speech", topics.speech, "{{ value_json.event }}", "finished"),
        "trigger_problem": _trigger("raised", "problem", topics.problem, problem, "raised"),
    }


def _trigger(kind: str, subtype: str, topic: str, value: str | None, payload: str | None) -> Component:
    trigger: Component = {
        "platform": "device_automation",
        "automation_type": "trigger",
        "type": kind,
        "subtype": subtype,
        "topic": topic,
    }
    return trigger if value is None else {**trigger, "value_template": value, "payload": payload}
