"""Rooms of sessions on a LiveKit server, where there is one: the translator joins and serves its client (§5)."""

import asyncio
import base64
import functools
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from satellite.core.audio import RATE_HZ
from satellite.emulator.palabra.book import Session
from satellite.emulator.palabra.service import Service
from satellite.emulator.palabra.talk import Talk
from satellite.emulator.palabra.voice import synthesised
from satellite.emulator.pcm import WIDTH
from satellite.emulator.report import ConnectionLog
from satellite.emulator.speech import SPEECH_RATE_HZ

if TYPE_CHECKING:
    from livekit import rtc

NO_ROOMS = "https://media.invalid/livekit/"
TRANSLATOR = "palabra_translator_"
FRAME_MS = 100
NOT_BEFORE_S = 1_600_000_000
FAR_FUTURE_S = 4_000_000_000
SUBSCRIBED_S = 0.5
"""After a track was published somebody listens to it."""


class Rooms:
    """Has the translator join the room of each session."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._group: asyncio.TaskGroup | None = None
        self._translators: dict[int, asyncio.Task[None]] = {}

    @property
    def url(self) -> str:
        """Where clients are sent."""
        return self._service.settings.livekit_url or NO_ROOMS

    def adopt(self, group: asyncio.TaskGroup) -> None:
        """Translators are tasks of this group."""
        self._group = group

    def open(self, session: Session) -> None:
        """A session was made: its token lets somebody into its room, and the translator comes."""
        if not self._service.settings.livekit_url or self._group is None:
            return
        session.publisher = self.token("client", session.room)
        translator = Translator(self._service, session)
        token = self.token(f"{TRANSLATOR}{session.number}", session.room)
        self._translators[session.number] = self._group.create_task(translator.serve(self.url, token))

    def close(self, session: Session) -> None:
        """A session was deleted."""
        translator = self._translators.pop(session.number, None)
        if translator is not None:
            translator.cancel()

    def close_all(self) -> None:
        """The service goes away."""
        for session in self._service.book.sessions:
            self.close(session)

    def token(self, identity: str, room: str) -> str:
        """A LiveKit access token: a JWT signed with the server's secret."""
        settings = self._service.settings
        grants = {"roomJoin": True, "room": room, "canPublish": True, "canSubscribe": True, "canPublishData": True}
        claims = {"iss": settings.livekit_key, "sub": identity, "nbf": NOT_BEFORE_S, "exp": FAR_FUTURE_S}
        parts = [_encoded({"alg": "HS256", "typ": "JWT"}), _encoded({**claims, "video": grants})]
        signature = hmac.digest(settings.livekit_secret.encode(), ".".join(parts).encode(), hashlib.sha256)
        return ".".join([*parts, base64.urlsafe_b64encode(signature).decode().rstrip("=")])


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class Translator:
    """One session's translator: a talk whose wire is a room (talk.Wire)."""

    def __init__(self, service: Service, session: Session) -> None:
        self._service = service
        self._session = session
        self._log = ConnectionLog(1, service.clock())
        self._talk = Talk(service, session, self._log, "webrtc", self)
        self._room: rtc.Room | None = None
        self._sources: dict[str, rtc.AudioSource] = {}
        self._is_over = asyncio.Event()
        self._readers: list[asyncio.Task[None]] = []

    async def serve(self, url: str, token: str) -> None:
        """Join, and serve the client until the end."""
        from livekit import rtc  # noqa: PLC0415 - heavy, loaded only when used

        room = self._room = rtc.Room()
        try:
            async with asyncio.TaskGroup() as group:
                room.on("data_received", self._received)
                room.on("track_subscribed", functools.partial(self._subscribed, group))
                room.on("participant_connected", lambda _: self._joined())
                room.on("participant_disconnected", lambda _: self._is_over.set())
                await room.connect(url.replace("http", "ws", 1), token)
                if room.remote_participants:
                    self._joined()
                jobs = (self._talk.understand, self._talk.write, self._talk.speaking.run, self._watch)
                helpers = [group.create_task(job()) for job in jobs]
                await self._is_over.wait()
                for helper in (*helpers, *self._readers):
                    helper.cancel()
        finally:
            self._talk.over()
            self._log.closed_s = self._service.clock()
            self._session.is_connected = False
            await room.disconnect()

    async def send(self, message: dict[str, Any]) -> None:
        """One message to everybody, reliably."""
        if self._room is None or not self._room.isconnected():
            return
        variants = self._service.settings.variants
        dressed = (
            {**message, "data": json.dumps(message["data"])} if variants.string_data and "data" in message else message
        )
        await self._room.local_participant.publish_data(json.dumps(dressed).encode(), reliable=True, topic="")
        if self._service.settings.keep_audio:
            self._log.sent.append(message)

    async def speak(self, sentence: dict[str, Any], is_wanted: Callable[[], bool]) -> None:
        """Speech on the track of its language, in real time."""
        from livekit import rtc  # noqa: PLC0415 - heavy, loaded only when used

        source = await self._track(sentence["language"])
        pcm = await synthesised(self._service, sentence["language"], sentence["text"])
        step = SPEECH_RATE_HZ * FRAME_MS // 1000 * WIDTH
        for at in range(0, len(pcm), step):
            if not is_wanted():
                source.clear_queue()
                return
            piece = pcm[at : at + step].ljust(step, b"\0")
            await source.capture_frame(rtc.AudioFrame(piece, SPEECH_RATE_HZ, 1, step // WIDTH))
        await source.wait_for_playout()

    async def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - a room has no codes
        """Leave."""
        self._is_over.set()

    # ---- inside

    async def _track(self, language: str) -> "rtc.AudioSource":
        """The track of a language, published with its first speech."""
        from livekit import rtc  # noqa: PLC0415 - heavy, loaded only when used

        if language not in self._sources:
            source = self._sources[language] = rtc.AudioSource(SPEECH_RATE_HZ, 1)
            track = rtc.LocalAudioTrack.create_audio_track(f"translation_{language}", source)
            assert self._room is not None  # noqa: S101 - tells the type checker that speech comes from within a room
            await self._room.local_participant.publish_track(track)
            await asyncio.sleep(SUBSCRIBED_S)
        return self._sources[language]

    async def _watch(self) -> None:
        await self._talk.watch(self._act)

    async def _act(self) -> None:
        """Faults strike sockets only."""

    def _joined(self) -> None:
        self._session.is_connected = self._session.is_joined = True
        self._session.connections.append(self._log)

    def _received(self, packet: "rtc.DataPacket") -> None:
        try:
            message = json.loads(packet.data)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or message.keys() != {"message_type", "data"}:
            self._record("bad_message", "a message is an object with message_type and data")
        elif packet.topic:
            self._record("topic", "the control channel has no topic")
        elif message["message_type"] == "input_audio_data":
            self._record("audio_message", "a room has a track for audio")
        else:
            self._talk.command(str(message["message_type"]), message["data"], self._service.clock())

    def _subscribed(
        self,
        group: asyncio.TaskGroup,
        track: "rtc.Track",
        publication: "rtc.RemoteTrackPublication",
        _participant: "rtc.RemoteParticipant",
    ) -> None:
        from livekit import rtc  # noqa: PLC0415 - heavy, loaded only when used

        if publication.source != rtc.TrackSource.SOURCE_MICROPHONE:
            self._record("track_source", "the track is not that of a microphone")
        if self._readers:
            self._record("second_track", "more than one track was published")
            return
        self._readers.append(group.create_task(self._listen(track)))

    async def _listen(self, track: "rtc.Track") -> None:
        from livekit import rtc  # noqa: PLC0415 - heavy, loaded only when used

        stream = rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1, frame_size_ms=FRAME_MS)
        try:
            async for event in stream:
                if self._talk.desk.is_running:  # a track sounds from the beginning
                    pcm = bytes(event.frame.data.cast("B"))
                    self._talk.audio(pcm, len(pcm), self._service.clock())
        finally:
            await stream.aclose()

    def _record(self, rule: str, detail: str) -> None:
        self._service.ledger.record(rule, detail, self._session.number)
