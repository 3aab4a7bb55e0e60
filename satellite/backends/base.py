"""The interface of every voice service: a pure session, fed inputs and drained for actions and events.

A session is one conversation with a service and may span several connections. It reads no clock and does no
I/O: every input carries `now` (monotonic seconds), every wish is an Action that the driver performs, every
happening an event of `core.events`. After each input the driver performs `actions()` in order, hands on
`events()`, and arms one timer for `next_deadline()`.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from satellite.core.backlog import Backlog
from satellite.core.events import VoiceEvent
from satellite.core.section import Section
from satellite.errors import ErrorCategory

# --- actions: what a session wants done ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, never retried and never redirected by the driver; answered by `http_response` or `http_failed`."""

    method: str
    url: str = field(repr=False)  # may hold a token
    headers: Mapping[str, str] = field(repr=False)  # hold a key
    body: bytes | None = None
    connect_timeout_s: float = 5.0
    timeout_s: float = 15.0
    disown: "Callable[[HttpResponse], HttpRequest | None] | None" = field(default=None, repr=False, compare=False)
    """Set where the peer keeps something for us from then on: the request is not given up when the session ends, and
    this says what to ask for when its answer comes too late."""


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """Dial a WebSocket exactly once; answered by `socket_opened` or `socket_closed`."""

    url: str = field(repr=False)  # may hold a token
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold a key
    subprotocols: tuple[str, ...] = ()
    open_timeout_s: float = 10.0
    ping_interval_s: float = 10.0
    ping_timeout_s: float = 10.0
    max_message_bytes: int = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SendText:
    """Send one TEXT message."""

    text: str


@dataclass(frozen=True, slots=True)
class SendBytes:
    """Send one BINARY message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SendPing:
    """Send a ping behind all that was sent; `pong` brings its number back once the peer has read that far."""

    number: int


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Close the WebSocket; `socket_closed` follows. `at_once` waits for no peer: it is taken to be gone."""

    code: int = 1000
    reason: str = ""
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class OpenRoom:
    """Join a WebRTC room once and publish one audio track; answered by `socket_opened` or `socket_closed`.

    It counts as opened when somebody whose identity begins with `peer` (in whatever case) is there, and as closed when
    that one leaves. In between SendText and SendBytes go to everybody in the room as reliable data, data and tracks of
    that one arrive as `message` and `track_audio`, and CloseSocket leaves. There are no pings: SendPing is not for it.
    """

    url: str
    token: str = field(repr=False)
    peer: str = ""
    track_name: str = "microphone"
    join_timeout_s: float = 20.0


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Publish PCM in STREAM_FORMAT on our track of the room."""

    pcm: bytes


Action = HttpRequest | OpenSocket | SendText | SendBytes | SendPing | CloseSocket | OpenRoom | SendAudio


# --- inputs: what happened ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole HTTP answer; header names in lower case, `retry-after` always in seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpFailed:
    """No answer came. `was_sent` is False only when the request certainly never reached the server."""

    detail: str
    was_sent: bool
    category: ErrorCategory = ErrorCategory.CONNECTIVITY
    hint: str | None = None


ABNORMAL_CLOSURE = 1006  # RFC 6455 section 7.1.5: no Close frame came


@dataclass(frozen=True, slots=True)
class SocketClosed:
    """The WebSocket is gone, or its handshake failed (`was_open` False, `http_status` when there was an answer).

    `reason` is ours where `code` is None or ABNORMAL_CLOSURE, else the peer's. `headers` (names in lower case) and
    `body` are those of the answer to a handshake that failed.
    """

    was_open: bool
    code: int | None = None
    reason: str = ""
    http_status: int | None = None
    hint: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    body: bytes = field(default=b"", repr=False, compare=False)


class SessionState(enum.Enum):
    """Life of a session; CLOSED and FAILED are final."""

    IDLE = "idle"
    REQUESTING = "requesting"
    CONNECTING = "connecting"
    STREAMING = "streaming"
    ENDING = "ending"
    CLOSED = "closed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """True when nothing more will come of the session."""
        return self in (SessionState.CLOSED, SessionState.FAILED)


class MediaEncoder(Protocol):
    """Turns PCM in STREAM_FORMAT into the bytes that go on the wire. Pure computation."""

    def encode(self, pcm: bytes) -> bytes:
        """Bytes for this PCM; empty when the encoder keeps it back for now."""

    def restart(self) -> None:
        """Begin a fresh stream: the peer may not have what was sent before."""

    def finish(self) -> bytes:
        """The bytes still kept back; the stream is over."""


@dataclass(frozen=True, slots=True)
class SessionSetup:
    """All a session is given at birth. `backlog` outlives the session: what it did not take is still there."""

    backlog: Backlog
    encoder: MediaEncoder
    source_language: str
    target_languages: tuple[str, ...]
    speech_language: str | None
    speech_voice: str | None
    idle_close_s: float
    standing: Mapping[str, Section] = field(default_factory=dict)
    """By name (see RuntimeAction.part), the arguments of those actions asked for earlier that outlast a session."""
    unique_id: str = ""
    """32 hexadecimal digits that no other session has, for a service that wants something random."""


@dataclass(slots=True)
class SessionCounters:
    """Running totals of one session."""

    sent_samples: int = 0
    """Audio samples handed to the socket, keep-alive silence included: what is billed."""
    connections: int = 0
    resumes: int = 0
    ignored_messages: int = 0
    is_paused: bool = False
    """True while a user wishes that audio waits: that it does is no fault."""


class BackendSession(Protocol):
    """One conversation with a voice service. Bad peer data never raises: it fails the session."""

    counters: SessionCounters

    @property
    def state(self) -> SessionState:
        """Where in its life the session is."""

    def start(self, now: float) -> None:
        """Begin: ask for a session. Legal in IDLE only."""

    def audio_ready(self, now: float) -> None:
        """The backlog grew or an utterance in it ended."""

    def finish(self, now: float) -> None:
        """End in order: send what the backlog holds, tell the service, wait (bounded) for the last text."""

    def close(self, now: float) -> None:
        """End at once; nothing more is waited for."""

    def http_response(self, response: HttpResponse, now: float) -> None:
        """The request's answer."""

    def http_failed(self, failure: HttpFailed, now: float) -> None:
        """The request got no answer."""

    def socket_opened(self, now: float) -> None:
        """The handshake succeeded."""

    def message(self, data: str | bytes, now: float) -> None:
        """A TEXT (str) or BINARY (bytes) message arrived."""

    def pong(self, number: int, now: float) -> None:
        """The peer has read all that was sent before this ping (and before every earlier one)."""

    def socket_closed(self, closed: SocketClosed, now: float) -> None:
        """The connection is gone or was never made."""

    def track_audio(self, track: str, pcm: bytes, now: float) -> None:
        """24 kHz mono s16le arrived on a track of the room that was opened."""

    def run_action(self, action: str, arguments: Section, now: float) -> None:
        """A run-time action that the backend declares; answered, sooner or later, by one ActionAnswered."""

    def next_deadline(self) -> float | None:
        """Absolute monotonic seconds at which `deadline_reached` is due, None for never."""

    def deadline_reached(self, now: float) -> None:
        """Time has come; called at or after `next_deadline()`."""

    def actions(self) -> list[Action]:
        """Take what is to be done, in order."""

    def events(self) -> list[VoiceEvent]:
        """Take what happened, in order."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do; honest, because configuration is checked against it."""

    translates: bool
    speaks: bool
    detects_language: bool
    resumes: bool
    max_target_languages: int
    needs_credentials: bool = True


@dataclass(frozen=True, slots=True)
class Languages:
    """Tags to offer for a choice. Services take others too: their lists grow."""

    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    spoken: tuple[str, ...] = ()


class UploadFormat(enum.Enum):
    """What the service wants to be sent; decides which MediaEncoder goes into the SessionSetup."""

    PCM = "pcm"
    OGG_OPUS = "opus"
    WEBM_OPUS = "webm"


# --- what a backend is --------------------------------------------------------------------------------------


class VoiceChoice(Protocol):
    """The languages a user asks for; SessionSetup and the configuration's `voice` section both have them."""

    @property
    def source_language(self) -> str:
        """BCP 47 tag of what is spoken, or `auto`."""

    @property
    def target_languages(self) -> tuple[str, ...]:
        """BCP 47 tags of the text translations."""

    @property
    def speech_language(self) -> str | None:
        """BCP 47 tag of the spoken translation, None for text only."""

    @property
    def speech_voice(self) -> str | None:
        """The voice as the service names it, None for its default."""


class Severity(enum.Enum):
    """Whether a finding keeps the configuration from being used."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a combination of settings; `path` is the key from the top, `voice.target_languages`."""

    path: str
    message: str
    hint: str | None = None
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class RuntimeAction:
    """Something a user may ask of a session while it runs."""

    arguments: type[Section]
    outlasts_session: bool = False
    """Asked for while no session is open it waits for the next, and every later session begins with it."""
    part: str | None = None
    """The argument that says what it is about: the last of each outlasts a session, as `<action>/<value>`."""
    follows_languages: bool = False
    """Other languages asked for make it void."""


@dataclass(frozen=True, slots=True)
class Need:
    """A package that must be installed for a setting: its key, what is wanted there, and the module."""

    path: str
    wanted: str
    module: str


OptionsT = TypeVar("OptionsT", bound=Section)


@dataclass(frozen=True, slots=True)
class Backend(Generic[OptionsT]):
    """A voice service: what it can do, its options, their check, and the factory of its sessions."""

    name: str
    capabilities: Capabilities
    options: type[OptionsT]
    check: Callable[[OptionsT, VoiceChoice], list[Finding]]
    create: Callable[[OptionsT, SessionSetup], BackendSession]
    upload_format: Callable[[OptionsT], UploadFormat]
    needs: Callable[[OptionsT, VoiceChoice], list[Need]] = lambda _options, _voice: []
    """Packages that are not there in every installation."""
    languages: Languages = Languages()
    actions: Mapping[str, RuntimeAction] = field(default_factory=dict)
    """What may be asked of a running session, by the name it has in topics."""
