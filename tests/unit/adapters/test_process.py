import mmap
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

from satellite.adapters.process import companion_ended, companion_started, process_figures

DENIED = """
import resource
import satellite.adapters.process as process

def denied(*_):
    raise ValueError("not allowed to raise maximum limit")

resource.setrlimit = denied
process.keep_to_ourselves()
"""


def test_figures_are_those_of_the_kernel() -> None:
    before = process_figures()
    with mmap.mmap(-1, 64 << 20) as ballast:  # what malloc gives may be memory that it had kept
        sum(ballast.write(bytes(1 << 20)) for _ in range(64))
        after = process_figures()
        status = Path("/proc/self/status").read_text()
    assert after.rss_bytes - before.rss_bytes > 32 << 20
    assert abs(after.rss_bytes - int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024) < 8 << 20
    assert after.cpu_s > before.cpu_s > 0


BUSY = """
import sys, time
ballast = bytearray(48 << 20)
while time.process_time() < 0.3: pass
print(flush=True)
sys.stdin.read()
"""


def test_the_cost_of_companions_is_told_while_they_live_and_their_time_afterwards() -> None:
    before = process_figures()
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        companion_started(process.pid)
        assert process.stdout is not None
        process.stdout.readline()
        living = process_figures()
        process.kill()
        process.wait()
        gone = process_figures()
        companion_ended(process.pid)
    ended = process_figures()
    assert living.rss_bytes - before.rss_bytes > 40 << 20
    assert living.cpu_s - before.cpu_s > 0.25
    for after in (gone, ended):
        assert after.cpu_s - before.cpu_s > 0.25
        assert after.rss_bytes - before.rss_bytes < 24 << 20


def test_what_it_makes_is_for_nobody_else(tmp_path: Path) -> None:
    script = """
import os, pathlib, resource
from satellite.adapters.process import keep_to_ourselves
os.umask(0)
keep_to_ourselves()
pathlib.Path("file").touch()
pathlib.Path("directory").mkdir()
print(resource.getrlimit(resource.RLIMIT_CORE), flush=True)
os.abort()
"""
    allowed = resource.getrlimit(resource.RLIMIT_CORE)[1]
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (allowed, allowed)),
    )
    assert (ran.stdout, ran.returncode) == ("(0, 0)\n", -signal.SIGABRT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory", "file"]
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("file", "directory")] == [0o600, 0o700]


def test_where_limits_may_not_be_set_it_goes_on() -> None:
    assert subprocess.run([sys.executable, "-c", DENIED], check=False).returncode == 0
