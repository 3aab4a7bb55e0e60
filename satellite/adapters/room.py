"""One WebRTC room by LiveKit's SDK; imported when the first one is joined, not before.

The SDK mends a broken room by itself, and says neither what of the sound got through meanwhile nor whether the other
side has noticed. So a room that has to be mended counts as lost: the next session begins anew with what was not sent.
"""

import asyncio
import contextlib
import logging
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satellite.backends.base import ABNORMAL_CLOSURE, CloseSocket, OpenRoom, SocketClosed
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, samples_of_ms

if TYPE_CHECKING:
    from livekit import rtc

TRACK_RATE_HZ = 24_000
TRACK_FRAME_MS = 100
TRACK_FRAMES = 50
"""Sound of a track that may wait to be taken: 5 s."""
QUEUE_MS = 1_000
CUSHION_MS = 300
"""Silence that goes before sound which follows on nothing: what comes a little late then leaves no gap."""
MAX_WAITING = 64
"""Messages, and pieces of sound, that may wait for the SDK; more means that it takes nothing any more."""
MAX_UNREAD = 4_096
"""Messages that came and were not read yet; more are dropped: nobody says so much."""
MAX_BIT_RATE = 32_000
FLUSH_WITHIN_S = 1.0
LEAVE_WITHIN_S = 3.0
SEEN_THROUGH_S = 10.0

STUCK = "the room takes nothing any more"
GIVEN_UP = SocketClosed(was_open=False, reason="given up while joining")
_STATUS = re.compile(r"\b([45]\d\d)\b")


@dataclass(frozen=True, slots=True)
class RoomHooks:
    """Who is told what happens in a room."""

    opened: Callable[[], None]
    message: Callable[[bytes], None]
    track_audio: Callable[[str, bytes], None]


async def _connect(room: "rtc.Room", action: OpenRoom) -> SocketClosed | None:
    """Why there is no connection, None when there is one."""
    from livekit import rtc  # noqa: PLC0415 - loaded only when used

    try:
        await room.connect(action.url, action.token, rtc.RoomOptions(auto_subscribe=True))
    except rtc.ConnectError as error:  # its text may hold the token
        status = _STATUS.search(str(error))
        reason = "the room could not be joined: the server refused, or could not be reached"
        return SocketClosed(was_open=False, reason=reason, http_status=int(status[1]) if status else None)
    return None


async def _see_through(connecting: "asyncio.Task[SocketClosed | None]") -> None:
    """Wait for a connection that nobody wants any more: the SDK ends the process when one is made and not taken."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SEEN_THROUGH_S):
            await asyncio.shield(connecting)
    connecting.cancel()


class _StuckError(Exception):
    """The SDK does not take sound."""


class RoomLife:
    """One room from joining to leaving; can be left at any point of it."""

    def __init__(self, hooks: RoomHooks) -> None:
        self._hooks = hooks
        self._joining: asyncio.Timeout | None = None
        self._is_over = asyncio.Event()
        self._closed: SocketClosed | None = None
        self._outgoing = _Outgoing()

    async def live(self, action: OpenRoom) -> SocketClosed:
        """Join, report, pass on what comes, and leave nothing behind."""
        if self._closed is not None:
            return GIVEN_UP
        logging.getLogger("livekit").setLevel(logging.CRITICAL + 1)  # it writes addresses, tokens and all
        from livekit import rtc  # noqa: PLC0415 - loaded only when used

        room = rtc.Room()
        source = rtc.AudioSource(RATE_HZ, 1, QUEUE_MS)
        async with asyncio.TaskGroup() as group:
            peer = _Peer(action.peer, self._hooks, group)
            self._listen(room, peer)
            connecting = group.create_task(_connect(room, action), name="satellite.room.connect")
            try:
                return await self._join(room, source, action, connecting, peer) or await self._stay(room, source, peer)
            finally:
                peer.leave()
                await _see_through(connecting)
                await self._leave(room, source)

    def send(self, payload: str | bytes) -> None:
        """Send one message to everybody, reliably."""
        self._put(self._outgoing.message(payload.encode() if isinstance(payload, str) else payload))

    def audio(self, pcm: bytes) -> None:
        """Publish sound on our track."""
        self._put(self._outgoing.sound(pcm))

    def flush(self) -> None:
        """Nothing is kept back."""

    def ping(self, number: int) -> None:
        """A room has no pings."""

    def close(self, action: CloseSocket) -> None:
        """Begin to leave; while still joining, give it up. The first call counts."""
        self._end(SocketClosed(was_open=True, code=action.code, reason=action.reason))
        if self._joining is not None:
            self._joining.reschedule(0.0)

    async def _stay(self, room: "rtc.Room", source: "rtc.AudioSource", peer: "_Peer") -> SocketClosed:
        """Report, and pass on what comes until somebody ends it; what was said before we leave is still sent."""
        async with asyncio.TaskGroup() as group:
            pump = group.create_task(self._pump(room, source), name="satellite.room.pump")
            self._hooks.opened()
            delivery = group.create_task(peer.deliver(), name="satellite.room.delivery")
            await self._is_over.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_WITHIN_S):
                    await self._outgoing.is_flushed.wait()
            pump.cancel()
            delivery.cancel()
        return self._closed or GIVEN_UP

    # --- joining -----------------------------------------------------------------------------------------------

    async def _join(
        self,
        room: "rtc.Room",
        source: "rtc.AudioSource",
        action: OpenRoom,
        connecting: "asyncio.Task[SocketClosed | None]",
        peer: "_Peer",
    ) -> SocketClosed | None:
        """Why it came to nothing, None when we are in, heard, and not alone."""
        from livekit import rtc  # noqa: PLC0415 - loaded only when used
        from livekit.rtc.participant import PublishTrackError  # noqa: PLC0415 - loaded only when used

        step = "joined"
        try:
            async with asyncio.timeout(action.join_timeout_s) as self._joining:
                failure = await asyncio.shield(connecting)
                if failure is not None:
                    return failure
                track = rtc.LocalAudioTrack.create_audio_track(action.track_name, source)
                options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False)
                options.audio_encoding.max_bitrate = MAX_BIT_RATE
                await room.local_participant.publish_track(track, options)
                for participant in room.remote_participants.values():
                    peer.came(participant)
                step = "opened: nobody came to translate"
                await peer.is_here.wait()
        except TimeoutError:
            return GIVEN_UP if self._closed else SocketClosed(was_open=False, reason=f"the room could not be {step}")
        except PublishTrackError:
            return SocketClosed(was_open=False, reason="the room takes no track")
        finally:
            self._joining = None
        return GIVEN_UP if self._closed else None

    def _listen(self, room: "rtc.Room", peer: "_Peer") -> None:
        """Have the SDK tell us what happens."""
        left = SocketClosed(was_open=True, code=1000, reason="the other side has left")
        room.on("participant_connected", peer.came)
        room.on("participant_disconnected", lambda who: self._end(left) if peer.is_it(who) else None)
        room.on("data_received", peer.received)
        room.on("track_subscribed", peer.subscribed)
        room.on("track_unsubscribed", lambda _track, publication, _who: peer.unsubscribed(publication))
        room.on("reconnecting", lambda: self._lost("the room's connection broke"))
        room.on("disconnected", lambda *_: self._lost("the room was closed"))

    # --- what happens ------------------------------------------------------------------------------------------

    def _lost(self, reason: str) -> None:
        self._end(SocketClosed(was_open=True, code=ABNORMAL_CLOSURE, reason=reason))

    def _end(self, closed: SocketClosed) -> None:
        """The first cause counts."""
        if self._closed is None:
            self._closed = closed
            self._is_over.set()

    def _put(self, is_taken: bool) -> None:
        if not is_taken:
            self._lost(STUCK)

    async def _pump(self, room: "rtc.Room", source: "rtc.AudioSource") -> None:
        """Hand over what waits until that fails."""
        from livekit.rtc.participant import PublishDataError  # noqa: PLC0415 - loaded only when used

        try:
            await self._outgoing.pump(room, source)
        except (PublishDataError, _StuckError):
            self._lost(STUCK)

    async def _leave(self, room: "rtc.Room", source: "rtc.AudioSource") -> None:
        """Whatever hangs is left to itself."""
        self._joining = None
        try:
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await room.disconnect()
                await source.aclose()
        except Exception:  # noqa: BLE001 - we are gone either way, and the service deletes the room
            return


class _Peer:
    """The one in the room to whom we listen."""

    def __init__(self, identity: str, hooks: RoomHooks, group: asyncio.TaskGroup) -> None:
        self._identity = identity.lower()
        self._hooks = hooks
        self._group = group
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._messages: asyncio.Queue[bytes] = asyncio.Queue(MAX_UNREAD)
        self.is_here = asyncio.Event()

    def leave(self) -> None:
        """Listen no more."""
        for reader in self._readers.values():
            reader.cancel()

    def is_it(self, participant: "rtc.RemoteParticipant") -> bool:
        return participant.identity.lower().startswith(self._identity)

    def came(self, participant: "rtc.RemoteParticipant") -> None:
        if self.is_it(participant):
            self.is_here.set()

    def received(self, packet: "rtc.DataPacket") -> None:
        is_theirs = packet.participant is None or self.is_it(packet.participant)
        if is_theirs and not packet.topic:
            with contextlib.suppress(asyncio.QueueFull):
                self._messages.put_nowait(packet.data)

    async def deliver(self) -> None:
        """Hand messages on; not from within the SDK, which keeps to itself what is raised there."""
        while True:
            self._hooks.message(await self._messages.get())

    def subscribed(
        self,
        track: "rtc.Track",
        publication: "rtc.RemoteTrackPublication",
        participant: "rtc.RemoteParticipant",
    ) -> None:
        from livekit import rtc  # noqa: PLC0415 - loaded only when used

        if track.kind == rtc.TrackKind.KIND_AUDIO and self.is_it(participant) and len(self._readers) < MAX_WAITING:
            reader = self._read(track, publication.name)
            self._readers[publication.sid] = self._group.create_task(reader, name="satellite.room.track")

    def unsubscribed(self, publication: "rtc.RemoteTrackPublication") -> None:
        reader = self._readers.pop(publication.sid, None)
        if reader is not None:
            reader.cancel()

    async def _read(self, track: "rtc.Track", name: str) -> None:
        """Pass on the sound of one track."""
        from livekit import rtc  # noqa: PLC0415 - loaded only when used

        stream = rtc.AudioStream(
            track, capacity=TRACK_FRAMES, sample_rate=TRACK_RATE_HZ, num_channels=1, frame_size_ms=TRACK_FRAME_MS
        )
        try:
            async for event in stream:
                self._hooks.track_audio(name, bytes(event.frame.data.cast("B")))
        finally:
            await stream.aclose()


class _Outgoing:
    """What waits for the SDK."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()  # the first is on its way
        self._sounds: deque[bytes] = deque()
        self._has_work = asyncio.Event()
        self.is_flushed = asyncio.Event()
        self.is_flushed.set()

    def message(self, payload: bytes) -> bool:
        """Take a message; False when too many wait."""
        self.is_flushed.clear()
        return self._put(self._messages, payload)

    def sound(self, pcm: bytes) -> bool:
        """Take a piece of sound; False when too much waits."""
        return self._put(self._sounds, pcm)

    async def pump(self, room: "rtc.Room", source: "rtc.AudioSource") -> None:
        """Hand over what waits, messages before sound."""
        while True:
            while not (self._messages or self._sounds):
                self._has_work.clear()
                await self._has_work.wait()
            if self._messages:
                await room.local_participant.publish_data(self._messages[0], reliable=True, topic="")
                self._messages.popleft()
                if not self._messages:
                    self.is_flushed.set()
            else:
                await self._play(source, self._sounds.popleft())

    def _put(self, queue: deque[bytes], piece: bytes) -> bool:
        if len(queue) >= MAX_WAITING:
            return False
        queue.append(piece)
        self._has_work.set()
        return True

    async def _play(self, source: "rtc.AudioSource", pcm: bytes) -> None:
        if source.queued_duration <= 0.0:
            await _capture(source, bytes(samples_of_ms(CUSHION_MS) * SAMPLE_BYTES))
        await _capture(source, pcm)


async def _capture(source: "rtc.AudioSource", pcm: bytes) -> None:
    from livekit import rtc  # noqa: PLC0415 - loaded only when used

    frame = rtc.AudioFrame(pcm, RATE_HZ, 1, len(pcm) // SAMPLE_BYTES)
    try:
        await source.capture_frame(frame)
    except Exception as error:
        raise _StuckError from error
