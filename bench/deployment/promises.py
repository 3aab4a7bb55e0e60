"""What the role promises, each tried on the fleet in this order; each says what it saw, in figures."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

from bench.deployment.fleet import SATELLITES, Fleet, Played
from bench.nodes import Node
from bench.trial import hold, until

ETC = "/etc/voice-satellite"
CONFIG = f"{ETC}/config.yaml"
GAP_MAX_S = 5.0
WELL_WITHIN_S = 60.0
UNTRACKED = (
    "/var/log/",
    "/var/cache/",
    "/var/lib/apt/",
    "/var/lib/dpkg/",
    "/run/",
    "/tmp/",
    str(Path.home()),
    "/proc/",
    "/sys/",
    "/dev/",
)
"""What changes on a machine by itself, or with Debian packages."""

Promise = Callable[[Fleet], Awaitable[str]]


def holds_changes(played: Played, wanted: dict[str, int]) -> None:
    """Exactly so many tasks of each host changed something. Raises PromiseError."""
    hold(is_so=played.changed == wanted, complaint=f"changed {played.changed}, not {wanted}:\n{played.output[-3_000:]}")


async def the_broker_is_there(fleet: Fleet) -> str:
    """A mosquitto by the role, and nothing to do the second time."""
    first = await fleet.well("broker")
    second = await fleet.well("broker")
    holds_changes(second, {"broker": 0})
    return f"{first.took_s:.0f} s, then {second.took_s:.0f} s with 0 changed"


async def a_dry_run_of_nothing_does_nothing(fleet: Fleet) -> str:
    """--check on machines that have nothing ends well and leaves nothing."""
    played = await fleet.well("deploy", None, "--check")
    kept = [name for name in SATELLITES if await _exists(fleet.machines[name], "/opt/voice-satellite")]
    hold(is_so=not kept, complaint=f"--check installed on {kept}")
    return f"it would change {sum(played.changed.values())} things"


async def three_machines_from_nothing(fleet: Fleet) -> str:
    """Fresh installs with different settings: all online and well, each hearing through its own card."""
    played = await fleet.well("deploy")
    heard = []
    for name in SATELLITES:
        hold(is_so=fleet.latest(name, "availability") == "online", complaint=f"{name} is not online")
        heard.append(f"{name} → {await fleet.hears(name)}")
        user = await _run(fleet.machines[name], "ps", "-o", "user=", "-p", await _pid(fleet.machines[name]))
        hold(is_so=user.strip() in {"voice-satellite", "voice-s+"}, complaint=f"it runs as {user}")
    status = await _run(fleet.machines["kitchen"], "systemctl", "status", "--no-pager", "voice-satellite")
    line = next((line.strip() for line in status.splitlines() if "Status:" in line), "")
    hold(is_so="broker connected" in line, complaint=f"systemctl status does not tell:\n{status}")
    return f"{played.took_s:.0f} s; {'; '.join(heard)}; {line}"


async def a_second_run_changes_nothing(fleet: Fleet) -> str:
    """No task of the same run says that it changed something, nor does --check."""
    played = await fleet.well("deploy")
    holds_changes(played, dict.fromkeys(SATELLITES, 0))
    dry = await fleet.well("deploy", None, "--check", "--diff")
    holds_changes(dry, dict.fromkeys(SATELLITES, 0))
    return f"{played.took_s:.0f} s, 0 changed; --check too"


async def secrets_are_read_by_nobody_else(fleet: Fleet) -> str:
    """Files of root's own, encrypted where asked for, and not a word of them in what Ansible printed."""
    plain = await _run(fleet.machines["kitchen"], "stat", "-c", "%a %U", f"{ETC}/credentials/deepl_api_key")
    hold(is_so=plain.split() == ["600", "root"], complaint=f"the secret is {plain}")
    encrypted = await _run(fleet.machines["study"], "cat", f"{ETC}/credentials/deepl_api_key")
    hold(is_so="key-of" not in encrypted, complaint="the study's secret is not encrypted")
    log = await asyncio.to_thread((fleet.directory / "ansible.log").read_text, encoding="utf-8")
    for secret in ("key-of-this-year", *fleet.passwords.values()):
        hold(is_so=secret not in log, complaint=f"Ansible printed {secret}")
    return "600 root, encrypted in the study, none printed"


async def a_change_is_foretold_and_reloaded(fleet: Fleet) -> str:
    """--check --diff shows the line and leaves it; the run itself reloads, and does not start anew."""
    kitchen = fleet.machines["kitchen"]
    fleet.write_inventory(hosts={"kitchen": {"voice_satellite_config_host": {"vad": {"hang_over_ms": 700}}}})
    dry = await fleet.well("deploy", None, "--check", "--diff")
    holds_changes(dry, {"kitchen": 2, "hall": 0, "study": 0})
    hold(is_so="+  hang_over_ms: 700" in dry.output, complaint="--diff does not show the line")
    hold(is_so="hang_over_ms" not in await _run(kitchen, "cat", CONFIG), complaint="--check wrote it")
    pid = await _pid(kitchen)
    played = await fleet.well("deploy")
    holds_changes(played, dry.changed)
    hold(is_so="hang_over_ms: 700" in await _run(kitchen, "cat", CONFIG), complaint="it was not written")
    hold(is_so=await _pid(kitchen) == pid, complaint="it was started anew for a change that a reload does")
    return f"file and reload as foretold, in place after {played.took_s:.0f} s, same process"


async def a_wrong_configuration_replaces_nothing(fleet: Fleet) -> str:
    """Refused with its place before it takes the place of the good one; the satellite is not disturbed."""
    hall = fleet.machines["hall"]
    before, pid = await _run(hall, "cat", CONFIG), await _pid(hall)
    fleet.write_inventory(hosts={"hall": {"voice_satellite_config_host": {"vad": {"agressiveness": 9}}}})
    played = await fleet.play("deploy", None, "--limit", "hall")
    hold(is_so=played.failed == ["hall"], complaint=f"it was not refused:\n{played.output[-2_000:]}")
    hold(is_so="did you mean aggressiveness" in played.output, complaint=f"not told why:\n{played.output[-3_000:]}")
    hold(is_so=await _run(hall, "cat", CONFIG) == before, complaint="the good one was replaced")
    hold(is_so=await _pid(hall) == pid, complaint="the satellite was disturbed")
    fleet.write_inventory()
    await fleet.well("deploy")
    return f"refused after {played.took_s:.0f} s, file and process untouched"


async def an_upgrade(fleet: Fleet) -> str:
    """The version after: one box first, then the others; configuration and secrets stay."""
    mark = time.monotonic()
    played = await fleet.well("upgrade", fleet.following)
    _hold_versions(fleet, fleet.following.version)
    for name in SATELLITES:
        await fleet.hears(name)
    return f"{fleet.first.version} → {fleet.following.version} in {played.took_s:.0f} s; offline {_gaps(fleet, mark)}"


async def a_failed_upgrade_goes_back_by_itself(fleet: Fleet) -> str:
    """A version that is online and deaf: the first box goes back, and the run ends before the second."""
    before = {name: await _pid(fleet.machines[name]) for name in SATELLITES}
    played = await fleet.play("upgrade", fleet.broken)
    hold(is_so=len(played.failed) == 1, complaint=f"failed: {played.failed}\n{played.output[-3_000:]}")
    hold(is_so="in use again, and well" in played.output, complaint=f"not told:\n{played.output[-3_000:]}")
    _hold_versions(fleet, fleet.following.version)
    (tried,) = played.failed
    others = {name: await _pid(fleet.machines[name]) for name in SATELLITES if name != tried}
    hold(is_so=others.items() <= before.items(), complaint="the run went on to the other boxes")
    await fleet.hears(tried)
    reason = next((line.strip() for line in played.output.splitlines() if "microphone:" in line), "")
    return f"{tried} alone was tried and is well again, {played.took_s:.0f} s; {reason[:160]}"


async def a_rollback_by_hand(fleet: Fleet) -> str:
    """Back to the version before, and back from there."""
    played = await fleet.well("rollback")
    _hold_versions(fleet, fleet.first.version)
    await fleet.well("rollback")
    _hold_versions(fleet, fleet.following.version)
    return f"{played.took_s:.0f} s, and back"


async def a_rotation_of_secrets(fleet: Fleet) -> str:
    """Another key of the voice service everywhere, with no gap over 5 s."""
    mark = time.monotonic()
    fleet.write_inventory(key=1)
    played = await fleet.well("rotate_secrets", fleet.following)
    gaps = _gaps(fleet, mark)
    longest = max(_gap_of(fleet, name, mark) for name in SATELLITES)
    hold(is_so=0 < longest <= GAP_MAX_S, complaint=f"gaps: {gaps}")
    for name in SATELLITES:
        await fleet.hears(name)
    again = await fleet.well("rotate_secrets", fleet.following)
    holds_changes(again, dict.fromkeys(SATELLITES, 0))
    return f"{played.took_s:.0f} s; offline {gaps}"


async def the_doctor_of_all(fleet: Fleet) -> str:
    """doctor --json of every box in one table."""
    table = fleet.directory / "doctor.md"
    await fleet.well("doctor", fleet.following, voice_satellite_doctor_file=str(table))
    text = await asyncio.to_thread(table.read_text, encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith(tuple(f"| {name} " for name in SATELLITES))]
    hold(is_so=len(rows) == len(SATELLITES), complaint=text)
    hold(is_so="not reached" not in text, complaint=text)
    return rows[0][:150]


async def all_are_muted_and_heard_again(fleet: Fleet) -> str:
    """Each box tells itself with its own login; the second time nothing changes."""
    played = await fleet.well("mute_all", fleet.following)
    await until(lambda: _all_are(fleet, "muted"), 20, "not all are muted")
    holds_changes(await fleet.well("mute_all", fleet.following), dict.fromkeys(SATELLITES, 0))
    await fleet.well("mute_all", fleet.following, voice_satellite_mute="OFF")
    await until(lambda: _all_are(fleet, "idle"), 20, "not all hear again")
    return f"{played.took_s:.0f} s, and back"


async def it_comes_back_after_a_reboot_and_a_kill(fleet: Fleet) -> str:
    """By itself, as the unprivileged user, with its card."""
    study = fleet.machines["study"]
    began_at = time.monotonic()
    await asyncio.to_thread(study.reboot)
    await until(lambda: _is_new(fleet, "study", began_at), WELL_WITHIN_S, "the study does not come back")
    back_s = time.monotonic() - began_at
    await fleet.hears("study")
    killed_at = time.monotonic()
    await _run(study, "sh", "-c", f"kill -9 {await _pid(study)}")
    await until(lambda: _is_new(fleet, "study", killed_at), WELL_WITHIN_S, "it is not started anew")
    killed_s = time.monotonic() - killed_at
    await fleet.hears("study")
    return f"online {back_s:.1f} s after the reboot, {killed_s:.1f} s after kill -9; it hears"


async def removal_leaves_nothing(fleet: Fleet) -> str:
    """Neither on the boxes, compared with their files of before, nor at the broker."""
    refused = await fleet.play("remove", fleet.following)
    hold(is_so=bool(refused.failed), complaint="it removes without being told twice")
    played = await fleet.well("remove", fleet.following, voice_satellite_really=True)
    left = {}
    for name in SATELLITES:
        node = fleet.machines[name]
        added = await asyncio.to_thread(_added, node)
        accounts = await _run(node, "sh", "-c", "grep voice-satellite /etc/passwd /etc/group || true")
        left[name] = [*added, *accounts.splitlines()]
    hold(is_so=not any(left.values()), complaint=f"left: {left}")
    retained = await _retained(fleet)
    hold(is_so=not retained, complaint=f"the broker still has {retained}")
    again = await fleet.well("remove", fleet.following, voice_satellite_really=True)
    holds_changes(again, dict.fromkeys(SATELLITES, 0) | {})
    return f"{played.took_s:.0f} s; no file, user, unit or topic of it"


PROMISES: tuple[Promise, ...] = (
    a_dry_run_of_nothing_does_nothing,
    three_machines_from_nothing,
    a_second_run_changes_nothing,
    secrets_are_read_by_nobody_else,
    a_change_is_foretold_and_reloaded,
    a_wrong_configuration_replaces_nothing,
    an_upgrade,
    a_failed_upgrade_goes_back_by_itself,
    a_rollback_by_hand,
    a_rotation_of_secrets,
    the_doctor_of_all,
    all_are_muted_and_heard_again,
    it_comes_back_after_a_reboot_and_a_kill,
    removal_leaves_nothing,
)


async def _run(node: Node, *command: str) -> str:
    return (await asyncio.to_thread(node.run, *command)).stdout


async def _pid(node: Node) -> str:
    return await asyncio.to_thread(node.property, "MainPID")


async def _exists(node: Node, path: str) -> bool:
    return (await asyncio.to_thread(node.run, "test", "-e", path, check=False)).returncode == 0


def _hold_versions(fleet: Fleet, version: str) -> None:
    found = {name: fleet.latest(name, "health")["version"] for name in SATELLITES}
    hold(is_so=set(found.values()) == {version}, complaint=f"{found}, not {version}")


def _all_are(fleet: Fleet, state: str) -> bool:
    return {fleet.latest(name, "state") for name in SATELLITES} == {state}


def _is_new(fleet: Fleet, name: str, since_s: float) -> bool:
    """Online, and said so after that moment."""
    messages = [one for one in fleet.watch.on(f"voice-satellite/{name}/availability") if one.time_s > since_s]
    return bool(messages) and messages[-1].text == "online"


def _gap_of(fleet: Fleet, name: str, since_s: float) -> float:
    """The longest time that a satellite was offline since then, in seconds."""
    said = [one for one in fleet.watch.on(f"voice-satellite/{name}/availability") if one.time_s > since_s]
    spans = [after.time_s - before.time_s for before, after in pairwise(said) if before.text == "offline"]
    return max(spans, default=0.0)


def _gaps(fleet: Fleet, since_s: float) -> str:
    return ", ".join(f"{name} {_gap_of(fleet, name, since_s):.1f} s" for name in SATELLITES)


def _added(node: Node) -> list[str]:
    """Files that are neither of the tree that the node began with, nor of Debian packages that came later."""
    owned = {
        line for path in Path(node.root, "var/lib/dpkg/info").glob("*.list") for line in path.read_text().splitlines()
    }
    found = node.run("find", "/", "-xdev", "-newer", "/etc/ssh/sshd_config.d/node.conf", "-not", "-type", "d").stdout
    found += node.run("find", "/", "-xdev", "-name", "*voice*satellite*").stdout
    paths = {line for line in found.splitlines() if not line.startswith(UNTRACKED)}
    return sorted(
        path for path in paths - owned if not Path(node.tree, path.lstrip("/")).exists() and "satellite" in path
    )


async def _retained(fleet: Fleet) -> list[str]:
    """Topics of satellites that the broker keeps."""
    latest = {one.topic: one.payload for one in fleet.watch.received}
    wanted = {
        topic
        for topic, payload in latest.items()
        if payload and topic.startswith(("voice-satellite/", "homeassistant/"))
    }
    lasting = ("availability", "state", "problem", "health", "settings", "usage", "cloud", "config")
    return sorted(topic for topic in wanted if topic.endswith(lasting))
