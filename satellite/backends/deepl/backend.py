"""What the DeepL backend is."""

from satellite.backends.base import Backend, Capabilities, UploadFormat
from satellite.backends.deepl.options import MAX_TARGETS, DeepLOptions, check
from satellite.backends.deepl.session import DeepLSession


def upload_format(options: DeepLOptions) -> UploadFormat:
    """The form of the audio sent."""
    return UploadFormat.OGG_OPUS if options.source_media == "opus" else UploadFormat.PCM


BACKEND = Backend(
    name="deepl",
    capabilities=Capabilities(
        translates=True, speaks=True, detects_language=True, resumes=True, max_target_languages=MAX_TARGETS
    ),
    options=DeepLOptions,
    check=check,
    create=DeepLSession,
    upload_format=upload_format,
)
