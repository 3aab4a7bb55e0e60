"""Requests and tokens of the DeepL emulator by a raw client: every broken rule is caught and answered."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from satellite.emulator.conversation import Truth
from satellite.emulator.deepl.admission import Admission
from satellite.emulator.deepl.rest import REALTIME_PATH
from satellite.emulator.deepl.schema import SessionConfig, check_request
from satellite.emulator.deepl.service import CONNECT_PATH, Service
from satellite.emulator.deepl.settings import DeepLLimits
from satellite.emulator.deepl.tokens import Session
from satellite.emulator.faults import Fault
from satellite.emulator.report import Ledger
from satellite.emulator.speech import Synthesiser
from tests.fakes.emulated import SETTINGS, emulated, rules
from tests.fakes.rawdeepl import DATA, PCM_16K, RawClient, request

# ---- REST rules

PostChange = dict[str, Any]


@pytest.mark.parametrize(
    ("extra", "rule"),
    [
        ({"target_languages": ["de", "fr", "it", "es", "nl", "pl"]}, "too_many_items"),
        ({"target_media_languages": ["de", "fr"]}, "too_many_items"),
        ({"glossary_id": "a", "glossary_ids": ["b"]}, "both_glossary_fields"),
        ({"early_access_experimental_mode": True}, "unknown_field"),
        ({"formality": "prefer_less"}, "bad_value"),
    ],
)
async def test_a_bad_request_is_a_400_and_recorded(extra: PostChange, rule: str) -> None:
    async with emulated() as (emulator, client):
        answer = await client.post(**extra)
        assert answer.status == 400
        assert set(answer.json) == {"message", "code"}
        assert rules(emulator) == [rule]
        assert emulator.sessions == []


async def test_missing_content_type_field() -> None:
    async with emulated() as (emulator, client):
        assert (await client.post({})).status == 400
        assert rules(emulator) == ["missing_field"]


@pytest.mark.parametrize(
    ("path", "headers", "status", "rule"),
    [
        ("/v3/voice/realtime", {"Authorization": "Bearer {key}"}, 401, "bad_authorization"),
        ("/v3/voice/realtime", {}, 401, "bad_authorization"),
        ("/v3/voice/realtime?auth_key={key}", {"Authorization": "DeepL-Auth-Key {key}"}, 403, "auth_in_query"),
        ("/v3/voice/realtime", {"Authorization": "DeepL-Auth-Key {key}:fx"}, 403, "free_key"),
        ("/v3/voice/realtime?a=b", {"Authorization": "DeepL-Auth-Key {key}"}, 400, "unexpected_query"),
        (
            "/v3/voice/realtime",
            {"Authorization": "DeepL-Auth-Key {key}", "X-DeepL-Reporting-Tag": "two words"},
            400,
            "bad_reporting_tag",
        ),
        (
            "/v3/voice/realtime",
            {"Authorization": "DeepL-Auth-Key {key}", "Content-Type": "text/plain"},
            400,
            "bad_content_type",
        ),
    ],
)
async def test_header_and_query_rules(path: str, headers: dict[str, str], status: int, rule: str) -> None:
    async with emulated() as (emulator, client):
        filled = {name: value.format(key=client.api_key) for name, value in headers.items()}
        body = json.dumps({"source_media_content_type": PCM_16K}).encode()
        filled = {"Content-Type": "application/json", **filled}
        answer = await request(emulator.base_url, "POST", path.format(key=client.api_key), filled, body)
        assert answer.status == status
        assert rules(emulator) == [rule]


async def test_a_wrong_key_is_a_401_and_trying_again_is_noticed() -> None:
    async with emulated() as (emulator, client):
        client.api_key = "wrong"
        assert (await client.post()).status == 401
        assert rules(emulator) == []
        assert (await client.post()).status == 401
        assert rules(emulator) == ["retry_after_401"]


async def test_a_source_that_cannot_be_detected_must_be_named(tmp_path: Path) -> None:
    labels = json.loads((DATA / "demo.labels.json").read_text())
    (tmp_path / "labels.json").write_text(json.dumps({**labels, "language": "hr"}))
    async with emulated(replace(SETTINGS, labels=tmp_path / "labels.json")) as (emulator, client):
        assert (await client.post(source_language="hr")).status == 200
        assert rules(emulator) == []
        assert (await client.post()).status == 200
        assert rules(emulator) == ["undetectable_language"]


async def test_no_speech_for_this_key() -> None:
    async with emulated(replace(SETTINGS, speech_enabled=False)) as (_, client):
        assert (await client.post(target_media_languages=["de"])).status == 403
        assert (await client.post(target_languages=["de"])).status == 200


async def test_too_many_sessions_is_a_429() -> None:
    async with emulated(replace(SETTINGS, limits=DeepLLimits(sessions=1))) as (emulator, client):
        await client.open()
        other = RawClient(emulator.base_url, emulator.api_key)
        assert (await other.post()).status == 429
        await client.finish()
        assert (await other.post()).status == 200


# ---- tokens


async def test_a_second_dial_with_one_token_kills_the_session() -> None:
    async with emulated() as (emulator, client):
        socket = await client.open()
        with pytest.raises(InvalidStatus):
            await client.dial()
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert rules(emulator) == ["token_reused"]
        assert (await client.get()).status == 400


async def test_an_outdated_token_kills_the_session() -> None:
    async with emulated() as (emulator, client):
        socket = await client.open()
        old = client.token
        socket.transport.abort()
        await client.get()
        assert (await client.get(old)).status == 400
        assert (await client.get()).status == 400
        assert rules(emulator) == ["outdated_token"]


async def test_a_socket_with_an_outdated_token_kills_the_session() -> None:
    async with emulated() as (emulator, client):
        await client.post()
        old = client.token
        await client.get()
        with pytest.raises(InvalidStatus):
            await client.dial(old)
        assert rules(emulator) == ["outdated_token"]
        assert emulator.sessions[0].death == "outdated_token"


async def test_a_token_must_be_percent_encoded() -> None:
    async with emulated() as (emulator, client):
        await client.post()
        path = f"/v3/voice/realtime?token={client.token}"
        assert (await request(emulator.base_url, "GET", path, client.auth)).status == 400
        assert rules(emulator) == ["token_not_percent_encoded"]


async def test_unknown_and_expired_tokens() -> None:
    async with emulated(replace(SETTINGS, limits=DeepLLimits(token_ttl_s=0.05))) as (emulator, client):
        await client.post()
        await asyncio.sleep(0.1)
        with pytest.raises(InvalidStatus):
            await client.dial()
        with pytest.raises(InvalidStatus):
            await client.dial("never-given")
        assert rules(emulator) == ["token_expired", "unknown_token"]


async def test_get_while_connected_closes_the_socket_and_is_recorded() -> None:
    async with emulated() as (emulator, client):
        socket = await client.open()
        assert (await client.get()).status == 200
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert rules(emulator) == ["get_while_connected"]


async def test_closing_first_and_then_get_is_fine() -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await client.close()
        assert (await client.get()).status == 200
        await client.dial()
        await client.finish()
    assert rules(emulator) == []


async def test_two_gets_in_flight() -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await asyncio.gather(client.get(), client.get())
        assert "concurrent_get" in rules(emulator)


async def test_a_session_not_resumed_in_time_has_expired() -> None:
    async with emulated(replace(SETTINGS, limits=DeepLLimits(resume_window_s=0.05))) as (emulator, client):
        socket = await client.open()
        socket.transport.abort()
        await asyncio.sleep(0.1)
        assert (await client.get()).status == 400
        assert rules(emulator) == []


async def test_other_paths_and_methods() -> None:
    async with emulated() as (emulator, client):
        assert (await request(emulator.base_url, "GET", "/v2/translate", client.auth)).status == 404
        assert (await request(emulator.base_url, "DELETE", REALTIME_PATH, client.auth)).status == 405
        await client.post()
        client.url = client.url.replace(CONNECT_PATH, "/v3/voice/elsewhere")
        with pytest.raises(InvalidStatus) as caught:
            await client.dial()
        assert caught.value.response.status_code == 404
        assert (await client.post(source_media_content_type="audio/mpeg")).status == 400
        assert rules(emulator) == []


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000])
async def test_a_body_that_is_no_json(body: bytes) -> None:
    async with emulated() as (emulator, client):
        headers = {**client.auth, "Content-Type": "application/json"}
        assert (await request(emulator.base_url, "POST", REALTIME_PATH, headers, body)).status == 400
        assert rules(emulator) == ["body_not_json"]


async def test_an_admitted_connection_finds_its_session_once() -> None:
    settings = replace(SETTINGS, faults=(Fault("slow", on="ws", delay_s=0.01),))
    shared = Service(
        settings, asyncio.get_running_loop().time, Truth(), Synthesiser("tones", None), Ledger(lambda: 0.0)
    )
    shared.faults.add(settings.faults[0])
    checked = check_request({"source_media_content_type": PCM_16K})
    assert isinstance(checked, SessionConfig)
    session = shared.book.open(checked, shared.clock())
    admission = Admission(shared)
    found: list[Session] = []

    async def handle(connection: ServerConnection) -> None:
        found.append(admission.session_of(connection))
        with pytest.raises(KeyError):
            admission.session_of(connection)

    async with serve(handle, "127.0.0.1", 0, process_request=admission.judge) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        client = RawClient("", "", token=session.newest.value, url=f"ws://127.0.0.1:{port}{CONNECT_PATH}")
        socket = await client.dial()
        await socket.wait_closed()
    assert found == [session]
    assert shared.faults.connections == 1


async def test_the_streaming_url_names_what_stands_in_between() -> None:
    async with emulated(replace(SETTINGS, advertised="localhost:1")) as (_, client):
        answer = await client.post()
    assert answer.json["streaming_url"] == f"ws://localhost:1{CONNECT_PATH}"
