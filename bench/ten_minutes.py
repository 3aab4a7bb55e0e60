"""A long recording of human voices through the real daemon: rules kept, sentences whole, cost per audio minute.

    python -m bench.ten_minutes [--minutes 10] [--format msgpack --format json] [--media pcm]

Runs one daemon per message format side by side, each over TLS against its own strict emulator and one mosquitto, and
prints what it saw. Exit code 1 when a rule was broken, a sentence was not whole, or a sample was sent twice.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.broker import Broker, Subscriber, make_certificates, subscriber
from tests.fakes.daemon import Daemon, command, emulator, words, write_config
from tests.fakes.recordings import Recording, long_recording

END_WITHIN_S = 150.0


@dataclass
class Outcome:
    """What one run showed."""

    report: dict[str, Any]
    daemon: Daemon
    healths: list[dict[str, Any]]
    transcript: list[dict[str, Any]]
    peak_rss_mb: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--format", action="append", choices=["msgpack", "json"])
    parser.add_argument("--media", default="pcm", choices=["pcm", "opus"])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    formats = args.format or ["msgpack", "json"]
    with tempfile.TemporaryDirectory(prefix="ten-minutes-") as name:
        directory = Path(name)
        recording = long_recording(directory / "long.wav", args.minutes, args.seed)
        make_certificates(directory / "tls", "localhost,IP:127.0.0.1")
        with Broker(directory / "broker") as broker:
            outcomes = _run_all(directory, recording, broker.port, formats, args.media)
    verdicts = [_judge(name, outcome, recording) for name, outcome in outcomes.items()]
    return 0 if all(verdicts) else 1


def _run_all(directory: Path, recording: Recording, port: int, formats: list[str], media: str) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}

    def one(message_format: str) -> None:
        outcomes[message_format] = asyncio.run(_run(directory, recording, port, message_format, media))

    threads = [threading.Thread(target=one, args=(name,)) for name in formats]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


async def _run(directory: Path, recording: Recording, port: int, message_format: str, media: str) -> Outcome:
    place = directory / message_format
    tls = directory / "tls"
    options = ["--recording", str(recording.wav), "--labels", str(recording.labels)]
    options += ["--tls-cert", str(tls / "server.crt"), "--tls-key", str(tls / "server.key")]
    with emulator(place / "service", *options) as service:
        deepl = {"message_format": message_format, "source_media": media}
        config = write_config(
            place,
            service.base_url,
            port,
            satellite={"id": message_format},
            audio={"input": {"device": f"file:{recording.wav}"}, "duplex": "simultaneous"},
            voice={"deepl": deepl},
            logging={"level": "info"},
        )
        async with subscriber(port, f"voice-satellite/{message_format}/#") as seen:
            with command(place, "run", "-c", str(config), SSL_CERT_FILE=str(tls / "ca.crt")) as daemon:
                peak = await _until_ended(daemon, recording.duration_s + END_WITHIN_S)
            await asyncio.sleep(0.5)
            report = service.stop()
            return Outcome(
                report,
                daemon,
                _bodies(seen, message_format, "health"),
                _bodies(seen, message_format, "transcript"),
                peak,
            )


async def _until_ended(daemon: Daemon, timeout_s: float) -> float:
    """Peak memory while it runs (sampled, as it is gone afterwards)."""
    peak = 0.0
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                peak = max(peak, daemon.peak_rss_mb())
                daemon.wait(0)
            except TimeoutError:
                await asyncio.sleep(0.5)
            except (IndexError, FileNotFoundError):  # a zombie has no memory left to tell of
                daemon.wait(5)
                return peak
            else:
                return peak


def _bodies(seen: Subscriber, satellite: str, name: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in seen.texts(f"voice-satellite/{satellite}/{name}")]


def _running_cpu(healths: list[dict[str, Any]]) -> float:
    """CPU seconds per minute between the first report of health after the start and the last."""
    first, last = next(health for health in healths if health["uptime_s"] > 1), healths[-1]
    return float((last["cpu_s"] - first["cpu_s"]) * 60 / max(1e-9, last["uptime_s"] - first["uptime_s"]))


def _judge(name: str, outcome: Outcome, recording: Recording) -> bool:
    """Print one run's figures; True when everything is as it must be."""
    usage, minutes = outcome.daemon.usage, recording.duration_s / 60
    said = words(" ".join(recording.sentences))
    heard = words(" ".join(body["text"] for body in outcome.transcript))
    ids = Counter(body["id"] for body in outcome.transcript)
    violations = outcome.report["violations"]
    cpu_s = usage.ru_utime + usage.ru_stime
    print(f"--- {name}: {recording.duration_s:.0f} s of audio, {len(recording.sentences)} sentences")
    print(f"exit code                  {outcome.daemon.exit_code}")
    print(f"rules broken               {len(violations)} {dict(Counter(v['rule'] for v in violations))}")
    print(f"words said / heard         {len(said)} / {len(heard)}, in order and alike: {said == heard}")
    print(f"segments, ids used twice   {len(outcome.transcript)}, {sum(count > 1 for count in ids.values())}")
    print(f"streamed share             {outcome.healths[-1]['streamed_s'] / recording.duration_s:.1%}")
    running_s = _running_cpu(outcome.healths)
    print(f"CPU s per audio minute     {running_s:.3f} while running, {cpu_s / minutes:.3f} with the start")
    print(f"wake-ups a second          {usage.ru_nvcsw / recording.duration_s:.1f}")
    print(f"CPU s in all               {usage.ru_utime:.2f} user, {usage.ru_stime:.2f} system")
    print(f"peak RSS                   {outcome.peak_rss_mb:.1f} MB")
    print(f"uplink latency p50 / p95   {outcome.healths[-1]['latency_ms']} ms")
    return not violations and said == heard and outcome.daemon.exit_code == 0 and max(ids.values()) == 1


if __name__ == "__main__":
    sys.exit(main())
