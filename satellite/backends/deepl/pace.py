"""How fast DeepL may be sent audio, and in which pieces (voice reference §9.1).

The service wants at least half of a chunk's duration before the next one, and no more than twice real time overall; it
closes sessions that break this. One rule with a margin keeps both over any stretch of time.
"""

from satellite.backends.pacer import Pace

LIVE_CHUNK_S = 0.2
"""What is gathered before it is sent: between the advised 50 and 250 ms, for each chunk costs a message and a ping."""
CATCH_UP_CHUNK_S = 0.25
"""Longest advised chunk; what waited is merged up to it instead of being sent in a burst."""
PACE = Pace(
    speed=1.5,
    hard_gap=0.55,  # the service closes below one half
    min_gap_s=0.05,  # the shortest advised chunk
)
