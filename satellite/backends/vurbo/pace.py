"""How fast Vurbo may be sent audio, and in which pieces (reference §3A.2: nothing is published, this is its advice)."""

from satellite.backends.pacer import Pace

CHUNK_S = 0.1
"""Live audio goes out as it comes."""
CATCH_UP_CHUNK_S = 0.2
"""What waited is merged up to this instead of being sent in a burst."""
PACE = Pace(
    speed=1.8,  # twice real time is the most that is advised
    hard_gap=0.5,
    min_gap_s=0.02,
)
