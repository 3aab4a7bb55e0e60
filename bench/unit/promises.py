"""What the unit promises, each tried on the running satellite; each says what it saw, in figures."""

import asyncio
import contextlib
import re
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.trial import PromiseError, hold, until
from bench.unit.installation import CURRENT, ROOT, UNIT
from bench.unit.scene import ETC, PASSWORD, TOPICS, Scene
from tests.fakes.daemon import API_KEY

EXPOSURE_MAX = 15
"""In tenths, as `systemd-analyze security --threshold` counts."""
STATE = "/var/lib/voice-satellite"
START_WITHIN_S = 60.0
WATCHDOG_S = 30.0
RESTART_S = 5.0
SLACK_S = 20.0
QUIET_S = 12.0
"""Long enough for a restart that must not come."""
FAULTY = "opt/voice-satellite/faulty/tests"
DEAF = f"""\
[Service]
Environment=PYTHONPATH=/{Path(FAULTY).parent}
ExecStart=
ExecStart={CURRENT}/bin/python -m tests.fakes.faulty deaf run -c {ETC}/config.yaml
"""
CREDENTIAL = f"""\
[Service]
LoadCredential=deepl_api_key:{ETC}/credentials/deepl_api_key
"""

Promise = Callable[[Scene], Awaitable[str]]


async def starts_and_says_how_it_is(scene: Scene) -> str:
    """systemctl start returns when it listens, and systemctl status tells how it is."""
    took_s = await scene.systemctl("start")
    await until(lambda: scene.latest("state") == "idle", START_WITHIN_S, "it is not online")
    wanted = "idle; deepl idle; broker connected; 0 utterances since the start; 0.0 min billed today"
    await until(lambda: scene.shows("StatusText") == wanted, 20, f"systemd is not told {wanted!r}")
    shown = (await scene.run("systemctl", "status", "--no-pager", UNIT)).stdout
    line = re.search(r'^\s*(Status: ".*")$', shown, re.MULTILINE)
    hold(is_so=line is not None and wanted in line[1], complaint=f"systemctl status does not show it:\n{shown}")
    return f"{scene.size} on disk, started in {took_s:.1f} s, {line[1] if line else ''}"


async def hears_and_speaks(scene: Scene) -> str:
    """A sentence said into the card comes as text over MQTT, its translation out of the card; TLS on both ways."""
    mark, played = scene.mark(), len(scene.card.played)
    heard_s = await scene.hears()
    await scene.after(mark, "speech", lambda body: body["event"] == "finished", 30, "no translation is spoken")
    sounded_s = (len(scene.card.played) - played) / 2 / scene.card.format.spk_rate
    hold(is_so=sounded_s > 0.5, complaint=f"only {sounded_s:.1f} s of sound came out of the card")
    await until(lambda: "; 1 utterance since" in scene.shows("StatusText"), 20, "the status does not count it")
    return f"text {heard_s:.1f} s after its end, {sounded_s:.1f} s of speech from the card"


async def has_no_privileges(scene: Scene) -> str:
    """All its processes are the unprivileged user's, with no capability, behind the filter of system calls."""
    await scene.hears()  # with both devices open
    uid = (await scene.run("id", "-u", "voice-satellite")).stdout.strip()
    group = scene.shows("ControlGroup")
    pids = (await scene.run("systemctl", "show", UNIT, "--property=MainPID,ControlPID", "--value")).stdout.split()
    pids += (await scene.run("pgrep", "-u", "voice-satellite")).stdout.split()
    found = {pid for pid in pids if pid != "0"}
    for pid in found:
        status = dict(
            line.split(":", 1) for line in (await scene.run("cat", f"/proc/{pid}/status")).stdout.splitlines()
        )
        seen = {name: status[name].split() for name in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
        wanted = {"Uid": [uid] * 4, "CapEff": ["0" * 16], "CapBnd": ["0" * 16], "NoNewPrivs": ["1"], "Seccomp": ["2"]}
        hold(is_so=seen == wanted, complaint=f"process {pid} in {group} has {seen}")
    hold(is_so=len(found) >= 2, complaint="the processes of the devices were not seen")
    return f"{len(found)} processes of user {uid}"


async def writes_nowhere_else(scene: Scene) -> str:
    """What it sees is read-only, for root even, but its state directory and a /tmp of its own; homes are hidden."""
    where = ("/etc", "/usr", "/var/lib", "/var/log", "/opt/voice-satellite", "/run", STATE, "/tmp")
    open_to_it = [at for at in where if (await _touch(scene, at)) == 0]
    hold(is_so=open_to_it == [STATE, "/tmp"], complaint=f"it could write to {open_to_it}")
    inside = (await scene.run("nsenter", "-t", str(scene.pid), "-m", "ls", "/home", "/root", check=False)).stdout
    hold(is_so=inside.split() == ["/home:", "/root:"], complaint=f"it sees home directories: {inside}")
    return f"{len(where) - 2} places tried"


async def _touch(scene: Scene, directory: str) -> int:
    """Root in the daemon's view of the files."""
    script = f"touch {directory}/bench-was-here && rm {directory}/bench-was-here"
    entered = await scene.run("nsenter", "-t", str(scene.pid), "-m", "sh", "-c", script, check=False)
    return entered.returncode


async def keeps_text_while_the_broker_is_away(scene: Scene) -> str:
    """What is said meanwhile is on disk, and delivered afterwards."""
    state = scene.node.root / STATE.lstrip("/")
    files = set(_names(state))
    await until(lambda: scene.latest("state") == "idle", 30, "it is not idle")
    await scene.relay.down()
    mark = scene.mark()
    scene.say()
    await asyncio.to_thread(scene.card.wait_for, "said", 30)
    await until(lambda: bool(set(_names(state)) - files), 40, "nothing is stored")
    spool = sorted(set(_names(state)) - files)
    await until(lambda: "broker not connected (" in scene.shows("StatusText"), 10, "the status does not tell it")
    status = scene.shows("StatusText")
    said = [one for one in scene.seen.received[mark:] if one.topic == f"{TOPICS}/utterance"]
    hold(is_so=not said, complaint="the broker was not away")
    await scene.relay.up()
    await scene.after(mark, "utterance", lambda _: True, 60, "it is not delivered")
    await until(lambda: not set(_names(state)) & set(spool), 20, "it stays on disk after it was delivered")
    return f"stored as {', '.join(spool)}, delivered, gone from disk; meanwhile: {status!r}"


def _names(directory: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return [path.name for path in directory.iterdir()]
    return []


async def is_started_anew_after_a_kill(scene: Scene) -> str:
    """kill -9."""
    restarts = scene.restarts
    await scene.run("kill", "-9", str(scene.pid))
    took_s = await scene.restarted(restarts, RESTART_S + SLACK_S)
    return f"up again after {took_s:.1f} s, text {await scene.hears():.1f} s after the sentence"


async def is_started_anew_when_deaf(scene: Scene) -> str:
    """The card stalls without an error while the check for that is broken: the loop turns, and nothing is heard."""
    target = scene.node.root / FAULTY
    (target / "fakes").mkdir(parents=True)
    for name in ("__init__.py", "fakes/__init__.py", "fakes/faulty.py"):
        shutil.copy(ROOT / "tests" / name, target / name)
    async with scene.drop_in(DEAF):
        await scene.hears()
        mark, restarts = scene.mark(), scene.restarts
        stalled_at = time.monotonic()
        await asyncio.to_thread(scene.card.stall)
        try:
            gone = await scene.after(
                mark, "availability", lambda text: text == "offline", 40, "it does not say offline"
            )
            await until(lambda: scene.restarts > restarts, 40, "it is not started anew")
            hold(is_so="status=1/FAILURE" in scene.journal(100), complaint="it did not end with exit code 1")
        finally:
            await asyncio.to_thread(scene.card.resume)
    return f"offline after {gone.time_s - stalled_at:.1f} s, ended with 1, text {await scene.hears():.1f} s"


async def is_started_anew_when_frozen(scene: Scene) -> str:
    """SIGSTOP: it feeds no watchdog, and systemd ends it."""
    restarts, frozen_at = scene.restarts, time.monotonic()
    await scene.run("kill", "-STOP", str(scene.pid))
    await scene.restarted(restarts, WATCHDOG_S + RESTART_S + SLACK_S)
    took_s = time.monotonic() - frozen_at
    hold(is_so="Watchdog timeout" in scene.journal(400), complaint=f"not by the watchdog:\n{scene.journal()}")
    return f"up again after {took_s:.1f} s, text {await scene.hears():.1f} s after the sentence"


async def is_parked_by_a_wrong_configuration(scene: Scene) -> str:
    """Exit code 78 is not tried again; mended and restarted it works."""
    scene.configure(more="microfone: 3\n")
    with contextlib.suppress(PromiseError):
        await scene.systemctl("restart")
    await until(lambda: scene.shows("ActiveState") == "failed", 20, "it does not give up")
    restarts, status = scene.restarts, scene.shows("ExecMainStatus")
    hold(is_so=status == "78", complaint=f"it ended with {status}")
    await asyncio.sleep(QUIET_S)
    told = scene.shows("StatusText")
    hold(is_so=(scene.shows("ActiveState"), scene.restarts) == ("failed", restarts), complaint="it was tried again")
    hold(is_so="microfone" in told, complaint=f"the status is {told!r}")
    scene.configure()
    await scene.systemctl("restart")
    return f"{told!r}, not tried again in {QUIET_S:.0f} s; mended: text {await scene.hears():.1f} s"


async def reloads(scene: Scene) -> str:
    """A wrong configuration changes nothing and shows; a good one is in force when systemctl reload returns."""
    pid, mark = scene.pid, scene.mark()
    scene.configure(targets="de, fr", more="microfone: 3\n")
    refused_s = await scene.systemctl("reload")
    told = scene.shows("StatusText")
    hold(is_so="the changed configuration was refused" in told, complaint=f"the status is {told!r}")
    await scene.hears()
    hold(is_so=scene.latest("settings")["target_languages"] == ["de"], complaint="the wrong configuration is in force")
    scene.configure(targets="de, fr")
    accepted_s = await scene.systemctl("reload")
    hold(is_so="refused" not in scene.shows("StatusText"), complaint="the refusal is still shown")
    await scene.after(
        mark,
        "settings",
        lambda body: body["target_languages"] == ["de", "fr"],
        20,
        "the new languages are not in force",
    )
    hold(is_so=scene.pid == pid, complaint="it was started anew")
    heard_s = await scene.hears()
    scene.configure()
    await scene.systemctl("reload")
    return f"refused in {refused_s:.1f} s, in force in {accepted_s:.1f} s, same process, text {heard_s:.1f} s"


async def takes_credentials(scene: Scene) -> str:
    """LoadCredential= in a drop-in, !credential in the configuration; the file is root's alone."""
    path = f"{ETC}/credentials/deepl_api_key"
    scene.node.write(path.lstrip("/"), API_KEY)
    await scene.run("chmod", "600", path)
    scene.keep_secrets(mqtt_password=PASSWORD)
    scene.configure(api_key="!credential deepl_api_key")
    async with scene.drop_in(CREDENTIAL):
        heard_s = await scene.hears()
        reload_s = await scene.systemctl("reload")
        hold(is_so="refused" not in scene.shows("StatusText"), complaint="a reload does not find the credential")
        scene.keep_secrets(deepl_api_key=API_KEY, mqtt_password=PASSWORD)
        scene.configure()
    return f"text {heard_s:.1f} s after the sentence, reload in {reload_s:.1f} s"


async def comes_back_after_a_reboot(scene: Scene) -> str:
    """By itself, and captures."""
    began_at = time.monotonic()
    await asyncio.to_thread(scene.node.reboot)
    await until(lambda: scene.shows("ActiveState") == "active", START_WITHIN_S, "it is not started")
    up_s = time.monotonic() - began_at
    return f"up {up_s:.1f} s after `systemctl reboot`, text {await scene.hears():.1f} s after the sentence"


async def is_hardly_exposed(scene: Scene) -> str:
    """`systemd-analyze verify` finds nothing, `systemd-analyze security` at most 1.5."""
    path = f"/etc/systemd/system/{UNIT}"
    verified = await scene.run("systemd-analyze", "verify", "--man=no", path, check=False)
    found = verified.stdout + verified.stderr
    hold(is_so=(verified.returncode, found) == (0, ""), complaint=f"systemd-analyze verify: {found}")
    rated = await scene.run(
        "systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}", path, check=False
    )
    hold(is_so=rated.returncode == 0, complaint=rated.stdout)
    version = (await scene.run("systemctl", "--version")).stdout.split("\n", 1)[0]
    return f"{version}: {rated.stdout.strip().splitlines()[-1].encode('ascii', 'ignore').decode().strip()}"


async def stops_in_order(scene: Scene) -> str:
    """`offline` is said, and the result is success."""
    mark = scene.mark()
    took_s = await scene.systemctl("stop")
    await scene.after(mark, "availability", lambda text: text == "offline", 10, "it does not say offline")
    hold(is_so=scene.shows("Result") == "success", complaint=f"the result is {scene.shows('Result')}")
    return f"in {took_s:.1f} s"


PROMISES: tuple[Promise, ...] = (
    is_hardly_exposed,
    starts_and_says_how_it_is,
    hears_and_speaks,
    has_no_privileges,
    writes_nowhere_else,
    keeps_text_while_the_broker_is_away,
    is_started_anew_after_a_kill,
    is_started_anew_when_deaf,
    is_started_anew_when_frozen,
    is_parked_by_a_wrong_configuration,
    reloads,
    takes_credentials,
    comes_back_after_a_reboot,
    stops_in_order,
)
