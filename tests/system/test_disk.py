"""What the daemon leaves on disk: text that waits for the broker, settings, and nothing that can be heard."""

import asyncio
import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.broker import Broker, subscriber
from tests.fakes.daemon import DATA, ROOT, Daemon, emulator, unmeasured, write_config
from tests.fakes.vcard import AUDIO, CardFormat, VirtualCard

pytestmark = pytest.mark.slow

BASE = "voice-satellite/sat1"
CALLS = "open,openat,openat2,creat,memfd_create,rename,renameat,renameat2,mknod,mknodat,link,linkat"
WRITES = re.compile(r"^\d+ +(open\w*\(.*(O_WRONLY|O_RDWR|O_CREAT)|(creat|memfd_create|rename|mknod|link)\w*\()")
PATHS = re.compile(r'"([^"]*)"')
CARELESS = 'umask 0; ulimit -c "$(ulimit -H -c)"; exec "$@"'
STATE_FILES = {"settings.json", "spool.db", "spool.db-wal"}


@contextlib.contextmanager
def watched(directory: Path, config: Path, **environment: str) -> Iterator[Daemon]:
    """The daemon under strace, started by somebody who allows core dumps and lets others read what is made."""
    strace = shutil.which("strace")
    assert strace is not None, "apt-get install strace"
    options = ["-D", "-f", "-qq", "--seccomp-bpf", "-s", "300", "-o", str(directory / "calls"), "-e", f"trace={CALLS}"]
    paths = {"PYTHONPATH": str(ROOT), "STATE_DIRECTORY": str(directory / "state"), "TMPDIR": str(directory / "tmp")}
    (directory / "tmp").mkdir()
    (directory / "here").mkdir()
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", CARELESS, "sh", strace, *options, sys.executable, "-m", "satellite", "run", "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory / "here",
            env={**unmeasured(), **paths, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        )
    daemon = Daemon(process, directory / "log")
    try:
        yield daemon
    finally:
        if daemon.exit_code is None:
            process.kill()
            daemon.wait()


def written_places(calls: Path) -> set[str]:
    """What was opened for writing, made or renamed, by any process of the daemon's."""
    lines = [line for line in calls.read_text().splitlines() if WRITES.search(line) and " = -1 " not in line]
    return {path for line in lines for path in PATHS.findall(line)}


def audio() -> list[bytes]:
    """Pieces of the demo recording, each of 5 ms, that could be found again anywhere."""
    with wave.open(str(DATA / "demo.wav")) as wav:
        pcm = wav.readframes(wav.getnframes())
    pieces = [pcm[at : at + 160] for at in range(0, len(pcm) - 160, 160)]
    return [piece for piece in pieces if len(set(piece)) > 100]


def files_below(*directories: Path) -> list[Path]:
    return [path for directory in directories for path in directory.rglob("*") if path.is_file()]


async def until_there(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_nothing_audible_is_written_whatever_goes_wrong(broker: Broker, tmp_path: Path) -> None:
    """Broker and voice service go away while somebody speaks, then the daemon is aborted."""
    own = tmp_path / "own"
    own.mkdir()
    with (
        VirtualCard(tmp_path / "card", CardFormat(spk_rate=24_000)) as card,
        emulator(tmp_path / "service") as service,
    ):
        config = write_config(own, service.base_url, broker.port, audio=AUDIO, voice={"speech_language": "de"})
        with watched(own, config, ALSA_CONFIG_PATH=str(card.conf)) as daemon:
            async with subscriber(broker.port) as seen:
                await seen.until_text(f"{BASE}/state", "idle", 30)
                await seen.send(f"{BASE}/set/volume", "70")
                card.say_wav(DATA / "demo.wav")
                await seen.until(lambda s: s.texts(f"{BASE}/speech") != [], 30)
            broker.kill()
            await until_there(own / "state" / "spool.db")
            service.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(2)
            daemon.signal(signal.SIGABRT)
            assert await asyncio.to_thread(daemon.wait, 20) == -signal.SIGABRT
    state = own / "state"
    allowed = (f"{state}", "/dev/null", f"{tmp_path}/card/", "/dev/shm/")
    places = written_places(own / "calls")
    assert any("spool.db" in path for path in places), "nothing was seen"
    assert [path for path in places if not path.startswith(allowed)] == []
    found = files_below(state, own / "tmp", own / "here")
    assert {path.name for path in found} >= {"settings.json", "spool.db"}
    assert {path.name for path in found} <= STATE_FILES
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}
    assert state.stat().st_mode & 0o777 == 0o700
    pieces = audio()
    assert len(pieces) > 200
    for path in [*found, own / "log"]:
        data = path.read_bytes()
        assert not any(piece in data for piece in pieces), path
