"""The process that holds one open sound device; started for it, and killed when the device does not let go.

Sound libraries wait without end in a stalled sound server, spin on a card that was pulled out, and some end the
process when a write fails; a thread in such a call can neither be stopped nor does it give back what it holds.
"""

import ctypes
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from satellite.adapters.deviceside import Order
from satellite.adapters.devicewire import Kind, Wire
from satellite.errors import DeviceError

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Hold the device that the command line names until the satellite closes its end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # meant for the whole group: the satellite stops in order and closes us then
        signal.signal(number, signal.SIG_IGN)
    parent, descriptor, order = int(sys.argv[1]), int(sys.argv[2]), Order.parsed(sys.argv[3:])
    _die_with(parent)
    wire = Wire(socket.socket(fileno=descriptor))
    try:
        _hold(wire, order)
    except DeviceError as error:
        wire.send(Kind.FAILED, str(error).encode())
    except Exception as error:  # noqa: BLE001 - a process's border: the satellite has to end with a trace of its own
        wire.send(Kind.BROKEN, _whereabouts(error).encode())
    wire.close()
    return 0


def _whereabouts(error: Exception) -> str:
    """What was raised where; not its text, which a library may have made of anything."""
    import traceback  # noqa: PLC0415 - loaded only when used

    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames]  # noqa: PTH119 - no pathlib here
    return f"{type(error).__name__} in the process of a sound device, at {' > '.join(places)}"


def _hold(wire: Wire, order: Order) -> None:
    driver: Any
    if order.driver == "alsa":
        from satellite.adapters import alsa as driver  # noqa: PLC0415 - loaded only when used
    else:
        from satellite.adapters import portaudio as driver  # noqa: PLC0415 - loaded only when used
    (driver.capture if order.direction == "capture" else driver.play)(wire, order)


def _die_with(parent: int) -> None:
    """A satellite that is killed takes us along, wherever we hang: nobody else would let go of the device."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
