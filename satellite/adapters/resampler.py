"""Streaming resampling of mono 16-bit PCM: libspeexdsp where it is installed, else soxr, else an error with the mend.

audioop.ratecv is no choice: it has no filter, and what lies above the new band comes back as an alias at full level.
"""

import ctypes
import functools
import weakref
from typing import Any, Protocol

from satellite.core.audio import SAMPLE_BYTES
from satellite.errors import MediaError

SPEEX_QUALITY = 5
"""0 to 10; at 5 the aliases of tones outside the band drown in the rounding to 16 bits, at 3 some reach -85 dB."""
NO_RESAMPLER = (
    "the sample rate has to be changed and nothing here can do it: "
    "install libspeexdsp1 (apt install libspeexdsp1) or the extra voice-satellite[resample]"
)


class _Engine(Protocol):
    def process(self, pcm: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class Resampler:
    """Mono 16-bit PCM from one rate to another, block by block without seams. Equal rates pass through untouched.

    Raises MediaError when the rates differ and no library is there.
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int) -> None:
        self._engine: _Engine | None = None
        if rate_in_hz != rate_out_hz:
            self._engine = _make_engine(rate_in_hz, rate_out_hz)

    def process(self, pcm: bytes) -> bytes:
        """Whole samples in, the samples that are complete by now out."""
        return pcm if self._engine is None else self._engine.process(pcm)

    def flush(self) -> bytes:
        """The rest that was held back; what is processed afterwards starts from silence."""
        return b"" if self._engine is None else self._engine.flush()


def _make_engine(rate_in_hz: int, rate_out_hz: int) -> _Engine:
    library = _speex_library()
    if library is not None:
        return SpeexEngine(library, rate_in_hz, rate_out_hz)
    try:
        return SoxrEngine(rate_in_hz, rate_out_hz)
    except ImportError as error:
        raise MediaError(NO_RESAMPLER) from error


@functools.cache
def _speex_library() -> ctypes.CDLL | None:
    try:
        return _declare(ctypes.CDLL("libspeexdsp.so.1"))
    except OSError:
        # another system's name for it; the search costs memory and may run a compiler, so only where it is needed
        from ctypes.util import find_library  # noqa: PLC0415

        name = find_library("speexdsp")
    try:
        return _declare(ctypes.CDLL(name)) if name else None
    except OSError:
        return None


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    u32, out_u32 = ctypes.c_uint32, ctypes.POINTER(ctypes.c_uint32)
    library.speex_resampler_init.argtypes = [u32, u32, u32, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
    library.speex_resampler_init.restype = ctypes.c_void_p
    library.speex_resampler_process_int.argtypes = [
        ctypes.c_void_p, u32, ctypes.c_char_p, out_u32, ctypes.c_void_p, out_u32,
    ]  # fmt: skip
    for name in ("skip_zeros", "reset_mem", "destroy", "get_input_latency"):
        getattr(library, f"speex_resampler_{name}").argtypes = [ctypes.c_void_p]
    return library


class SpeexEngine:
    """libspeexdsp through ctypes: +0.7 MB, no numpy."""

    def __init__(self, library: ctypes.CDLL, rate_in_hz: int, rate_out_hz: int) -> None:
        error = ctypes.c_int(0)
        state = library.speex_resampler_init(1, rate_in_hz, rate_out_hz, SPEEX_QUALITY, ctypes.byref(error))
        if not state:
            raise MediaError(f"cannot resample from {rate_in_hz} to {rate_out_hz} Hz (libspeexdsp error {error.value})")
        self._library = library
        self._state = ctypes.c_void_p(state)
        self._rates_hz = rate_in_hz, rate_out_hz
        weakref.finalize(self, library.speex_resampler_destroy, self._state)
        library.speex_resampler_skip_zeros(self._state)

    def process(self, pcm: bytes) -> bytes:
        """Resample a block."""
        rate_in_hz, rate_out_hz = self._rates_hz
        samples_in = ctypes.c_uint32(len(pcm) // SAMPLE_BYTES)
        # all input is taken in one call when the output has room for it; the filter can hold back or release some
        samples_out = ctypes.c_uint32(samples_in.value * rate_out_hz // rate_in_hz + 64)
        out = ctypes.create_string_buffer(samples_out.value * SAMPLE_BYTES)
        self._library.speex_resampler_process_int(
            self._state, 0, pcm, ctypes.byref(samples_in), out, ctypes.byref(samples_out)
        )
        return ctypes.string_at(out, samples_out.value * SAMPLE_BYTES)

    def flush(self) -> bytes:
        """Push the filter's memory out with silence, then forget it."""
        rest = self.process(bytes(self._library.speex_resampler_get_input_latency(self._state) * SAMPLE_BYTES))
        self._library.speex_resampler_reset_mem(self._state)
        self._library.speex_resampler_skip_zeros(self._state)
        return rest


class SoxrEngine:
    """soxr with numpy: the same quality for 12 MB more."""

    def __init__(self, rate_in_hz: int, rate_out_hz: int) -> None:
        # loaded only when used: numpy costs 12 MB
        import numpy as np  # noqa: PLC0415
        import soxr  # noqa: PLC0415

        self._np: Any = np
        self._stream: Any = soxr.ResampleStream(rate_in_hz, rate_out_hz, 1, dtype="int16", quality="HQ")

    def process(self, pcm: bytes) -> bytes:
        """Resample a block."""
        return bytes(self._stream.resample_chunk(self._np.frombuffer(pcm, dtype="<i2")).tobytes())

    def flush(self) -> bytes:
        """Take the rest, then forget."""
        rest = bytes(self._stream.resample_chunk(self._np.zeros(0, dtype="<i2"), last=True).tobytes())
        self._stream.clear()
        return rest
