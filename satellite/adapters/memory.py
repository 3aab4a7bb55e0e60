"""Memory that nothing uses any more is given back within minutes.

What refers to itself in a circle (a connection that ended, a task with its error) waits for the collector to look at
the oldest generation. By itself it does so after hours here: hardly anything is left over from minute to minute, and
what the imports made counts as a reason to wait. Memory would grow all that time.
"""

import asyncio
import gc

SETTLED_AFTER_S = 60.0
"""By then nearly all that stays for ever is there; a circle that was in use at that moment stays with it."""
TIDY_EVERY_S = 300.0


async def keep_tidy() -> None:
    """Collect at a steady pace, for ever; what stays is looked at once, so that it takes a millisecond each time."""
    await asyncio.sleep(SETTLED_AFTER_S)
    gc.unfreeze()  # what an earlier run in this process left is no longer what stays
    gc.collect()
    gc.freeze()
    while True:
        await asyncio.sleep(TIDY_EVERY_S)
        gc.collect()
