"""What the Palabra backend is."""

from satellite.backends.base import Backend, Capabilities, Languages, Need, UploadFormat, VoiceChoice
from satellite.backends.palabra.jobs import ACTIONS
from satellite.backends.palabra.languages import SOURCES, TARGETS
from satellite.backends.palabra.options import MAX_TARGETS, PalabraOptions, check
from satellite.backends.palabra.session import PalabraSession


def upload_format(options: PalabraOptions) -> UploadFormat:  # noqa: ARG001 - the backend interface
    """Samples as they are: how the service frames compressed sound is not said anywhere."""
    return UploadFormat.PCM


def needs(options: PalabraOptions, voice: VoiceChoice) -> list[Need]:  # noqa: ARG001 - the backend interface
    """LiveKit's SDK, for WebRTC."""
    if options.transport != "webrtc":
        return []
    return [Need("voice.palabra.transport", "webrtc", "livekit")]


BACKEND = Backend(
    name="palabra",
    capabilities=Capabilities(
        translates=True, speaks=True, detects_language=True, resumes=False, max_target_languages=MAX_TARGETS
    ),
    options=PalabraOptions,
    check=check,
    create=PalabraSession,
    upload_format=upload_format,
    needs=needs,
    languages=Languages(tuple(sorted(SOURCES)), tuple(sorted(TARGETS)), tuple(sorted(TARGETS))),
    actions=ACTIONS,
)
