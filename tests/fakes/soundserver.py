"""A PulseAudio of a test's own: a silent microphone and a loudspeaker nobody hears, reached through ALSA's plug-in."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

READY_WITHIN_S = 20.0
# without norewinds a null sink takes two seconds of sound at once
SETUP = """
load-module module-native-protocol-unix auth-anonymous=1 socket={socket}
load-module module-null-sink sink_name=spk rate=48000 channels=1 norewinds=1
load-module module-null-sink sink_name=mic_feed rate=48000 channels=1 norewinds=1
load-module module-remap-source master=mic_feed.monitor source_name=mic
set-default-sink spk
set-default-source mic
"""
CONF = """
pcm.servermic {{ type pulse server "unix:{socket}" device "mic" hint {{ show on description "Server's microphone" }} }}
pcm.serverspk {{ type pulse server "unix:{socket}" device "spk" hint {{ show on description "Server's loudspeaker" }} }}
"""
DEFAULT = """
pcm.default {{ type pulse server "unix:{socket}" hint {{ show on description "Default" }} }}
"""
"""PortAudio ends the process when there is none."""


def is_installed() -> bool:
    """Whether there is a PulseAudio to run."""
    return all(map(shutil.which, ("pulseaudio", "pactl")))


class SoundServer:
    """Use with `ALSA_CONFIG_PATH=str(server.conf)` and the PCMs `servermic` and `serverspk`."""

    def __init__(self, directory: Path, card_conf: str = "") -> None:
        directory.mkdir(mode=0o700, parents=True)
        self.conf = directory / "asound.conf"
        self._directory = directory
        self._socket = directory / "native"
        self._setup = directory / "setup.pa"
        self._setup.write_text(SETUP.format(socket=self._socket))
        self.conf.write_text((CONF + ("" if card_conf else DEFAULT)).format(socket=self._socket) + card_conf)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when it can be used."""
        self._socket.unlink(missing_ok=True)
        options = ["--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--realtime=no", "--high-priority=no"]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["pulseaudio", "-n", "-F", str(self._setup), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while subprocess.run(["pactl", "info"], capture_output=True, check=False, env=self._environment()).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError((self._directory / "log").read_text())
            time.sleep(0.05)

    def kill(self) -> None:
        """Gone at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stall(self) -> None:
        """It does nothing any more, and says so to nobody."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _environment(self) -> dict[str, str]:
        place = str(self._directory)
        own = {"HOME": place, "XDG_RUNTIME_DIR": place, "PULSE_RUNTIME_PATH": place}
        return {**os.environ, **own, "PULSE_SERVER": f"unix:{self._socket}"}
