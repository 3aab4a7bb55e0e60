"""How fast Palabra is sent audio, and in which pieces (reference §10).

The service wants one steady stream in real time: real audio when there is some, zeros when not, and no burst after it
waited. So there is one piece for each beat, and what was late is made good by leaving out zeros, never by speed.
"""

from satellite.backends.pacer import Pace

SOCKET_BEAT_MS = 320
"""The length of a message that the service advises."""
ROOM_BEAT_MS = 100
"""A room has no messages of audio: as short as what the microphone delivers at once."""
PACE = Pace(
    speed=1.0,
    hard_gap=0.5,  # after a message that the link held up, the next one leaves no sooner
    min_gap_s=0.05,
    slack_s=0.1,  # a timer may be late by this without the beat falling behind the clock for good
)
