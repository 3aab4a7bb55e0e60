"""plot_gate: what the detector and the gate make of recordings, as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

from satellite.adapters.detectors import make_detector
from satellite.adapters.recording import read_recording
from satellite.config.model import Config
from satellite.core.audio import FRAME_SAMPLES, RATE_HZ, SAMPLE_BYTES
from satellite.core.framing import Framer
from satellite.core.gate import GateSettings, UtteranceEnded, UtteranceStarted, VadGate
from satellite.errors import MediaError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRAME_S = FRAME_SAMPLES / RATE_HZ
WIDTH_IN = 14.0
HEIGHT_IN = 3.5


def plot_gate(paths: list[Path], config: Config, out: Path) -> None:
    """Waveform, speech probability and open gate of each file, drawn to `out`. Raises MediaError without matplotlib."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - loaded only when used
    except ImportError as error:
        raise MediaError("--plot needs matplotlib: pip install 'voice-satellite[plot]'") from error
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN * len(paths)), layout="constrained")
    axes = figure.subplots(len(paths), 1, squeeze=False)[:, 0]
    for axis, path in zip(axes, paths, strict=True):
        _draw(axis, path, config)
    figure.savefig(out, dpi=110)


def _draw(axis: "Axes", path: Path, config: Config) -> None:
    pcm = read_recording(path)
    probabilities, open_spans = gate_of(pcm, config)
    samples = memoryview(pcm).cast("h")
    step = max(1, len(samples) // 20_000)
    axis.plot([i / RATE_HZ for i in range(0, len(samples), step)], [s / 32768 for s in samples[::step]], lw=0.4)
    axis.plot([i * FRAME_S for i in range(len(probabilities))], probabilities, lw=0.8, label="speech probability")
    for start_s, end_s in open_spans:
        axis.axvspan(start_s, end_s, alpha=0.2, color="tab:green", label="sent")
    axis.set(title=path.name, xlabel="s", xlim=(0, len(samples) / RATE_HZ), ylim=(-1.05, 1.05))
    handles, labels = axis.get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    axis.legend(by_label.values(), by_label.keys(), loc="lower right")


def gate_of(pcm: bytes, config: Config) -> tuple[list[float], list[tuple[float, float]]]:
    """Speech probability per frame, and the spans in seconds that would be sent (pre-roll and hang-over included)."""
    vad = config.vad
    gate = VadGate(GateSettings(vad.onset_ms, vad.pre_roll_ms, vad.hang_over_ms, vad.max_utterance_s))
    detector = make_detector(vad.detector, vad.aggressiveness)
    probabilities: list[float] = []
    spans: list[tuple[float, float]] = []
    start_s = 0.0
    for frame in Framer(FRAME_SAMPLES).push(pcm):
        probabilities.append(detector.probability(frame))
        for event in gate.push(frame, probabilities[-1]):
            if isinstance(event, UtteranceStarted):
                start_s = event.start_sample / RATE_HZ
            elif isinstance(event, UtteranceEnded):
                spans.append((start_s, event.end_sample / RATE_HZ))
    if gate.is_open:
        spans.append((start_s, len(pcm) / SAMPLE_BYTES / RATE_HZ))
    return probabilities, spans
