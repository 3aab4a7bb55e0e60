"""Faults of the DeepL emulator act, its command serves, and TLS works."""

import asyncio
import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidMessage, InvalidStatus

from satellite.emulator.deepl.server import DeepLEmulator
from satellite.emulator.deepl.settings import DeepLSettings
from satellite.emulator.faults import Fault
from satellite.errors import MediaError
from tests.fakes.emulated import rules
from tests.fakes.rawdeepl import DATA, RawClient, demo_pcm

CHUNK = demo_pcm(1000, 1100)


@asynccontextmanager
async def failing(*faults: Fault) -> AsyncIterator[tuple[DeepLEmulator, RawClient]]:
    settings = DeepLSettings(
        recording=DATA / "demo.wav", labels=DATA / "demo.labels.json", speech="tones", faults=faults
    )
    async with DeepLEmulator(settings) as emulator:
        yield emulator, RawClient(emulator.base_url, emulator.api_key)


# ---- REST


@pytest.mark.parametrize("status", [400, 401, 403, 429, 456, 500, 503, 529])
async def test_a_status_once(status: int) -> None:
    async with failing(Fault("http", status=status)) as (_, client):
        answer = await client.post()
        assert (answer.status, "message" in answer.json) == (status, True)
        assert (await client.post(message_format="msgpack")).status == 200


async def test_bodies_of_the_edge() -> None:
    faults = [
        Fault("http", status=502, body="error"),
        Fault("http", status=503, body="text"),
        Fault("http", status=500, body="none"),
    ]
    async with failing(*faults) as (_, client):
        assert "message" in (await client.post()).json["error"]
        assert (await client.post()).body.startswith(b"<html>")
        assert (await client.post()).body == b""


async def test_retry_after_must_be_waited_for() -> None:
    async with failing(Fault("http", status=429, retry_after_s=5)) as (emulator, client):
        assert (await client.post()).headers["retry-after"] == "5"
        await client.post()
        assert rules(emulator) == ["retry_after_ignored"]


async def test_a_storm_of_retries_is_noticed() -> None:
    async with failing(Fault("http", status=503, count=-1)) as (emulator, client):
        for _ in range(6):
            await client.post()
        assert rules(emulator) == ["retry_storm"]


async def test_slow_and_reset_and_lost_answers() -> None:
    faults = [Fault("slow", on="POST", delay_s=0.2), Fault("reset", on="GET", skip=1), Fault("lose_answer", on="GET")]
    async with failing(*faults) as (emulator, client):
        before = asyncio.get_running_loop().time()
        await client.post()
        assert asyncio.get_running_loop().time() - before >= 0.2
        token = client.token
        # done, but the answer never came: the token is outdated without the client's fault
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.get()
        assert client.token == token
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.get()
        assert (await client.get()).status == 400
        assert rules(emulator) == []


async def test_refused_for_a_while_on_both_ports() -> None:
    async with failing() as (emulator, client):
        await client.post()
        ports = [urlsplit(emulator.base_url).port, urlsplit(client.url).port]
        emulator.inject(Fault("refuse", for_s=0.5))
        await asyncio.sleep(0.1)
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.7)
        await client.open()
        await client.finish()
        assert rules(emulator) == []


async def test_lost_sessions_and_stale_tokens() -> None:
    async with failing(Fault("token", what="stale", on="POST")) as (emulator, client):
        await client.post()
        with pytest.raises(InvalidStatus):
            await client.dial()
        emulator.inject(Fault("token", what="lost"))
        await client.open()
        await client.close()
        assert (await client.get()).status == 400
        assert rules(emulator) == []


# ---- the socket


async def test_handshakes_fail() -> None:
    async with failing(Fault("handshake", status=502), Fault("reset", on="ws")) as (emulator, client):
        await client.post()
        with pytest.raises(InvalidMessage):
            await client.dial()
        await client.post()
        with pytest.raises(InvalidStatus) as refused:
            await client.dial()
        assert refused.value.response.status_code == 502
        assert (await client.get()).status == 200
        await client.dial()
        await client.finish()
        assert rules(emulator) == []


async def _lose(client: RawClient, chunks: int) -> ConnectionClosed:
    """Send until the connection is lost; returns how."""
    await client.stream(CHUNK * chunks)
    while True:
        try:
            await asyncio.wait_for(client.receive(), 5)
        except ConnectionClosed as lost:
            return lost


async def test_cuts() -> None:
    async with failing(Fault("cut", after_chunks=3)) as (emulator, client):
        await client.open()
        lost = await _lose(client, 6)
        assert isinstance(lost, ConnectionClosedError)
        assert lost.rcvd is None
        assert len(emulator.sessions[0].connections[0].arrivals) == 3
        assert (await client.get()).status == 200
        emulator.inject(Fault("cut", at_s=0.2, how="close", code=1012))
        await client.dial()
        lost = await _lose(client, 8)
        assert lost.rcvd is not None
        assert lost.rcvd.code == 1012
        assert (await client.get()).status == 200
        assert rules(emulator) == []


async def test_a_stall_answers_nothing_and_then_goes_on() -> None:
    async with failing(Fault("stall", after_chunks=2, for_s=0.6)) as (emulator, client):
        socket = await client.open()
        await client.stream(CHUNK * 2)
        pong = await socket.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(pong), 0.2)
        await asyncio.wait_for(pong, 5)
        await client.finish()
        assert rules(emulator) == []


async def test_a_stalled_connection_may_be_given_up_for_a_new_one() -> None:
    async with failing(Fault("stall", after_chunks=2)) as (emulator, client):
        socket = await client.open()
        await client.stream(CHUNK * 4)
        socket.transport.abort()
        assert (await client.get()).status == 200
        await client.dial()
        await client.finish()
        assert rules(emulator) == []


async def test_an_error_message_ends_the_session() -> None:
    async with failing(Fault("error", after_chunks=2, status=456)) as (emulator, client):
        await client.open()
        await _lose(client, 3)
        assert client.of("error")[0]["error_code"] == 456
        assert rules(emulator) == []
        assert (await client.get()).status == 400
        assert rules(emulator) == ["reconnect_after_error"]


async def test_accept_and_close() -> None:
    async with failing(Fault("accept_close", count=2)) as (emulator, client):
        for _ in range(2):
            await client.open()
            assert (await _lose(client, 0)).rcvd is not None
        await client.open()
        await client.finish()
        assert client.received[-1] == {"end_of_stream": {}}
        assert rules(emulator) == []


async def test_no_end_of_stream() -> None:
    async with failing(Fault("no_end")) as (emulator, client):
        await client.open()
        await client.end()
        await client.read_until()
        assert client.received == [{"end_of_source_transcript": {}}]
        assert rules(emulator) == []


@pytest.mark.parametrize("message_format", ["json", "msgpack"])
@pytest.mark.parametrize("what", ["not_json", "array", "unknown", "huge", "wrong_frame"])
async def test_garbage(what: str, message_format: str) -> None:
    async with failing(Fault("garbage", after_chunks=1, what=what)) as (emulator, client):
        socket = await client.open(message_format=message_format)
        await client.send(CHUNK)
        frame = await socket.recv()
        assert isinstance(frame, str) == ((message_format == "json") != (what == "wrong_frame"))
        assert (len(frame) > 2_000_000) == (what == "huge")
        await client.close()
    assert rules(emulator) == []


async def test_huge_messages_are_over_the_usual_limit() -> None:
    async with failing(Fault("garbage", what="huge")) as (_, client):
        await client.post()
        socket = await client.dial(max_size=2**20)
        with pytest.raises(ConnectionClosedError) as caught:
            await socket.recv()
        assert caught.value.sent is not None
        assert caught.value.sent.code == 1009


async def test_the_duration_limit_is_a_clean_close() -> None:
    async with failing(Fault("duration_limit", at_s=0.3)) as (emulator, client):
        await client.open()
        lost = await _lose(client, 8)
        assert lost.rcvd is not None
        assert lost.rcvd.code == 1000
        assert (await client.get()).status == 200
        assert rules(emulator) == []


# ---- files, TLS, the command


@pytest.mark.parametrize(
    "settings",
    [
        DeepLSettings(recording=DATA / "demo.wav"),
        DeepLSettings(recording=DATA / "missing.wav", labels=DATA / "demo.labels.json"),
        DeepLSettings(recording=DATA / "demo.labels.json", labels=DATA / "demo.labels.json"),
        DeepLSettings(recording=DATA / "demo.wav", labels=DATA / "demo.wav"),
        DeepLSettings(tls_cert=DATA / "missing.pem"),
    ],
)
def test_unusable_files_are_named(settings: DeepLSettings) -> None:
    with pytest.raises(MediaError, match=r"labels|demo|missing"):
        DeepLEmulator(settings)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


async def test_tls(certificate: tuple[Path, Path]) -> None:
    settings = DeepLSettings(
        recording=DATA / "demo.wav", labels=DATA / "demo.labels.json", tls_cert=certificate[0], tls_key=certificate[1]
    )
    async with DeepLEmulator(settings) as emulator:
        client = RawClient(emulator.base_url, emulator.api_key, tls=ssl.create_default_context(cafile=certificate[0]))
        await client.open()
        assert client.url.startswith("wss://")
        await client.stream(demo_pcm(500, 2000))
        await client.finish()
        assert client.source_text() == "Good morning, the"
        assert emulator.violations == []


async def test_the_command_serves_until_sigterm_and_writes_its_report(tmp_path: Path) -> None:
    arguments = ["--report", str(tmp_path / "report.json"), "--audio-dir", str(tmp_path / "audio"), "--api-key", "k"]
    arguments += ["--fault", "http:status=503,on=GET", "--variant", "no_session_id", "--speech", "tones"]
    async with _command(*arguments) as (process, ready):
        client = RawClient(ready["base_url"], ready["api_key"])
        assert ready["api_key"] == "k"
        await client.open()
        await client.stream(demo_pcm(500, 2000))
        await client.send(b"")
        await client.read_until("never")
        assert (await client.get()).status == 503
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert [violation["rule"] for violation in report["violations"]] == ["empty_chunk"]
    assert (report["chunks"], report["streamed_s"], report["sessions"][0]["death"]) == (15, 1.5, "error")
    assert report["pacing"]["smallest_gap_over_half"] > 0.7
    assert (tmp_path / "audio" / "session1-1.wav").stat().st_size == 44 + 48_000


@pytest.mark.parametrize(
    "arguments",
    [["--fault", "nonsense"], ["--variant", "nonsense"], ["--limit", "nonsense=3"], ["--recording", "missing.wav"]],
)
async def test_the_command_says_what_it_cannot_use(arguments: list[str]) -> None:
    process = await _start(*arguments)
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert b"Traceback" not in errors
    assert any(word in errors for word in (b"nonsense", b"labels"))


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore::DeprecationWarning", "-m", "satellite", "emulator", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip


@asynccontextmanager
async def _command(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, str]]]:
    process = await _start(*arguments)
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        yield process, json.loads(line)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
