"""A PyAudio for PYTHONPATH whose devices do what real ones do in trouble.

It follows SCRIPTED_PORTAUDIO, a JSON object: `devices` are the names there are; `open` the error (number, text) of
opening; `hang` names what never returns ("start" of PortAudio, "open", "close"); `buffers` how many call-backs come,
and `flags` with what; `active` is False for a stream that PortAudio stops by itself after them.
"""

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

paInt16, paContinue, paAbort, paInputOverflow = 8, 0, 2, 2  # noqa: N816 - as PyAudio calls them
SCRIPT: dict[str, Any] = json.loads(os.environ["SCRIPTED_PORTAUDIO"])


def _hang(where: str) -> None:
    while where in SCRIPT.get("hang", ()):
        time.sleep(1)


class Stream:
    """A stream that calls back a few times, each as late as its buffer is long."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._callback: Callable[..., Any] = options["stream_callback"]
        self._frames, self._rate_hz = options["frames_per_buffer"], options["rate"]
        self._is_input = options["input"]
        self._is_over = threading.Event()
        self._has_run = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start_stream(self) -> None:
        self._thread.start()

    def is_active(self) -> bool:
        return not (self._has_run and SCRIPT.get("active") is False)

    def close(self) -> None:
        _hang("close")
        self._is_over.set()

    def _run(self) -> None:
        flags = list(SCRIPT.get("flags", []))
        for number in range(SCRIPT.get("buffers", 0)):
            time.sleep(self._frames / self._rate_hz)
            at = number * self._frames / self._rate_hz
            times = {"input_buffer_adc_time": at, "current_time": at, "output_buffer_dac_time": at}
            pcm = b"\1\0" * self._frames if self._is_input else None
            self._callback(pcm, self._frames, times, flags.pop(0) if flags else 0)
        self._has_run = True


class PyAudio:
    """The host."""

    def __init__(self) -> None:
        _hang("start")

    def get_device_count(self) -> int:
        return len(SCRIPT.get("devices", ()))

    def get_device_info_by_index(self, index: int) -> dict[str, Any]:
        name = SCRIPT["devices"][index]
        return {
            "name": name,
            "index": index,
            "maxInputChannels": 1,
            "maxOutputChannels": 1,
            "defaultSampleRate": 16_000.0,
        }

    def get_default_input_device_info(self) -> dict[str, Any]:
        raise OSError("No Default Input Device Available")

    get_default_output_device_info = get_default_input_device_info

    def open(self, **options: Any) -> Stream:
        _hang("open")
        if "open" in SCRIPT:
            raise OSError(*SCRIPT["open"])
        return Stream(options)

    def terminate(self) -> None:
        pass
