"""The settings of a Palabra task, each with its published default; only what differs is sent (reference §8.2-§8.5)."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from satellite.core.section import Section

Name = Annotated[str, Meta(pattern=r"^[!-~]+$", max_length=128)]
Names = Annotated[tuple[Name, ...], Meta(max_length=32)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0, le=1000)]
Seconds = Annotated[float, Meta(ge=0, le=60)]
Tempo = Annotated[float, Meta(ge=0.5, le=3)]
Milliseconds = Annotated[int, Meta(ge=0, le=120_000)]


class Preprocessing(Section, frozen=True):
    """What the service does with the sound before it listens."""

    enable_vad: Annotated[bool, Meta(description="Look for speech in the sound first.")] = True
    vad_threshold: Annotated[Share, Meta(description="Probability from which sound counts as speech.")] = 0.5
    vad_left_padding: Annotated[Count, Meta(description="Kept before speech, in the service's steps.")] = 1
    vad_right_padding: Annotated[Count, Meta(description="Kept behind speech, in the service's steps.")] = 1
    pre_vad_denoise: Annotated[bool, Meta(description="Take noise away before looking for speech.")] = False
    pre_vad_dsp: Annotated[bool, Meta(description="Filter the sound before looking for speech.")] = True
    record_tracks: Annotated[Names, Meta(description="Tracks that the service records.")] = ()
    auto_tempo: Annotated[bool, Meta(description="Let the service change the tempo of the sound.")] = False
    normalize_audio: Annotated[bool, Meta(description="Let the service even out the loudness.")] = False


class SplitterAdvanced(Section, frozen=True):
    """Fine settings of the division into sentences."""

    min_sentence_characters: Annotated[Count, Meta(description="Shortest sentence, in characters.")] = 80
    min_sentence_seconds: Annotated[Seconds, Meta(description="Shortest sentence, in seconds.")] = 4
    min_split_interval: Annotated[Seconds, Meta(description="Seconds between two divisions.")] = 0.6
    context_size: Annotated[Count, Meta(description="Words of context.")] = 30
    segments_after_restart: Annotated[Count, Meta(description="Segments after a restart.")] = 15
    step_size: Annotated[Count, Meta(description="Words taken at a step.")] = 5
    max_steps_without_eos: Annotated[Count, Meta(description="Steps without the end of a sentence.")] = 3
    force_end_of_segment: Annotated[Seconds, Meta(description="Seconds after which a segment is ended.")] = 0.5
    force_split_min_characters: Annotated[Count, Meta(description="Characters before a division is forced.")] = 100
    force_split_min_seconds: Annotated[Seconds, Meta(description="Seconds before a division is forced.")] = 6


class SentenceSplitter(Section, frozen=True):
    """Division of long speech into sentences."""

    enabled: Annotated[bool, Meta(description="Divide long speech into sentences.")] = True
    splitter_model: Annotated[Name, Meta(description="Model that divides.")] = "auto"
    advanced: Annotated[SplitterAdvanced, Meta(description="Fine settings.")] = SplitterAdvanced()


class Verification(Section, frozen=True):
    """A second look at the transcript."""

    verification_model: Annotated[Name, Meta(description="Model that verifies.")] = "auto"
    allow_verification_glossaries: Annotated[bool, Meta(description="Use the account's glossaries.")] = True
    auto_transcription_correction: Annotated[bool, Meta(description="Let the service correct the transcript.")] = False
    transcription_correction_style: Annotated[Name | None, Meta(description="Style of the correction.")] = None


class FillerPhrases(Section, frozen=True):
    """Words said while a speaker is waited for."""

    enabled: Annotated[bool, Meta(description="Let the service fill pauses.")] = False


class TranscriptionAdvanced(Section, frozen=True):
    """Fine settings of the transcription."""

    filler_phrases: Annotated[FillerPhrases, Meta(description="Words that fill pauses.")] = FillerPhrases()
    ignore_languages: Annotated[Names, Meta(description="Languages that are not transcribed.")] = ()


class Transcription(Section, frozen=True):
    """How speech becomes text."""

    detectable_languages: Annotated[Names, Meta(description="With source_language auto: only these.")] = ()
    segment_confirmation_silence_threshold: Annotated[
        float, Meta(ge=0.3, le=2.0, description="Seconds of silence that confirm a sentence.")
    ] = 0.7
    only_confirm_by_silence: Annotated[bool, Meta(description="Confirm sentences by silence alone.")] = False
    sentence_splitter: Annotated[SentenceSplitter, Meta(description="Division into sentences.")] = SentenceSplitter()
    asr_model: Annotated[Name, Meta(description="Model that transcribes.")] = "auto"
    denoise: Annotated[Name, Meta(description="How noise is taken away.")] = "none"
    allow_hotwords_glossaries: Annotated[bool, Meta(description="Use the account's lists of words.")] = True
    supress_numeral_tokens: Annotated[bool, Meta(description="Write numbers as words.")] = False
    diarize_speakers: Annotated[bool, Meta(description="Tell speakers apart.")] = False
    batched_inference: Annotated[bool, Meta(description="Transcribe in batches.")] = False
    force_detect_language: Annotated[bool, Meta(description="Detect the language of every sentence.")] = False
    calculate_voice_loudness: Annotated[bool, Meta(description="Measure the voice's loudness.")] = False
    priority: Annotated[Name, Meta(description="Priority of the task.")] = "normal"
    min_alignment_score: Annotated[Share, Meta(description="Least score of an alignment.")] = 0.2
    max_alignment_cer: Annotated[Share, Meta(description="Greatest error rate of an alignment.")] = 0.8
    speakers_total: Annotated[
        Annotated[int, Meta(ge=1, le=32)] | None, Meta(description="How many people speak, where that is known.")
    ] = None
    verification: Annotated[Verification, Meta(description="A second look at the transcript.")] = Verification()
    advanced: Annotated[TranscriptionAdvanced, Meta(description="Fine settings.")] = TranscriptionAdvanced()


class VoiceTimbre(Section, frozen=True):
    """A voice that fits the speaker's."""

    enabled: Annotated[bool, Meta(description="Choose the voice by the speaker's timbre.")] = False
    high_timbre_voices: Annotated[Names, Meta(description="Voices for high timbres.")] = ("default_high",)
    low_timbre_voices: Annotated[Names, Meta(description="Voices for low timbres.")] = ("default_low",)


class SpeechAdvanced(Section, frozen=True):
    """Fine settings of the voice."""

    f0_variance_factor: Annotated[Tempo, Meta(description="How much the pitch varies.")] = 1.2
    energy_variance_factor: Annotated[Tempo, Meta(description="How much the loudness varies.")] = 1.5
    with_custom_stress: Annotated[bool, Meta(description="Use the account's word stresses.")] = True


class SpeechGeneration(Section, frozen=True):
    """How the translation is spoken; the voice itself is voice.speech_voice."""

    voice_cloning: Annotated[bool, Meta(description="Speak with the speaker's own voice.")] = False
    voice_cloning_mode: Annotated[
        Literal["static_5", "static_10"] | None, Meta(description="How the voice is learnt (experimental).")
    ] = None
    denoise_voice_samples: Annotated[bool, Meta(description="Take noise away from samples of the voice.")] = True
    voice_timbre_detection: Annotated[VoiceTimbre, Meta(description="A voice that fits the speaker.")] = VoiceTimbre()
    tts_model: Annotated[Name, Meta(description="Model that speaks.")] = "auto"
    speech_tempo_auto: Annotated[bool, Meta(description="Let the service choose the tempo.")] = True
    speech_tempo_timings_factor: Annotated[Share, Meta(description="How closely the speaker's timing is kept.")] = 0
    speech_tempo_adjustment_factor: Annotated[Tempo, Meta(description="Tempo against the usual one.")] = 0.75
    advanced: Annotated[SpeechAdvanced, Meta(description="Fine settings.")] = SpeechAdvanced()


class Translation(Section, frozen=True):
    """How text is translated; the same for every target language."""

    allowed_source_languages: Annotated[Names, Meta(description="Translate only from these; []: from any.")] = ()
    translation_model: Annotated[Name, Meta(description="Model that translates.")] = "auto"
    allow_translation_glossaries: Annotated[bool, Meta(description="Use the account's glossaries.")] = True
    style: Annotated[Name | None, Meta(description="Style of the translation.")] = None
    translate_partial_transcriptions: Annotated[
        bool, Meta(description="Translate text that may still change, and publish that as tentative.")
    ] = False
    speech_generation: Annotated[SpeechGeneration, Meta(description="The voice.")] = SpeechGeneration()


class Queue(Section, frozen=True):
    """How much speech may wait at the service, and how it catches up."""

    desired_queue_level_ms: Annotated[Milliseconds, Meta(description="Milliseconds of speech that may wait.")] = 5000
    max_queue_level_ms: Annotated[
        Milliseconds, Meta(description="Milliseconds over which the oldest speech is dropped.")
    ] = 20_000
    auto_tempo: Annotated[bool, Meta(description="Speak faster while much waits.")] = True
    min_tempo: Annotated[Tempo, Meta(description="Slowest tempo.")] = 1.15
    max_tempo: Annotated[Tempo, Meta(description="Fastest tempo.")] = 1.45
    auto_tempo_max_delay_ms: Annotated[Milliseconds, Meta(description="Milliseconds of delay that are let be.")] = 250
    tempo_decay: Annotated[Share, Meta(description="How fast the tempo goes back.")] = 0.35
    tempo_smoothing: Annotated[Share, Meta(description="How smoothly the tempo changes.")] = 0.005


def changed(section: Section) -> dict[str, Any]:
    """What differs from the defaults, as the wire wants it: a later server may refuse a field that it dropped."""
    usual = type(section)()
    found: dict[str, Any] = {}
    for name in section.__struct_fields__:
        value = getattr(section, name)
        if value == getattr(usual, name):
            continue
        found[name] = (
            changed(value) if isinstance(value, Section) else list(value) if isinstance(value, tuple) else value
        )
    return found
