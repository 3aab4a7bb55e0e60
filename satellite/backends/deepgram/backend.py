"""What the Deepgram Flux backend is."""

from satellite.backends.base import (
    Backend,
    BackendSession,
    Capabilities,
    Languages,
    Need,
    SessionSetup,
    UploadFormat,
    VoiceChoice,
)
from satellite.backends.deepgram.actions import ACTIONS
from satellite.backends.deepgram.languages import HINTS
from satellite.backends.deepgram.manners import Memory
from satellite.backends.deepgram.options import DeepgramOptions, check
from satellite.backends.deepgram.session import DeepgramSession

_MEMORY = Memory()


def create(options: DeepgramOptions, setup: SessionSetup) -> BackendSession:
    """A session that knows what others found out about the service at its address."""
    return DeepgramSession(options, setup, _MEMORY.of(options.base_url))


def upload_format(options: DeepgramOptions) -> UploadFormat:
    """The form of the audio sent."""
    return UploadFormat.OGG_OPUS if options.source_media == "opus" else UploadFormat.PCM


def needs(options: DeepgramOptions, voice: VoiceChoice) -> list[Need]:  # noqa: ARG001 - the backend interface
    """PyAV, for everything but PCM."""
    if options.source_media == "pcm":
        return []
    return [Need("voice.deepgram.source_media", options.source_media, "av")]


BACKEND = Backend(
    name="deepgram",
    capabilities=Capabilities(
        translates=False, speaks=False, detects_language=True, resumes=False, max_target_languages=0
    ),
    options=DeepgramOptions,
    check=check,
    create=create,
    upload_format=upload_format,
    needs=needs,
    languages=Languages(sources=tuple(sorted(HINTS))),
    actions=ACTIONS,
)
