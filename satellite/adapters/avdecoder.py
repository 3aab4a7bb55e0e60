"""Decoding of compressed speech by PyAV, in a thread of its own.

The event loop's side puts units into an inbox and gets PCM by call-back; the thread's side reads the inbox as a
file that blocks. A boundary in the inbox is the end of that file: the demuxer then gives up what it kept back, and
the next one starts with the saved header.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from satellite.adapters.containers import Container, HeaderKeeper
from satellite.adapters.sound import RATES_HZ

if TYPE_CHECKING:
    import av

_log = logging.getLogger(__name__)

MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Compressed speech the inbox takes before it refuses more: some half an hour of Opus."""
ITEM_BYTES = 64
"""What a unit costs besides its bytes: millions of tiny ones must not pass for little."""
MAX_PIECES_UNDER_WAY = 50
PIECE_MS = 100
"""PCM goes to the event loop in pieces of about this length, fewer wake-ups than one a packet."""
_BEGINNING_BYTES = 8  # enough to tell the beginning of any container

_OPUS_HEAD, _OPUS_TAGS = b"OpusHead", b"OpusTags"


class _UnfitFrameError(ValueError):
    """Decoded audio that would last for hours: a few bytes at a rate of some hertz."""


class _Boundary:
    """End of a piece of speech; `done` is called on the loop when all PCM before it was delivered."""

    def __init__(self, done: Callable[[], None] | None) -> None:
        self.done = done


class _Inbox:
    """Units and boundaries on their way from the loop to the thread."""

    def __init__(self) -> None:
        self._items: deque[bytes | _Boundary] = deque()
        self._waiting_bytes = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, item: bytes | _Boundary) -> bool:
        """Append; False when the inbox is full or closed."""
        with self._changed:
            size = ITEM_BYTES + (len(item) if isinstance(item, bytes) else 0)
            if self._is_closed or self._waiting_bytes + size > MAX_WAITING_BYTES:
                return False
            self._items.append(item)
            self._waiting_bytes += size
            self._changed.notify()
            return True

    def close(self) -> None:
        """Nothing more comes; a waiting thread sees the end of the file."""
        with self._changed:
            self._is_closed = True
            self._items.clear()
            self._changed.notify()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def peek(self, limit: int) -> bytes:
        """The next bytes without taking them; waits for that many, or for a boundary."""
        with self._changed:
            while True:
                found, is_whole = self._leading(limit)
                if is_whole or self._is_closed:
                    return found
                self._changed.wait()

    def take(self, limit: int | None, *, wait: bool) -> bytes | None:
        """At most `limit` bytes of the next unit (None: all of it); empty at a boundary; None when nothing is there."""
        with self._changed:
            while not self._items and not self._is_closed:
                if not wait:
                    return None
                self._changed.wait()
            if not self._items or isinstance(unit := self._items[0], _Boundary):
                return b""
            self._items.popleft()
            if limit is not None and len(unit) > limit:
                self._items.appendleft(unit[limit:])
                unit = unit[:limit]
                self._waiting_bytes += ITEM_BYTES
            self._waiting_bytes -= ITEM_BYTES + len(unit)
            return unit

    def take_boundary(self) -> _Boundary | None:
        """The boundary that is next, if one is."""
        with self._changed:
            if self._items and isinstance(self._items[0], _Boundary):
                boundary = self._items.popleft()
                self._waiting_bytes -= ITEM_BYTES
                return boundary if isinstance(boundary, _Boundary) else None
            return None

    def _leading(self, limit: int) -> tuple[bytes, bool]:
        found = b""
        for item in self._items:
            if isinstance(item, _Boundary):
                return found, True
            found += item[:limit]
            if len(found) >= limit:
                return found[:limit], True
        return found, False


class _Outlet:
    """PCM on its way from the thread to the loop, in pieces, only so many under way at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_pcm: Callable[[bytes], None], piece_bytes: int) -> None:
        self.is_closed = False
        self._loop = loop
        self._on_pcm = on_pcm
        self._piece_bytes = piece_bytes
        self._piece = bytearray()
        self._free_places = threading.Semaphore(MAX_PIECES_UNDER_WAY)

    def write(self, pcm: bytes) -> None:
        """Called in the thread; waits while the loop is behind."""
        self._piece += pcm
        if len(self._piece) >= self._piece_bytes:
            self.deliver()

    def deliver(self) -> None:
        """Hand over what has come together. Called in the thread."""
        if self._piece and not self.is_closed:
            self._free_places.acquire()
            self.call(self._arrive, bytes(self._piece))
            self._piece.clear()

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        """Call on the loop, after all that was handed over before."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed: nobody is left to hear it
            self.is_closed = True

    def close(self) -> None:
        """Nothing is delivered from now on. Called on the loop."""
        self.is_closed = True
        self._free_places.release()  # the thread may be waiting; from now on it stops at the next look

    def _arrive(self, pcm: bytes) -> None:
        self._free_places.release()
        if not self.is_closed:
            self._on_pcm(pcm)


class _Mono:
    """Frames of any layout, sample format and rate to mono s16 of one rate."""

    def __init__(self, rate_hz: int, outlet: _Outlet) -> None:
        self._rate_hz = rate_hz
        self._outlet = outlet
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None
        self.has_written = False

    def write(self, frame: "av.AudioFrame") -> None:
        """Pass a decoded frame on. Raises ValueError for one that cannot be."""
        import av  # noqa: PLC0415 - loaded only when used

        if frame.sample_rate not in RATES_HZ:
            raise _UnfitFrameError
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:  # a resampler takes frames of one form only
            self.finish()
            self._form = form
        self.has_written = True
        if self._resampler is None:
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=self._rate_hz)
        self._write(self._resampler.resample(frame))

    def finish(self) -> None:
        """Bring out what a conversion of the rate kept back; the next frame may be of another form."""
        if self._resampler is not None:
            self._write(self._resampler.resample(None))
            self._resampler = None

    def _write(self, frames: "Sequence[av.AudioFrame]") -> None:
        for frame in frames:
            self._outlet.write(bytes(frame.planes[0])[: frame.samples * 2])


class Pump(Protocol):
    """The thread's work on one piece of speech."""

    def work(self, inbox: _Inbox, outlet: _Outlet) -> int:
        """Decode up to the next boundary; how many faults there were."""


class ContainerPump:
    """One demuxer after another over a container's byte stream, each fed the stream's header first; one codec.

    The codec outlives the demuxers: a lossy codec's frame is only whole together with the one before it.
    """

    def __init__(self, container: Container, rate_hz: int, given_header: bytes) -> None:
        self._container = container
        self._rate_hz = rate_hz
        self._keeper = HeaderKeeper(container, given_header)
        self._codec: av.AudioCodecContext | None = None

    def work(self, inbox: _Inbox, outlet: _Outlet) -> int:
        """Decode up to the next boundary; after a fault go on with what follows as long as anything is heard."""
        import av  # noqa: PLC0415 - loaded only when used

        faults = 0
        while inbox.peek(1):
            mono = _Mono(self._rate_hz, outlet)
            new_faults = self._demux(_InboxFile(inbox, outlet, self._keeper, self._prefix(inbox)), mono)
            mono.finish()
            if self._codec is not None:
                # the padding before the first sample was dropped once; the next demuxer would ask for it again
                self._codec.flags2 |= av.codec.context.Flags2.skip_manual
            faults += new_faults
            if new_faults and not mono.has_written:
                self._skip(inbox)
        return faults

    def _prefix(self, inbox: _Inbox) -> bytes:
        if self._container.is_beginning(inbox.peek(_BEGINNING_BYTES)):
            self._keeper.forget()
            self._codec = None
            return b""
        return self._keeper.header

    def _demux(self, file: "_InboxFile", mono: _Mono) -> int:
        """Decode one file to its end; the number of faults."""
        import av  # noqa: PLC0415 - loaded only when used

        faults = 0
        try:
            # titles and the like may be in any encoding
            with av.open(file, "r", format=self._container.format_name, metadata_errors="replace") as demuxer:
                stream = demuxer.streams.audio[0]
                known: av.AudioCodecContext | None = stream.codec_context
                if known is None:  # a codec that libav does not know
                    return 1
                codec = self._codec = self._codec or self._begun(known)
                for packet in demuxer.demux(stream):
                    if not packet.size:  # the demuxer is at its end, the codec is not
                        break
                    try:
                        for frame in codec.decode(packet):
                            mono.write(frame)
                    except (av.FFmpegError, ValueError):
                        faults += 1
        except av.EOFError:
            return faults  # nothing but a header came before the boundary
        except (av.FFmpegError, IndexError, ValueError):
            return faults + 1
        return faults

    @staticmethod
    def _begun(codec: "av.AudioCodecContext") -> "av.AudioCodecContext":
        codec.thread_count = 1  # more would keep frames back and cost memory
        return codec

    def _skip(self, inbox: _Inbox) -> None:
        """Drop what cannot be understood, up to a boundary or the beginning of a new stream."""
        while (ahead := inbox.peek(_BEGINNING_BYTES)) and not self._container.is_beginning(ahead):
            inbox.take(None, wait=False)


class _InboxFile:
    """The inbox as a file that blocks, and ends at a boundary."""

    def __init__(self, inbox: _Inbox, outlet: _Outlet, keeper: HeaderKeeper, prefix: bytes) -> None:
        self._inbox = inbox
        self._outlet = outlet
        self._keeper = keeper
        self._prefix = prefix
        self._is_at_end = False

    def read(self, size: int) -> bytes:
        """At most `size` bytes; empty at the end, however often it is asked."""
        if self._prefix:
            data, self._prefix = self._prefix[:size], self._prefix[size:]
            return data
        if self._is_at_end:
            return b""
        taken = self._inbox.take(size, wait=False)
        if taken is None:
            self._outlet.deliver()
            taken = self._inbox.take(size, wait=True)
        if not taken:
            self._is_at_end = True
            return b""
        self._keeper.see(taken)
        return taken


class OpusPacketPump:
    """One decoder over bare Opus packets, one a unit; it keeps nothing back, so boundaries mean nothing to it."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._head = b""
        self._decoder: av.AudioCodecContext | None = None

    def work(self, inbox: _Inbox, outlet: _Outlet) -> int:
        """Decode up to the next boundary."""
        import av  # noqa: PLC0415 - loaded only when used

        faults = 0
        mono = _Mono(self._rate_hz, outlet)
        while unit := self._next(inbox, outlet):
            try:
                self._decode(unit, mono)
            except (av.FFmpegError, ValueError):
                faults += 1
        mono.finish()
        return faults

    @staticmethod
    def _next(inbox: _Inbox, outlet: _Outlet) -> bytes | None:
        unit = inbox.take(None, wait=False)
        if unit is None:
            outlet.deliver()
            unit = inbox.take(None, wait=True)
        return unit

    def _decode(self, unit: bytes, mono: _Mono) -> None:
        import av  # noqa: PLC0415 - loaded only when used

        if unit.startswith(_OPUS_HEAD):
            if unit != self._head:
                self._head, self._decoder = unit, None
            return
        if unit.startswith(_OPUS_TAGS):
            return
        if self._decoder is None:
            self._decoder = self._open()
        for frame in self._decoder.decode(av.Packet(unit)):
            mono.write(frame)

    def _open(self) -> "av.AudioCodecContext":
        import av  # noqa: PLC0415 - loaded only when used

        decoder = av.AudioCodecContext.create("opus", "r")
        decoder.sample_rate = 48_000  # RFC 7845 section 4: the rate Opus is decoded at, whatever went in
        if self._head:
            decoder.extradata = self._head
        else:
            decoder.layout = "mono"
        return decoder


class AvDecoder:
    """ports.SpeechDecoder over a Pump in a thread; made on the event loop."""

    def __init__(
        self,
        pump: Pump,
        rate_hz: int,
        headers: Sequence[bytes],
        on_pcm: Callable[[bytes], None],
        is_beginning: Callable[[bytes], bool],
    ) -> None:
        self.faults = 0
        """Pieces of data that could not be decoded or had to be refused."""
        self._rate_hz = rate_hz
        self._pump = pump
        self._is_beginning = is_beginning
        self._loop = asyncio.get_running_loop()
        self._inbox = _Inbox()
        self._outlet = _Outlet(self._loop, on_pcm, rate_hz * 2 * PIECE_MS // 1000)
        self._flushes: set[asyncio.Future[None]] = set()
        self._has_fed = False
        self._thread = threading.Thread(target=self._work, name="satellite.decoder", daemon=True)
        self._thread.start()
        self.feed(headers)

    @property
    def rate_hz(self) -> int:
        """Rate of the PCM that comes out."""
        return self._rate_hz

    def feed(self, units: Sequence[bytes]) -> None:
        """Units in order of arrival; PCM follows soon. A unit that begins a new stream ends the one before."""
        for unit in units:
            if not unit:
                continue
            if self._has_fed and self._is_beginning(unit):
                self._inbox.put(_Boundary(None))
            self._has_fed = True
            if not self._inbox.put(bytes(unit)):
                self._note_faults(1)

    async def flush(self) -> None:
        """Bring out all that is kept back; what is fed afterwards continues the stream."""
        delivered = self._loop.create_future()
        if not self._inbox.put(_Boundary(lambda: self._flushed(delivered))):
            return
        self._has_fed = False
        self._flushes.add(delivered)
        try:
            await delivered
        finally:
            self._flushes.discard(delivered)

    def close(self) -> None:
        """Stop; no call-back comes afterwards and the thread ends by itself. Idempotent."""
        self._inbox.close()
        self._outlet.close()
        for delivered in list(self._flushes):
            self._flushed(delivered)

    @staticmethod
    def _flushed(delivered: asyncio.Future[None]) -> None:
        if not delivered.done():
            delivered.set_result(None)

    def _note_faults(self, count: int) -> None:
        if self.faults == 0 and not self._inbox.is_closed:
            _log.warning("speech came in a form that could not be decoded in full; going on with what follows")
        self.faults += count

    def _work(self) -> None:
        while not self._inbox.is_closed:
            try:
                faults = self._pump.work(self._inbox, self._outlet)
            except Exception as error:  # noqa: BLE001 - thread border: what is no fault of the data is a bug of ours
                self._outlet.call(_raise, error)
                return
            if faults:
                self._outlet.call(self._note_faults, faults)
            self._outlet.deliver()
            boundary = self._inbox.take_boundary()
            if boundary is not None and boundary.done is not None:
                self._outlet.call(boundary.done)


def _raise(error: Exception) -> None:
    """On the loop, where whoever runs it takes note."""
    raise error
