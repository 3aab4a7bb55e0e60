"""Install, upgrade, downgrade, remove and purge in a tree without a service manager."""

from bench.debian_package.promises import Promises, costs
from bench.debian_package.releases import CHANGE, Package
from bench.debian_package.trees import Done, Tree

ETC = "/etc/voice-satellite"
INSTALL = "apt-get install -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold --allow-downgrades"
OWNED = {
    ETC: "750 root:voice-satellite",
    f"{ETC}/config.yaml": "640 root:voice-satellite",
    f"{ETC}/secrets.yaml": "600 voice-satellite:voice-satellite",
}
OWN_LINE = "# my own line"
HOSTILE = """\
mkdir -p /tmp/x/satellite && cd /tmp/x && echo 'raise SystemExit(99)' >satellite/__init__.py &&
PYTHONPATH=/tmp/x PYTHONHOME=/tmp/x voice-satellite --version
"""
"""Called where another package of the same name is in the way."""
DEVICE_PROCESS = "/usr/lib/voice-satellite/bin/python3 -P -c 'import satellite.adapters.devicemain'"


class BareTrial:
    """One run through the life of the package in one tree."""

    def __init__(self, base: Tree, packages: tuple[Package, Package], promises: Promises) -> None:
        self._base = base
        self._this, self._next = packages
        self._promises = promises
        self._tree = base.copy(base.directory.with_name("installed"))

    def run(self) -> None:
        """All of it, in order. Raises TrialError when it cannot go on."""
        self._install()
        self._commands()
        self._configure()
        self._upgrade()
        self._downgrade()
        self._remove()
        self._purge()
        self._untouched()
        self._demo()

    def _install(self) -> None:
        done = self._get(self._this)
        used_kb = self._tree.must("du -sk --apparent-size /usr/lib/voice-satellite").split()[0]
        print(
            f"  installed in {done.seconds:.0f} s: {costs(done.output)}; the program, compiled, is {used_kb} kB of it"
        )
        said = "not set up yet" in done.output and "!secret deepl_api_key is not in" in done.output
        self._promises.hold("it says that it is not set up, and what is missing", kept=said, seen=done.output)
        for path, owned in OWNED.items():
            seen = self._tree.run(f"stat -c '%a %U:%G' {path}").output.strip()
            self._promises.hold(f"{path} is {owned}", kept=seen == owned, seen=seen)
        account = self._tree.run("getent passwd voice-satellite; id -nG voice-satellite").output
        fits = "/var/lib/voice-satellite:/usr/sbin/nologin" in account and "audio" in account.split()
        self._promises.hold("its user may use sound cards, and cannot log in", kept=fits, seen=account)

    def _commands(self) -> None:
        version = self._this.program_version
        for what, script in (("from anywhere", "cd / && voice-satellite --version"), ("past a stranger", HOSTILE)):
            done = self._tree.run(script)
            self._promises.hold(f"--version, {what}", kept=done.output.split()[-1:] == [version], seen=done.output)
        self._expect("check", 78, "!secret deepl_api_key is not in")
        self._expect("devices", 1, "")
        self._expect("doctor", 1, "")
        module = self._tree.run(DEVICE_PROCESS)
        self._promises.hold("the process of a device finds the program", kept=module.code == 0, seen=module.output)
        compiled = self._tree.run("find /usr/lib/voice-satellite -name '*.pyc' | wc -l").output.strip()
        self._promises.hold(f"{compiled} modules are compiled", kept=int(compiled) > 200)
        unit = self._tree.run(
            "systemd-analyze verify --man=no --recursive-errors=no /lib/systemd/system/voice-satellite.service"
        )
        self._promises.hold("systemd finds nothing wrong with the unit", kept=unit.code == 0, seen=unit.output)

    def _configure(self) -> None:
        self._tree.must(f"echo '{OWN_LINE}' >>{ETC}/config.yaml; echo 'deepl_api_key: some-key' >>{ETC}/secrets.yaml")
        self._expect("check", 0, "")
        self._tree.must("install -d -o voice-satellite -g voice-satellite -m 700 /var/lib/voice-satellite")
        self._tree.must("echo state >/var/lib/voice-satellite/settings.json")

    def _upgrade(self) -> None:
        done = self._get(self._next)
        print(f"  upgraded in {done.seconds:.0f} s")
        self._promises.hold("the next version is there", kept=self._version() == self._next.version)
        self._keeps("an upgrade")
        offered = self._tree.run(f"cat {ETC}/config.yaml.dpkg-dist").output
        self._promises.hold("the new configuration lies beside it", kept=CHANGE in offered, seen=offered)

    def _downgrade(self) -> None:
        self._get(self._this)
        self._promises.hold("a downgrade works", kept=self._version() == self._this.version)
        self._keeps("a downgrade")

    def _remove(self) -> None:
        done = self._tree.run("apt-get remove -y voice-satellite")
        self._promises.hold("it can be removed", kept=done.code == 0, seen=done.output)
        left = self._tree.run("find /usr /lib -xdev -name '*voice*satellite*'").output
        self._promises.nothing("nothing of the program is left", left.splitlines())
        self._keeps("a removal")

    def _purge(self) -> None:
        done = self._tree.run("apt-get purge -y voice-satellite")
        self._promises.hold("it can be purged", kept=done.code == 0, seen=done.output)
        without = self._base.copy(self._base.directory.with_name("without"))
        without.must("apt-get update -qq")
        without.must(f"apt-get satisfy -y '{self._this.needs}'")
        before, after = without.snapshot(), self._tree.snapshot()
        changed = {f"{path}: {after.get(path, 'gone')}" for path, state in before.items() if after.get(path) != state}
        added = {f"{path}: {after[path]}" for path in set(after) - set(before)}
        self._promises.nothing("a purge leaves what was there without it, to the byte", changed | added)
        known = self._tree.run("dpkg -l voice-satellite; ls /var/lib/dpkg/info | grep voice-satellite").output
        self._promises.hold("dpkg knows nothing of it", kept="ii  " not in known and "rc  " not in known, seen=known)

    def _untouched(self) -> None:
        self._get(self._this)
        self._get(self._next)
        config = self._tree.must(f"cat {ETC}/config.yaml")
        self._promises.hold("a configuration that nobody touched is renewed", kept=CHANGE in config, seen=config)
        seen = self._tree.run(f"stat -c '%a %U:%G' {ETC}/config.yaml").output.strip()
        self._promises.hold("… and keeps its owner", kept=seen == OWNED[f"{ETC}/config.yaml"], seen=seen)

    def _demo(self) -> None:
        self._tree.must("apt-get install -y --no-install-recommends mosquitto espeak-ng")
        done = self._tree.run(
            "cd /srv && setpriv --reuid nobody --clear-groups env HOME=/nonexistent voice-satellite demo"
        )
        self._promises.hold(f"the demo runs ({done.seconds:.0f} s)", kept=done.code == 0, seen=done.output)

    def _get(self, package: Package) -> Done:
        """Install this version, whichever is there."""
        target = self._tree.directory / "srv" / package.path.name
        target.write_bytes(package.path.read_bytes())
        done = self._tree.run(f"apt-get update -qq && {INSTALL} /srv/{package.path.name}")
        target.unlink()
        self._promises.hold(f"apt-get installs {package.version}", kept=done.code == 0, seen=done.output)
        return done

    def _keeps(self, what: str) -> None:
        config = self._tree.run(f"tail -n 1 {ETC}/config.yaml").output.strip()
        self._promises.hold(f"{what} keeps a configuration that was changed", kept=config == OWN_LINE, seen=config)
        state = self._tree.run("cat /var/lib/voice-satellite/settings.json; id voice-satellite").output
        self._promises.hold(f"{what} keeps state and user", kept=state.startswith("state\nuid="), seen=state)
        for path, owned in OWNED.items():
            seen = self._tree.run(f"stat -c '%a %U:%G' {path}").output.strip()
            if seen != owned:
                self._promises.hold(f"{what} leaves {path} {owned}", kept=False, seen=seen)

    def _expect(self, command: str, code: int, text: str) -> None:
        done = self._tree.run(f"voice-satellite {command}")
        fits = done.code == code and text in done.output and "Traceback" not in done.output
        self._promises.hold(f"{command} ends with {code}", kept=fits, seen=f"{done.output}\nended with {done.code}")

    def _version(self) -> str:
        return self._tree.run("dpkg-query -W -f '${Version}' voice-satellite").output.strip()
