"""The three trials: a card goes and comes, and the daemon has to say so, stay calm, and go on."""

import asyncio
import json
import random
import statistics
from dataclasses import dataclass
from pathlib import Path

from bench.kernel_unplug.cards import SENTENCE, LoopbackCard, PromiseError, UsbCard
from bench.kernel_unplug.witness import Service, Witness

TOLD_WITHIN_S = 15.0
BACK_WITHIN_S = 5.0
HEARD_WITHIN_S = 40.0
AWAY_S = (2.0, 12.0)
CALM_SHARE_MAX = 0.25
"""Of a processor in the calmest quarter of the moments: a thread that spins never rests."""
CODES = ("microphone", "speaker")
"""What is told of devices; sound lost with one (`audio_lost`) is told for minutes after it is back."""
SOUND_S_MIN = 0.5
TRIES = 3
"""So often a sentence is said: an emulated machine that stands still for a moment loses captured sound."""


@dataclass
class Cycle:
    """Figures of one unplug; times in the guest's seconds."""

    told_s: float = 0.0
    away_s: float = 0.0
    cpu_share: float = 0.0
    calm_share: float = 0.0
    back_s: float = 0.0
    sounded_s: float | None = None


@dataclass(frozen=True)
class Stage:
    """Everything a trial plays with."""

    service: Service
    witness: Witness
    loopback: LoopbackCard
    usb: UsbCard
    sentence: Path
    rng: random.Random


class Trial:
    """What all three share."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._witness = stage.witness
        self.said_again = 0

    async def cycle(self, number: int) -> Cycle:
        """One unplug and what follows, up to the proof that all works again. Raises PromiseError."""
        raise NotImplementedError

    async def is_heard(self) -> None:
        """A sentence said into the microphone comes back as text, whole. Raises PromiseError."""
        texts: list[str] = []
        while SENTENCE not in texts:
            if len(texts) == TRIES:
                raise PromiseError(f"a sentence was not heard whole: {texts}")
            mark = self._witness.mark()
            async with self._stage.loopback.said(self._stage.sentence):
                message = await self._witness.after(
                    mark, "utterance", lambda _: True, HEARD_WITHIN_S, "a sentence was not heard"
                )
            texts.append(json.loads(message.text)["source"]["text"])
        self.said_again += len(texts) - 1

    async def is_spoken(self) -> None:
        """A sentence said into the microphone comes back as speech, to its end. Raises PromiseError."""
        mark = self._witness.mark()
        await self.is_heard()
        await self._speech(mark, "finished")

    async def speaking(self) -> None:
        """Returns when speech begins to be heard. Raises PromiseError."""
        mark = self._witness.mark()
        async with self._stage.loopback.said(self._stage.sentence):
            await self._speech(mark, "started")

    async def _speech(self, mark: int, event: str) -> None:
        await self._witness.after(
            mark, "speech", lambda body: body["event"] == event, HEARD_WITHIN_S, f"no speech {event}"
        )

    async def told(self, mark: int, code: str) -> float:
        """When the problem was raised. Raises PromiseError."""
        message = await self._witness.after(
            mark, "problem", lambda body: body.get("code") == code, TOLD_WITHIN_S, f"no problem {code}"
        )
        return message.time_s

    async def solved(self, mark: int, code: str) -> float:
        """When the problem was cleared. Raises PromiseError."""
        message = await self._witness.after(
            mark, "problem", lambda body: body.get("code") != code, HEARD_WITHIN_S, f"problem {code} is not cleared"
        )
        return message.time_s

    async def away(self, cycle: Cycle) -> None:
        """Leave the card unplugged for a while and look at what the daemon does meanwhile. Raises PromiseError."""
        cycle.away_s = self._stage.rng.uniform(*AWAY_S)
        await asyncio.sleep(cycle.away_s / 2)
        shares = await self._stage.service.cpu_shares(cycle.away_s / 2)
        cycle.cpu_share, cycle.calm_share = statistics.mean(shares), statistics.quantiles(shares)[0]
        if cycle.calm_share > CALM_SHARE_MAX:
            raise PromiseError(f"{cycle.calm_share:.0%} of a processor used at the calmest while the card is away")

    async def repair(self) -> None:
        """Plug in what a broken cycle left unplugged. Raises PromiseError."""
        for card in (self._stage.loopback, self._stage.usb):
            if not card.is_there:
                await card.plug()

    async def pulled(self, card: LoopbackCard | UsbCard, code: str) -> float:
        """Pull it out; after how many seconds the problem was raised. Raises PromiseError."""
        mark, pulled_at = self._witness.mark(), _now()
        told_at, _ = await asyncio.gather(self.told(mark, code), card.unplug())
        return told_at - pulled_at

    async def captures_again(self) -> float:
        """Plug the loopback card in; after how many seconds sound is captured. Raises PromiseError."""
        mark = self._witness.mark()
        await self._stage.loopback.plug()
        plugged_at = _now()
        back_s = await self.solved(mark, "microphone") - plugged_at
        if back_s > BACK_WITHIN_S:
            raise PromiseError(f"capture came back after {back_s:.1f} s")
        return back_s


class Microphone(Trial):
    """The card goes during capture, each second time in the middle of a sentence."""

    async def cycle(self, number: int) -> Cycle:
        cycle, stage, mark = Cycle(), self._stage, self._witness.mark()
        if number % 2:
            async with stage.loopback.said(stage.sentence):
                await self._witness.after(mark, "state", lambda state: state == "listening", 15, "no speech noticed")
        cycle.told_s = await self.pulled(stage.loopback, "microphone")
        await self.away(cycle)
        cycle.back_s = await self.captures_again()
        await self.is_heard()
        return cycle


class Loudspeaker(Trial):
    """The USB card goes while it plays speech; the microphone, on the other card, hears all the time."""

    async def cycle(self, number: int) -> Cycle:  # noqa: ARG002 - no cycle differs from another
        cycle, stage = Cycle(), self._stage
        await self.speaking()
        cycle.told_s = await self.pulled(stage.usb, "speaker")
        await self.away(cycle)
        await self.is_heard()
        if self._witness.latest("problem").get("code") != "speaker":
            raise PromiseError("problem speaker is cleared while the card is away")
        mark = self._witness.mark()
        await stage.usb.plug()
        plugged_at = _now()
        await self.is_spoken()
        cycle.back_s = await self.solved(mark, "speaker") - plugged_at
        cycle.sounded_s = await stage.usb.sounded_s()
        if cycle.sounded_s < SOUND_S_MIN:
            raise PromiseError(f"{cycle.sounded_s:.1f} s of sound came out of the card, though it was told as spoken")
        return cycle


class Speakerphone(Trial):
    """Microphone and loudspeaker go at once, while speech is played."""

    async def cycle(self, number: int) -> Cycle:  # noqa: ARG002 - no cycle differs from another
        cycle, stage = Cycle(), self._stage
        await self.speaking()
        cycle.told_s = await self.pulled(stage.loopback, "microphone")
        await self.away(cycle)
        mark = self._witness.mark()
        cycle.back_s = await self.captures_again()
        await self.is_spoken()
        await self._witness.after(
            mark,
            "problem",
            lambda body: body.get("code") not in CODES,
            10,
            "the problem with the device is not cleared",
        )
        return cycle


TRIALS: dict[str, type[Trial]] = {"microphone": Microphone, "loudspeaker": Loudspeaker, "speakerphone": Speakerphone}


def _now() -> float:
    """The clock that the messages are stamped with."""
    return asyncio.get_running_loop().time()
