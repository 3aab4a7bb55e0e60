"""What the loopback backend is."""

from satellite.backends.base import Backend, Capabilities, UploadFormat
from satellite.backends.loopback.options import LoopbackOptions, check
from satellite.backends.loopback.session import LoopbackSession


def upload_format(options: LoopbackOptions) -> UploadFormat:  # noqa: ARG001 - the backend interface
    """Samples are never encoded: they come back as they are."""
    return UploadFormat.PCM


BACKEND = Backend(
    name="loopback",
    capabilities=Capabilities(
        translates=True,
        speaks=True,
        detects_language=False,
        resumes=False,
        max_target_languages=64,
        needs_credentials=False,
    ),
    options=LoopbackOptions,
    check=check,
    create=LoopbackSession,
    upload_format=upload_format,
)
