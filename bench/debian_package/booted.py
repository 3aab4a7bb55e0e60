"""The package under a systemd that runs: when its service starts, restarts and stops."""

import json
import time

from bench.debian_package.bare import ETC, INSTALL
from bench.debian_package.promises import Promises
from bench.debian_package.releases import Package
from bench.debian_package.trees import Machine, Tree, booted

CONFIG = """\
satellite: {id: hall}
audio: {input: {device: "%s"}, output: {device: "null"}}
voice: {backend: loopback, source_language: en, target_languages: []}
"""
TOPIC = "voice-satellite/hall"
HEARD_WITHIN_S = 60
UNIT = "voice-satellite.service"
LEFT = """\
getent passwd voice-satellite; getent group voice-satellite
find /etc /lib /usr /run /var/lib -xdev -name '*voice*satellite*' ! -path '/run/systemd/*'
"""
"""Shows what a purge has left."""
SYSTEM = "systemd-sysv dbus mosquitto mosquitto-clients"


class BootedTrial:
    """One life of the service in one machine."""

    def __init__(self, machine: Machine, packages: tuple[Package, Package], promises: Promises) -> None:
        self._machine = machine
        self._this, self._next = packages
        self._promises = promises

    def run(self) -> None:
        """All of it, in order. Raises TrialError when it cannot go on."""
        self._machine.must(f"{INSTALL} /srv/{self._this.path.name}")
        self._is("inactive", "a service that is not set up is not started")
        enabled = self._machine.run(f"systemctl is-enabled {UNIT}").output.strip()
        self._promises.hold("… and will be at boot", kept=enabled == "enabled", seen=enabled)
        self._starts()
        self._upgrades()
        self._restarts_itself()
        self._sound_process()
        self._reinstalls()
        self._leaves()

    def _starts(self) -> None:
        self._configure("null")
        done = self._machine.run(f"voice-satellite check && systemctl start {UNIT}")
        self._promises.hold("it starts once it is set up", kept=done.code == 0, seen=self._journal(done.output))
        self._is("active", "… and is ready")
        user = self._machine.run(f"stat -c %U /proc/{self._pid()}").output.strip()
        self._promises.hold("… as its own user", kept=user == "voice-satellite", seen=user)
        self._promises.hold("… and is online", kept=self._hear("availability") == "online", seen=self._journal())

    def _upgrades(self) -> None:
        before = self._pid()
        done = self._machine.run(f"{INSTALL} /srv/{self._next.path.name}")
        self._promises.hold("an upgrade works", kept=done.code == 0, seen=done.output)
        self._promises.hold(
            "… and starts the service anew", kept=self._pid() not in (before, "0"), seen=self._journal()
        )
        wanted = self._next.program_version
        version = json.loads(self._hear("health", "-R") or "{}").get("version")
        self._promises.hold("… with the next version", kept=version == wanted, seen=f"{version}\n{self._journal()}")

    def _restarts_itself(self) -> None:
        before = self._pid()
        listen = f"mosquitto_sub -h 127.0.0.1 -t {TOPIC}/availability -C 3 -W {HEARD_WITHIN_S}"
        heard = self._machine.run(
            f"{listen} & sleep 1; mosquitto_pub -h 127.0.0.1 -t {TOPIC}/set/restart -m now; wait %1"
        ).output.split()
        fits = heard == ["online", "offline", "online"] and self._pid() == before
        self._promises.hold("the command `restart` begins anew in the same process", kept=fits, seen=self._journal())

    def _sound_process(self) -> None:
        """A card that is not there is told by the process that looked for it."""
        self._configure("plughw:CARD=Nothing")
        self._machine.must(f"systemctl restart {UNIT}")
        problem = ""
        deadline = time.monotonic() + HEARD_WITHIN_S
        while '"microphone"' not in problem and time.monotonic() < deadline:
            problem = self._hear("problem")
            time.sleep(0.5)
        fits = '"microphone"' in problem and "No module" not in problem
        self._promises.hold("a card that is missing is told", kept=fits, seen=problem + self._journal())
        self._configure("null")

    def _reinstalls(self) -> None:
        self._machine.must("apt-get remove -y voice-satellite")
        self._is("inactive", "a removal stops it")
        gone = self._machine.run(f"systemctl cat {UNIT}").code
        self._promises.hold("… and takes the unit away", kept=gone != 0)
        self._machine.must(f"{INSTALL} /srv/{self._this.path.name}")
        self._is("active", "installed again, it starts by itself")

    def _leaves(self) -> None:
        self._machine.must("apt-get purge -y voice-satellite")
        left = self._machine.run(LEFT).output
        self._promises.nothing("a purge leaves nothing, the user included", left.splitlines())
        failed = self._machine.run("systemctl --failed --no-legend --plain").output
        self._promises.hold("… and no failed unit", kept="voice-satellite" not in failed, seen=failed)

    def _configure(self, microphone: str) -> None:
        self._machine.must(f"cat >{ETC}/config.yaml <<'END'\n{CONFIG % microphone}END")

    def _is(self, wanted: str, promise: str) -> None:
        state = self._machine.run(f"systemctl is-active {UNIT}").output.strip()
        self._promises.hold(promise, kept=state == wanted, seen=f"{state}\n{self._journal()}")

    def _pid(self) -> str:
        return self._machine.run(f"systemctl show -p MainPID --value {UNIT}").output.strip()

    def _hear(self, topic: str, *options: str) -> str:
        """The next message of a topic, a retained one included."""
        listen = f"mosquitto_sub -h 127.0.0.1 -t {TOPIC}/{topic} -C 1 -W {HEARD_WITHIN_S} {' '.join(options)}"
        return self._machine.run(listen).output.strip()

    def _journal(self, said: str = "") -> str:
        return said + self._machine.run(f"journalctl -u {UNIT} -n 20 --no-pager").output


def trial(base: Tree, packages: tuple[Package, Package], promises: Promises) -> None:
    """The whole life of the service. Raises TrialError when it cannot go on."""
    tree = base.copy(base.directory.with_name("booted"))
    for package in packages:
        (tree.directory / "srv" / package.path.name).write_bytes(package.path.read_bytes())
    tree.must("apt-get update -qq")
    tree.must(f"apt-get install -y --no-install-recommends {SYSTEM}")
    # what it needs comes first: the machine has no network when it runs
    tree.must(f"apt-get satisfy -y '{packages[0].needs}'")
    with booted(tree, "debian-package") as machine:
        BootedTrial(machine, packages, promises).run()
