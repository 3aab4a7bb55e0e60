"""What the DeepL backend is."""

from satellite.backends.base import Backend, Capabilities, Languages, Need, UploadFormat, VoiceChoice
from satellite.backends.deepl.languages import SOURCES, TARGETS, UNSPOKEN
from satellite.backends.deepl.options import MAX_TARGETS, DeepLOptions, check
from satellite.backends.deepl.session import DeepLSession


def upload_format(options: DeepLOptions) -> UploadFormat:
    """The form of the audio sent."""
    return UploadFormat.OGG_OPUS if options.source_media == "opus" else UploadFormat.PCM


def needs(options: DeepLOptions, voice: VoiceChoice) -> list[Need]:
    """PyAV, for everything but PCM."""
    wanted = []
    if options.source_media != "pcm":
        wanted.append(Need("voice.deepl.source_media", options.source_media, "av"))
    if voice.speech_language is not None and not options.speech_media.startswith("audio/pcm"):
        wanted.append(Need("voice.deepl.speech_media", options.speech_media, "av"))
    return wanted


BACKEND = Backend(
    name="deepl",
    capabilities=Capabilities(
        translates=True, speaks=True, detects_language=True, resumes=True, max_target_languages=MAX_TARGETS
    ),
    options=DeepLOptions,
    check=check,
    create=DeepLSession,
    upload_format=upload_format,
    needs=needs,
    languages=Languages(tuple(sorted(SOURCES)), tuple(sorted(TARGETS)), tuple(sorted(TARGETS - UNSPOKEN))),
)
