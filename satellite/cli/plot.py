"""plot_gate: what the detector and the gate make of recordings, as a picture."""

import logging
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from satellite.adapters.detectors import make_detector
from satellite.adapters.recording import read_recording
from satellite.config.model import Config
from satellite.core.audio import FRAME_SAMPLES, RATE_HZ, SAMPLE_BYTES
from satellite.core.framing import Framer
from satellite.core.gate import EndReason, GateEvent, GateSettings, UtteranceEnded, UtteranceStarted, VadGate
from satellite.errors import MediaError, without_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FRAME_S = FRAME_SAMPLES / RATE_HZ
ROW_S = 60.0
"""A longer recording is continued in further rows, as text is in lines."""
ROWS_MAX = 12
WIDTH_IN, ROW_IN, DPI = 14.0, 3.0, 110
COLUMNS = 1_500
"""About as many pixels as a row has: the waveform is drawn by its extremes in each."""
QUIETEST = 0.02
"""A recording softer than this of full scale is not blown up any further."""
WAVE, PROBABILITY, GREY = "#1f3b57", "#b2182b", "#777777"
PRE_ROLL, SPEECH, HANG_OVER = "#9ecae1", "#a1d99b", "#fdd0a2"


@dataclass(frozen=True, slots=True)
class Opening:
    """One utterance, in seconds of the recording: what is sent, and where in it the speech is."""

    start_s: float
    onset_s: float
    speech_end_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Hearing:
    """A recording in STREAM_FORMAT, and what detector and gate make of it."""

    name: str
    samples: "array[int]"
    peak: float
    probabilities: list[float]
    openings: list[Opening]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / RATE_HZ


def plot_gate(paths: Sequence[Path], config: Config, out: Path) -> None:
    """Waveform, speech probability and open gate of each file, drawn to `out`. Raises MediaError."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - loaded only when used
    except ImportError as error:
        raise MediaError(f"--plot needs matplotlib: {without_extra('plot')}") from error
    # it warns of caches that it cannot write, which concerns nobody here
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    hearings = [hear(path.name, read_recording(path), config) for path in paths]
    rows = [(hearing, *span) for hearing in hearings for span in spans_of(hearing.seconds)]
    figure = Figure(figsize=(WIDTH_IN, ROW_IN * len(rows) + 0.5), dpi=DPI, layout="constrained")
    parts = figure.subplots(2 * len(rows), 1, squeeze=False, height_ratios=[3, 1.2] * len(rows))[:, 0]
    for number, (hearing, start_s, end_s) in enumerate(rows):
        draw(parts[2 * number], parts[2 * number + 1], hearing, (start_s, end_s))
    figure.align_ylabels(parts)
    figure.suptitle(settings_text(config), fontsize="medium")
    _add_legend(figure)
    try:
        figure.savefig(out)
    except OSError as error:
        raise MediaError(f"{out} cannot be written: {error.strerror}") from error
    except ValueError as error:  # the form that the name asks for is unknown, or the picture too large
        raise MediaError(f"{out} cannot be drawn: {error}") from error


def hear(name: str, pcm: bytes, config: Config) -> Hearing:
    """What detector and gate of this configuration make of audio in STREAM_FORMAT."""
    vad = config.vad
    gate = VadGate(GateSettings(vad.onset_ms, vad.pre_roll_ms, vad.hang_over_ms, vad.max_utterance_s))
    detector = make_detector(vad.detector, vad.aggressiveness)
    probabilities: list[float] = []
    events: list[GateEvent] = []
    for frame in Framer(FRAME_SAMPLES).push(pcm):
        probabilities.append(detector.probability(frame))
        events += gate.push(frame, probabilities[-1])
    events += gate.end(EndReason.STOPPED)
    samples = array("h", pcm[: len(pcm) - len(pcm) % SAMPLE_BYTES])
    peak = max(max(samples, default=0), -min(samples, default=0)) / 32768
    return Hearing(name, samples, peak, probabilities, list(_openings(events)))


def spans_of(seconds: float) -> list[tuple[float, float]]:
    """Beginning and end of each row: as many as there are ROW_S, ROWS_MAX at most."""
    row_s = max(FRAME_S, seconds / max(1, min(ROWS_MAX, math.ceil(seconds / ROW_S))))
    return [(row_s * row, row_s * (row + 1)) for row in range(round(seconds / row_s) or 1)]


def _openings(events: Sequence[GateEvent]) -> Iterator[Opening]:
    started: UtteranceStarted | None = None
    for event in events:
        if isinstance(event, UtteranceStarted):
            started = event
        elif isinstance(event, UtteranceEnded) and started is not None:
            samples = (started.start_sample, started.onset_sample, event.speech_end_sample, event.end_sample)
            yield Opening(*(sample / RATE_HZ for sample in samples))


def draw(wave: "Axes", speech: "Axes", hearing: Hearing, span: tuple[float, float]) -> None:
    """One row: the waveform above, the probability below, the gate behind both."""
    start_s, end_s = span
    times, lows, highs = _envelope(hearing.samples, span)
    wave.fill_between(times, lows, highs, color=WAVE, linewidth=0.4)
    limit = max(QUIETEST, hearing.peak) * 1.05
    wave.set(xlim=span, ylim=(-limit, limit), ylabel="level (of full scale)", xticklabels=[])
    frames = range(int(start_s / FRAME_S), min(len(hearing.probabilities), math.ceil(end_s / FRAME_S)))
    ticks = [number * FRAME_S for number in frames]
    speech.step(
        ticks, hearing.probabilities[frames.start : frames.stop], where="post", color=PROBABILITY, linewidth=1.0
    )
    speech.axhline(GateSettings().threshold, color=GREY, linestyle=":", linewidth=0.8)
    speech.set(xlim=span, ylim=(-0.08, 1.08), yticks=[0, 1], ylabel="speech\nprobability")
    speech.set_xlabel("time in the recording (min:s)" if hearing.seconds > ROW_S else "time in the recording (s)")
    if hearing.seconds > ROW_S:
        speech.xaxis.set_major_formatter(lambda at, _: f"{int(at) // 60}:{at % 60:02.0f}")
    for axis in (wave, speech):
        _shade(axis, [part for part in hearing.openings if part.start_s < end_s and part.end_s > start_s])
    if not start_s:
        wave.set_title(_summary(hearing), loc="left", fontweight="bold", fontsize="medium")


def _envelope(samples: "array[int]", span: tuple[float, float]) -> tuple[list[float], list[float], list[float]]:
    """Times, and the lowest and highest sample around each as shares of full scale."""
    first, last = (min(len(samples), round(moment * RATE_HZ)) for moment in span)
    step = max(1, (last - first) // COLUMNS)
    places = range(first, last, step)
    groups = [samples[at : min(last, at + step)] for at in places]
    lows, highs = ([pick(group) / 32768 for group in groups] for pick in (min, max))
    return [at / RATE_HZ for at in places], lows, highs


def _shade(axis: "Axes", openings: Sequence[Opening]) -> None:
    for opening in openings:
        axis.axvspan(opening.start_s, opening.onset_s, color=PRE_ROLL, linewidth=0, zorder=0)
        axis.axvspan(opening.onset_s, opening.speech_end_s, color=SPEECH, linewidth=0, zorder=0)
        axis.axvspan(opening.speech_end_s, opening.end_s, color=HANG_OVER, linewidth=0, zorder=0)


def _add_legend(figure: "Figure") -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - loaded only when used
    from matplotlib.patches import Patch  # noqa: PLC0415 - loaded only when used

    shades = {"pre-roll": PRE_ROLL, "speech": SPEECH, "hang-over": HANG_OVER}
    handles = [
        Patch(color=WAVE, label="waveform"),
        Line2D([], [], color=PROBABILITY, label="speech probability"),
        Line2D([], [], color=GREY, linestyle=":", label="threshold"),
        *(Patch(color=colour, label=f"sent: {name}") for name, colour in shades.items()),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def _summary(hearing: Hearing) -> str:
    sent_s = sum(opening.end_s - opening.start_s for opening in hearing.openings)
    share = sent_s / hearing.seconds if hearing.seconds else 0.0
    utterances = f"{len(hearing.openings)} utterance{'' if len(hearing.openings) == 1 else 's'}"
    return f"{hearing.name}: {hearing.seconds:.1f} s, of which {sent_s:.1f} s ({share:.0%}) are sent in {utterances}"


def settings_text(config: Config) -> str:
    """Which settings decided, for above the picture."""
    vad = config.vad
    name = f"webrtc, aggressiveness {vad.aggressiveness}" if vad.detector == "webrtc" else vad.detector
    return (
        f"detector {name}; onset {vad.onset_ms} ms, pre-roll {vad.pre_roll_ms} ms, hang-over {vad.hang_over_ms} ms,"
        f" utterances up to {vad.max_utterance_s} s"
    )
