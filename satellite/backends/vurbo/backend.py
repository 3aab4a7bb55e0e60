"""What the Vurbo backend is."""

from satellite.backends.base import Backend, Capabilities, Languages, Need, UploadFormat, VoiceChoice
from satellite.backends.vurbo.arguments import ACTIONS
from satellite.backends.vurbo.check import MAX_TARGETS, check
from satellite.backends.vurbo.languages import REGIONAL
from satellite.backends.vurbo.options import VurboOptions
from satellite.backends.vurbo.session import VurboSession


def upload_format(options: VurboOptions) -> UploadFormat:
    """The form of the audio sent."""
    return UploadFormat.WEBM_OPUS if options.audio_format == "webm" else UploadFormat.PCM


def needs(options: VurboOptions, voice: VoiceChoice) -> list[Need]:
    """PyAV: for Opus on the way up, and for speech in whatever form the service sends it."""
    wanted = []
    if options.audio_format != "pcm":
        wanted.append(Need("voice.vurbo.audio_format", options.audio_format, "av"))
    if voice.speech_language is not None:
        wanted.append(Need("voice.speech_language", "speech of this service", "av"))
    return wanted


BACKEND = Backend(
    name="vurbo",
    capabilities=Capabilities(
        translates=True, speaks=True, detects_language=False, resumes=False, max_target_languages=MAX_TARGETS
    ),
    options=VurboOptions,
    check=check,
    create=VurboSession,
    upload_format=upload_format,
    needs=needs,
    languages=Languages(tuple(REGIONAL), tuple(REGIONAL), tuple(REGIONAL)),
    actions=ACTIONS,
)
