"""A pyalsaaudio for PYTHONPATH whose PCM does what a real card does in trouble and no virtual card can be brought to.

It follows SCRIPTED_ALSA, a JSON object: `reads` and `writes` are lists of steps, each the samples read or taken, a
negative error number, an error's text (which is raised), "abort" (libasound ends the process) or "bug"; `info` changes
what `PCM.info` says; `open` is the error of opening; `hang` names methods that never return, "read" once its steps are
done; `draining` is how many looks at its state a PCM takes to play out what it has when it is first asked to; a `dry`
PCM has run out when it is asked to; `reopen` is the script of the PCMs opened after the first.
Without steps left nothing comes, and all is taken.
"""

import json
import os
import time
from typing import Any

PCM_CAPTURE, PCM_PLAYBACK, PCM_NONBLOCK, PCM_FORMAT_S16_LE = 1, 0, 1, 2
PCM_STATE_RUNNING, PCM_STATE_DRAINING = 3, 5
SCRIPT: dict[str, Any] = json.loads(os.environ["SCRIPTED_ALSA"])
opened: list["PCM"] = []


class ALSAAudioError(Exception):
    """As pyalsaaudio's."""


def pcms(_kind: int) -> list[str]:
    return ["default"]


class PCM:
    """One open PCM."""

    def __init__(self, *, rate: int, channels: int, periodsize: int, periods: int, **_: object) -> None:
        script = SCRIPT.get("reopen", {}) if opened else SCRIPT
        opened.append(self)
        if "open" in script:
            raise ALSAAudioError(script["open"])
        self._info: dict[str, Any] = {
            "rate": rate,
            "channels": channels,
            "period_size": periodsize,
            "buffer_size": periodsize * periods,
            "format_name": "S16_LE",
        } | SCRIPT.get("info", {})
        self._frame_bytes = self._info["channels"] * (4 if self._info["format_name"] == "S32_LE" else 2)
        self._reads = list(script.get("reads", []))
        self._writes = list(script.get("writes", []))
        self._is_running = False
        self._draining_looks = 0
        self._hang("open")

    def info(self) -> dict[str, Any]:
        return self._info

    def state(self) -> int:
        if self._draining_looks:
            self._draining_looks -= 1
            return PCM_STATE_DRAINING
        return PCM_STATE_RUNNING if self._is_running else 4

    def read(self) -> tuple[int, bytes]:
        if not self._reads:
            self._hang("read")
        step = self._step(self._reads, 0)
        return step, (b"\0" * (self._frame_bytes - 1) + b"\1") * max(0, step)

    def write(self, pcm: bytes) -> int:
        self._hang("write")
        if self._draining_looks:
            raise ALSAAudioError("File descriptor in bad state [default]")
        self._is_running = True
        return self._step(self._writes, len(pcm) // self._frame_bytes)

    def drop(self) -> None:
        self._hang("drop")

    def drain(self) -> None:
        self._hang("drain")
        if self._is_running:
            self._draining_looks = SCRIPT.pop("draining", 0)
        self._is_running = False
        if SCRIPT.get("dry"):
            raise ALSAAudioError("Broken pipe [default]")
        if self._draining_looks:
            raise ALSAAudioError("Resource temporarily unavailable [default]")

    def close(self) -> None:
        self._hang("close")

    def _step(self, steps: list[int | str], otherwise: int) -> int:
        step: int | str = steps.pop(0) if steps else otherwise
        if step == "abort":
            os.abort()
        if step == "bug":
            raise KeyError(step)
        if isinstance(step, str):
            raise ALSAAudioError(step)
        return step

    def _hang(self, method: str) -> None:
        while method in SCRIPT.get("hang", ()):
            time.sleep(1)
