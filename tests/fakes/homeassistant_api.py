"""What Home Assistant answers over REST and WebSocket, asked as its own user interface asks."""

import asyncio
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

Json = dict[str, Any]
States = Mapping[str, Json]
"""Entity id → state, as the API has it: `state`, `attributes`, `last_changed`."""

WAIT_S = 30.0
POLL_S = 0.05


class RefusedError(Exception):
    """Home Assistant said no; the text is its own."""


class Session:
    """One WebSocket, logged in; what it has subscribed to collects in `events`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[Json] = []
        self._id = 0

    async def command(self, kind: str, **fields: Any) -> Any:
        """The result of one command of the WebSocket API."""
        self._id += 1
        await self.socket.send(json.dumps({"id": self._id, "type": kind, **fields}))
        while (answer := await self._received())["id"] != self._id or answer["type"] != "result":
            self._keep(answer)
        if not answer["success"]:
            raise RefusedError(f"{kind}: {answer['error']['message']}")
        return answer["result"]

    async def until_event(self, is_it: Callable[[Json], bool], timeout_s: float = WAIT_S) -> Json:
        """The first event so far, or to come, that is the one."""
        try:
            async with asyncio.timeout(timeout_s):
                while not (found := [event for event in self.events if is_it(event)]):
                    self._keep(await self._received())
        except TimeoutError:
            raise AssertionError(f"no such event in {timeout_s} s; so far: {self.events}") from None
        return found[0]

    async def _received(self) -> Json:
        answer: Json = json.loads(await self.socket.recv())
        return answer

    def _keep(self, answer: Json) -> None:
        if answer["type"] == "event":
            self.events.append(answer["event"])


class Api:
    """A running Home Assistant, asked by the user whose token this is."""

    def __init__(self, port: int, token: str = "") -> None:
        self.port = port
        self.token = token

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- raw ----------------------------------------------------------------------------------------------------

    async def get(self, path: str) -> Any:
        """What `/api/…` or `/auth/…` answers."""
        return await asyncio.to_thread(self._asked, path, None)

    async def post(self, path: str, body: object = None) -> Any:
        """What it answers to a body of JSON."""
        return await asyncio.to_thread(self._asked, path, json.dumps({} if body is None else body).encode())

    async def post_form(self, path: str, fields: Mapping[str, str]) -> Any:
        """What it answers to the fields of a form, as at `/auth/token`."""
        return await asyncio.to_thread(self._asked, path, urllib.parse.urlencode(fields).encode(), "form")

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A WebSocket of one's own, for several commands or for events."""
        async with connect(f"ws://127.0.0.1:{self.port}/api/websocket", max_size=None, proxy=None) as socket:
            await socket.recv()  # auth_required
            await socket.send(json.dumps({"type": "auth", "access_token": self.token}))
            answer = json.loads(await socket.recv())
            if answer["type"] != "auth_ok":
                raise RefusedError(str(answer))
            yield Session(socket)

    async def command(self, kind: str, **fields: Any) -> Any:
        """One command over a WebSocket of its own."""
        async with self.session() as session:
            return await session.command(kind, **fields)

    def _asked(self, path: str, body: bytes | None, kind: str = "json") -> Any:
        form = {"json": "application/json", "form": "application/x-www-form-urlencoded"}[kind]
        headers = {"Content-Type": form} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        request = urllib.request.Request(self.url + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as response:
                text = response.read().decode()
                return json.loads(text) if "json" in response.headers.get("Content-Type", "") else text
        except urllib.error.HTTPError as error:
            raise RefusedError(f"{path}: {error.code} {error.read().decode(errors='replace')}") from None

    # --- states -------------------------------------------------------------------------------------------------

    async def states(self) -> States:
        return {state["entity_id"]: state for state in await self.get("/api/states")}

    async def until(self, holds: Callable[[States], object], timeout_s: float = WAIT_S) -> States:
        """The states as soon as the condition holds; an entity that is not there yet may raise a KeyError."""
        deadline = time.monotonic() + timeout_s
        while True:
            states = await self.states()
            try:
                if holds(states):
                    return states
            except KeyError:
                pass
            assert time.monotonic() < deadline, f"not in {timeout_s} s: {shown(states)}"
            await asyncio.sleep(POLL_S)

    async def until_state(self, entity_id: str, state: str, timeout_s: float = WAIT_S) -> Json:
        """The whole state of an entity as soon as it is the wanted one."""
        states = await self.until(lambda states: states[entity_id]["state"] == state, timeout_s)
        return states[entity_id]

    async def call(self, service: str, entity_id: str | None = None, **data: object) -> None:
        """Call a service such as `select.select_option` on an entity, as an automation does."""
        domain, _, name = service.partition(".")
        target = {} if entity_id is None else {"entity_id": entity_id}
        await self.command("call_service", domain=domain, service=name, service_data=data, target=target)

    async def render(self, template: str) -> str:
        return str(await self.post("/api/template", {"template": template}))

    # --- registries ---------------------------------------------------------------------------------------------

    async def entities(self, platform: str = "mqtt") -> dict[str, Json]:
        """Entity id → entry of the registry, of one integration."""
        entries = await self.command("config/entity_registry/list")
        return {entry["entity_id"]: entry for entry in entries if entry["platform"] == platform}

    async def devices(self) -> dict[str, Json]:
        """Identifier → entry of the registry, for each device that MQTT brought."""
        entries = await self.command("config/device_registry/list")
        return {
            identifier: entry for entry in entries for domain, identifier in entry["identifiers"] if domain == "mqtt"
        }

    async def triggers(self, device_id: str) -> list[Json]:
        """The device triggers that the user interface offers for a device."""
        found: list[Json] = await self.command("device_automation/trigger/list", device_id=device_id)
        return found

    # --- what it complains about --------------------------------------------------------------------------------

    async def system_log(self) -> list[Json]:
        """Warnings and errors as the user interface shows them."""
        records: list[Json] = await self.command("system_log/list")
        return records

    async def issues(self) -> list[Json]:
        """What stands under Repairs."""
        answer = await self.command("repairs/list_issues")
        return [issue for issue in answer["issues"] if not issue["ignored"]]

    # --- what a user adds ---------------------------------------------------------------------------------------

    async def check(self) -> str:
        """What is wrong with the files of the configuration; empty when nothing is."""
        answer = await self.post("/api/config/core/check_config")
        return "\n".join(str(answer[kind]) for kind in ("errors", "warnings") if answer.get(kind))

    async def save_automation(self, name: str, config: Json) -> str:
        """Save an automation as its editor does; the entity id, once it runs. RefusedError when it is not valid."""
        await self.post(f"/api/config/automation/config/{name}", {"alias": name, **config})
        entities = await self.until(lambda states: automation_named(states, name))
        return automation_named(entities, name)

    async def save_dashboard(self, config: Json, url_path: str | None = None) -> list[str]:
        """Save a dashboard; the entities that it names and that do not exist."""
        path = {} if url_path is None else {"url_path": url_path}
        if url_path is not None:
            await self.command("lovelace/dashboards/create", url_path=url_path, title=url_path, mode="storage")
        await self.command("lovelace/config/save", config=config, **path)
        known = await self.states()
        return sorted(entity for entity in entities_in(config) if entity not in known)

    async def save_blueprint(self, domain: str, path: str, text: str) -> Json:
        """Save a blueprint below `blueprints/<domain>/`; its metadata as read back."""
        await self.command("blueprint/save", domain=domain, path=path, yaml=text, allow_override=True)
        listed = await self.command("blueprint/list", domain=domain)
        entry: Json = listed[path if path.endswith(".yaml") else f"{path}.yaml"]
        if "error" in entry:
            raise RefusedError(entry["error"])
        metadata: Json = entry["metadata"]
        return metadata


def automation_named(states: States, name: str) -> str:
    """The entity id of the automation with this id; empty when there is none."""
    found = (entity for entity, state in states.items() if state["attributes"].get("id") == name)
    return next((entity for entity in found if entity.startswith("automation.")), "")


def entities_in(config: object, key: str = "") -> set[str]:
    """What stands below `entity` and `entities`, anywhere in the configuration of a dashboard."""
    if isinstance(config, dict):
        return set().union(*(entities_in(value, name) for name, value in config.items()))
    if isinstance(config, list):
        return set().union(*(entities_in(value, key) for value in config))
    return {config} if isinstance(config, str) and key in ("entity", "entities", "entity_id") else set()


def shown(states: States) -> str:
    """For a message: one line for each entity."""
    return "\n".join(f"{entity} = {state['state']!r}" for entity, state in sorted(states.items()))
