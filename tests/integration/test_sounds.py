"""Sounds from real files and real servers on loopback: what is played, what is refused, and that nothing waits."""

import asyncio
import os
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from satellite.adapters import sounds
from satellite.adapters.sounds import SoundShelf
from tests.fakes.link_peers import make_certificates, tcp_server, unused_port
from tests.fakes.link_play import HttpPeer
from tests.fakes.sound import tone, write_wav

PCM = tone(440, 22_050, 0.2)


class Outcome:
    """What came of the sounds that were asked for, in order."""

    def __init__(self) -> None:
        self.played: list[tuple[bytes, int]] = []
        self.failed: list[tuple[str, str]] = []
        self._changed = asyncio.Event()

    def sound(self, pcm: bytes, rate_hz: int) -> None:
        self.played.append((pcm, rate_hz))
        self._changed.set()

    def failure(self, source: str, reason: str) -> None:
        self.failed.append((source, reason))
        self._changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.played) + len(self.failed) < count:
                await self._changed.wait()
                self._changed.clear()


@asynccontextmanager
async def serving(*places: str) -> AsyncIterator[tuple[SoundShelf, Outcome]]:
    """A shelf at work."""
    outcome = Outcome()
    shelf = SoundShelf(places, outcome.sound, outcome.failure)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(shelf.run())
        yield shelf, outcome
        task.cancel()


async def reason_for(source: str, *places: str) -> str:
    """Why a sound that was queued is not played."""
    async with serving(*places) as (shelf, outcome):
        assert shelf.request(source) is None
        await outcome.until(1)
    ((failed, reason),) = outcome.failed
    assert failed == source
    return reason


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    (tmp_path / "sounds").mkdir()
    return write_wav(tmp_path / "sounds" / "chime.wav", PCM, 22_050)


async def test_a_file_is_played_and_the_next_one_too(wav: Path) -> None:
    async with serving(str(wav.parent)) as (shelf, outcome):
        for name in ("chime.wav", "missing.wav", "x/../chime.wav"):
            assert shelf.request(str(wav.parent / name)) is None
        await outcome.until(3)
    assert outcome.played == [(PCM, 22_050)] * 2
    assert [reason for _, reason in outcome.failed] == [
        f"{wav.parent}/missing.wav cannot be read: No such file or directory"
    ]


async def test_a_place_may_itself_be_a_link(wav: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.symlink_to(wav.parent)
    async with serving(str(place)) as (shelf, outcome):
        assert shelf.request(f"{place}/chime.wav") is None
        await outcome.until(1)
    assert outcome.played == [(PCM, 22_050)]


@pytest.mark.parametrize("target", ["../outside.wav", "../outside", "/etc/passwd"])
async def test_links_do_not_lead_out(wav: Path, tmp_path: Path, target: str) -> None:
    outside = write_wav(tmp_path / "outside.wav", PCM)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.wav").write_bytes(outside.read_bytes())
    link = wav.parent / "link"
    link.symlink_to(target)
    source = f"{link}/a.wav" if target == "../outside" else str(link)
    assert await reason_for(source, str(wav.parent)) == f"{source} leads out of the allowed places"


async def test_a_link_to_itself_is_a_sentence(wav: Path) -> None:
    loop = wav.parent / "loop.wav"
    loop.symlink_to(loop)
    assert "cannot be read: Too many levels of symbolic links" in await reason_for(str(loop), str(wav.parent))


async def test_a_fifo_or_a_device_is_refused_without_waiting(wav: Path) -> None:
    fifo = wav.parent / "fifo"
    os.mkfifo(fifo)
    assert "is not a file with a recording in it" in await reason_for(str(fifo), str(wav.parent))
    assert "is not a file with a recording in it" in await reason_for("/dev/zero", "/dev")
    assert "is not a file with a recording in it" in await reason_for(f"{wav.parent}/x/..//../sounds/.", "/")


async def test_what_is_no_wav_is_a_sentence(wav: Path) -> None:
    (wav.parent / "a.mp3").write_bytes(b"ID3" + bytes(100))
    assert await reason_for(f"{wav.parent}/a.mp3", str(wav.parent)) == f"{wav.parent}/a.mp3 is not a WAV file"
    name = "a" * 300
    assert "cannot be read: File name too long" in await reason_for(f"{wav.parent}/{name}", str(wav.parent))


# --- over HTTP --------------------------------------------------------------------------------------------------


async def reason_from(peer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]) -> str:
    """Why a sound of this server is not played."""
    async with tcp_server(peer) as port:  # type: ignore[arg-type]  # a handler's result does not matter
        return await reason_for(f"http://127.0.0.1:{port}/s/a.wav", f"http://127.0.0.1:{port}/s/")


async def test_a_url_is_played(wav: Path) -> None:
    peer = HttpPeer(answer(wav.read_bytes()))
    async with tcp_server(peer) as port, serving(f"http://127.0.0.1:{port}/s/") as (shelf, outcome):
        assert shelf.request(f"http://127.0.0.1:{port}/s/Gr\u00fc\u00df dich%21.wav?k=a b#c") is None
        await outcome.until(1)
    assert outcome.played == [(PCM, 22_050)]
    ((line, headers, _),) = peer.requests
    assert line == "GET /s/Gr%C3%BC%C3%9F%20dich%21.wav?k=a%20b HTTP/1.1"
    assert "authorization" not in headers


async def test_no_redirect_is_followed(wav: Path) -> None:
    elsewhere = HttpPeer(answer(wav.read_bytes()))
    async with tcp_server(elsewhere) as port:
        reason = await reason_from(HttpPeer(answer(b"", "302 Found", f"Location: http://127.0.0.1:{port}/s/a.wav")))
    assert reason == "the server redirects (302): give the address that it redirects to"
    assert elsewhere.requests == []


async def test_other_answers_are_sentences() -> None:
    assert await reason_from(HttpPeer(answer(b"", "404 Not Found"))) == "the server answers 404"
    assert await reason_from(HttpPeer(answer(b"", "204 No Content"))) == "the server answers 204"
    assert await reason_from(HttpPeer(answer(b"<html>"))) == "what the server sends is not a WAV file"
    assert await reason_from(HttpPeer(b"SSH-2.0-x\r\n")) == "127.0.0.1: BadStatusLine"
    port = unused_port()
    url = f"http://127.0.0.1:{port}/s/"
    assert await reason_for(f"{url}a.wav?token=secret", url) == "127.0.0.1: Connection refused"


async def test_a_large_answer_is_not_taken(monkeypatch: pytest.MonkeyPatch, wav: Path) -> None:
    monkeypatch.setattr(sounds, "MAX_BYTES", len(wav.read_bytes()) - 1)
    assert await reason_from(HttpPeer(answer(wav.read_bytes()))) == "127.0.0.1: answer larger than 8863 bytes"


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that never stops sending, a byte at a time."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nRIFF")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_a_slow_server_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "FETCH_TIMEOUT_S", 0.3)
    assert await reason_from(drip) == "127.0.0.1: no answer in time"


async def test_a_slow_server_does_not_hold_up_the_end() -> None:
    asked = asyncio.Event()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await drip(reader, writer)

    before = threading.active_count()
    async with tcp_server(peer) as port, asyncio.timeout(5):
        async with serving(f"http://127.0.0.1:{port}/s/") as (shelf, outcome):
            assert shelf.request(f"http://127.0.0.1:{port}/s/a.wav") is None
            await asked.wait()
        await asyncio.get_running_loop().shutdown_default_executor()
    assert threading.active_count() <= before
    assert (outcome.played, outcome.failed) == ([], [])


async def test_a_server_nobody_vouches_for_is_not_listened_to(tmp_path: Path) -> None:
    server, _ = make_certificates(tmp_path)
    assert isinstance(server, ssl.SSLContext)
    async with tcp_server(HttpPeer(answer(b"")), server) as port:
        reason = await reason_for(f"https://127.0.0.1:{port}/s/a.wav", f"https://127.0.0.1:{port}/s/")
    assert "certificate refused" in reason
