"""The daemon with every library talking: `python -m tests.fakes.indiscreet [--falls] run -c FILE`.

Whatever level is configured, the loggers of libraries are at their most talkative and the event loop is in its debug
mode. With `--falls` the transcript falls over its first concluded text, and says so in the words of that text.
"""

import logging
import os
import sys

from satellite.cli import main
from satellite.core.events import TranscriptUpdated
from satellite.core.transcript import TranscriptBook

TALKATIVE = ("websockets", "aiomqtt", "mqtt", "paho", "asyncio", "av", "libav", "concurrent", "urllib3")


def talk() -> None:
    """Every logger that libraries use, or may use one day."""
    os.environ["PYTHONASYNCIODEBUG"] = "1"
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger("aiomqtt.wire").setLevel(logging.DEBUG)


def fall() -> None:
    """A bug that tells what it was about, and where it came from."""
    kept = TranscriptBook.updated

    def updated(book: TranscriptBook, event: TranscriptUpdated, now: float) -> None:
        kept(book, event, now)
        if event.concluded:
            try:
                raise KeyError(event.concluded[0].text)  # noqa: TRY301 - that is the fault
            except KeyError as error:
                raise ValueError(f"{os.environ} {event} {book}") from error

    setattr(TranscriptBook, "updated", updated)  # noqa: B010 - that is the fault


if __name__ == "__main__":
    talk()
    arguments = sys.argv[1:]
    if arguments[0] == "--falls":
        del arguments[0]
        fall()
    sys.exit(main(arguments))
