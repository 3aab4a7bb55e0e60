"""Voice services that refuse, each against a whole daemon to which somebody speaks: how often are they asked?

    python -m bench.refusals [--minutes 10] [--only CASE]

Each request has a connection of its own, so relays in front of the service count requests (POST and GET) and sockets.
Exit code 1 when a service that refuses for good is asked more than twice, or one that closes at once is connected to
more than twelve times in the first minute.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from satellite.emulator.deepl.server import DeepLEmulator
from satellite.emulator.deepl.settings import DeepLSettings
from satellite.emulator.faults import parse_fault
from tests.fakes.broker import Broker
from tests.fakes.daemon import API_KEY, DATA, command, write_config
from tests.fakes.recordings import Recording, long_recording
from tests.fakes.relay import Relay

FIRST_MINUTE_MAX = 12
FOR_GOOD_MAX = 2


@dataclass(frozen=True)
class Case:
    """A way to refuse, and how often it may be asked."""

    name: str
    faults: tuple[str, ...]
    most_in_all: int | None = None
    most_in_first_minute: int = FIRST_MINUTE_MAX
    api_key: str = API_KEY


CASES = (
    Case("401 key not known", (), FOR_GOOD_MAX, api_key="another-key"),
    Case("403 no plan", ("http:status=403,count=-1",), FOR_GOOD_MAX),
    Case("456 quota used up", ("http:status=456,count=-1",), FOR_GOOD_MAX),
    Case("accepts and closes", ("accept_close:count=-1",)),
    Case("closes after first audio", ("cut:how=close,after_chunks=1,count=-1",)),
    Case("closes what is resumed", ("cut:how=close,at_s=10", "accept_close:skip=1,count=-1")),
    Case("503 all the time", ("http:status=503,count=-1",)),
    Case("error 400 in mid-session", ("error:status=400,after_chunks=10,count=-1",), 4),
)


@dataclass
class Count:
    """Connections of one case, in seconds from its first."""

    case: Case
    at_s: list[float] = field(default_factory=list)

    def connected(self) -> None:
        """A connection was made."""
        self.at_s.append(asyncio.get_running_loop().time())

    @property
    def first_minute(self) -> int:
        """How many came within a minute of the first."""
        return sum(at - self.at_s[0] < 60.0 for at in self.at_s)

    @property
    def is_kept(self) -> bool:
        """Whether the service was left alone as promised, and asked at all."""
        in_all = self.case.most_in_all
        return 0 < self.first_minute <= self.case.most_in_first_minute and (in_all is None or len(self.at_s) <= in_all)


class CountingRelay(Relay):
    """Passes everything on and tells of each connection."""

    def __init__(self, count: Count) -> None:
        super().__init__(0)
        self._count = count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count.connected()
        await super()._serve(reader, writer)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", default="", help="cases with this in their name")
    args = parser.parse_args()
    cases = [case for case in CASES if args.only in case.name]
    with tempfile.TemporaryDirectory(prefix="refusals-") as name:
        directory = Path(name)
        recording = long_recording(directory / "long.wav", args.minutes + 1.0, 1)
        with Broker(directory / "broker") as broker:
            counts = asyncio.run(_all(directory, recording, broker.port, cases, args.minutes))
    print(f"{'refusal':28}{'first minute':>14}{f'{args.minutes:g} minutes':>14}  seconds")
    for count in counts:
        when = " ".join(f"{at - count.at_s[0]:.0f}" for at in count.at_s)
        broken = "" if count.is_kept else "   TOO OFTEN"
        print(f"{count.case.name:28}{count.first_minute:14}{len(count.at_s):14}  {when}{broken}")
    return 0 if all(count.is_kept for count in counts) else 1


async def _all(
    directory: Path, recording: Recording, broker_port: int, cases: Sequence[Case], minutes: float
) -> list[Count]:
    """All cases side by side."""
    counts = [Count(case) for case in cases]
    async with contextlib.AsyncExitStack() as stack:
        for number, count in enumerate(counts):
            place = directory / f"sat{number}"
            place.mkdir()
            base_url = await stack.enter_async_context(_service(count))
            config = write_config(
                place,
                base_url,
                broker_port,
                satellite={"id": f"sat{number}"},
                audio={"input": {"device": f"file:{recording.wav}"}},
                voice={"deepl": {"api_key": count.case.api_key}},
            )
            stack.enter_context(command(place, "run", "-c", str(config)))
        await asyncio.sleep(minutes * 60.0)
    return counts


@contextlib.asynccontextmanager
async def _service(count: Count) -> AsyncIterator[str]:
    """The service of one case behind its relays; gives its address."""
    chance = random.Random(0)
    http, socket = CountingRelay(count), CountingRelay(count)
    await http.up()
    await socket.up()
    settings = DeepLSettings(
        api_key=API_KEY,
        advertised=f"127.0.0.1:{socket.port}",
        recording=DATA / "demo.wav",
        labels=DATA / "demo.labels.json",
        speech="tones",
        faults=tuple(parse_fault(text, chance) for text in count.case.faults),
    )
    try:
        async with DeepLEmulator(settings) as emulator:
            http.target_port = int(emulator.base_url.rpartition(":")[2])
            socket.target_port = emulator.doors.socket_port
            yield f"http://127.0.0.1:{http.port}"
    finally:
        await http.down()
        await socket.down()


if __name__ == "__main__":
    sys.exit(main())
