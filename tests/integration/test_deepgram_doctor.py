"""The diagnosis of a service that can only be asked by dialling it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from satellite.adapters.clock import SystemClock
from satellite.app.diagnosis import cloud
from satellite.app.diagnosis.report import Outcome, Verdict
from satellite.config.loader import load
from satellite.emulator.deepgram.settings import DeepgramVariants
from satellite.emulator.faults import Fault
from tests.fakes.flux import FAST, emulated, rules


async def asked(directory: Path, options: dict[str, Any]) -> Outcome:
    languages: dict[str, Any] = {"target_languages": [], "speech_language": None}
    voice = {"backend": "deepgram", **languages, "deepgram": options}
    path = directory / "config.yaml"
    path.write_text(yaml.safe_dump({"voice": voice}))
    return await cloud.ServiceVisit(load(path), SystemClock()).ask()


@pytest.mark.parametrize("more", [{}, {"authentication": "token"}])
async def test_nothing_is_heard_and_nothing_billed(tmp_path: Path, more: dict[str, Any]) -> None:
    async with emulated() as (emulator, _):
        outcome = await asked(tmp_path, {**emulator.options, **more})
        assert outcome.verdict is Verdict.PASS
        assert emulator.billed_ms == 0
        assert rules(emulator) == []


@pytest.mark.parametrize(
    ("status", "verdict", "mend"),
    [
        (401, Verdict.FAIL, "check voice.deepgram.api_key"),
        (402, Verdict.FAIL, "credit is used up"),
        (403, Verdict.FAIL, "check voice.deepgram.model"),
        (429, Verdict.WARN, "are in use"),
        (503, Verdict.FAIL, "try again in a while"),
    ],
)
async def test_a_refusal_tells_the_mend(tmp_path: Path, status: int, verdict: Verdict, mend: str) -> None:
    async with emulated(replace(FAST, faults=(Fault("handshake", status=status),))) as (emulator, _):
        outcome = await asked(tmp_path, emulator.options)
        assert outcome.verdict is verdict
        assert f"the handshake was answered with {status}" in outcome.detail
        assert mend in str(outcome.mend)


async def test_no_answer_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "ANSWER_WITHIN_S", 0.5)
    async with emulated(replace(FAST, variants=DeepgramVariants(no_connected=True))) as (emulator, _):
        outcome = await asked(tmp_path, emulator.options)
        assert (outcome.verdict, outcome.detail) == (Verdict.FAIL, "deepgram: no answer within 0.5 s")
