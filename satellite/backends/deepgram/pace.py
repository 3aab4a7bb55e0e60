"""How fast Deepgram Flux is sent audio, and in which pieces (Flux reference §2.4, §3.1, §12)."""

from satellite.backends.pacer import Pace

CHUNK_S = 0.08
"""Strongly recommended, for latency and for the model."""
GATHER_S = 0.2
"""Since the last chunk; audio too short for another waits no longer for more of its utterance."""
PACE = Pace(
    speed=1.2,  # about 1.25 is allowed
    hard_gap=0.8,
    min_gap_s=0.02,
    alone_s=0.06,
)
