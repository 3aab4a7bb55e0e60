"""`voice-satellite devices`: what can be heard and played on, by the name to put in the configuration."""

import argparse
import sys

from satellite.cli import COMMANDS, EXIT_FAULT, EXIT_OK, Subparsers
from satellite.errors import DeviceError

KEYS = {"capture": "audio.input.device", "playback": "audio.output.device"}


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("devices", help=COMMANDS["devices"])
    parser.add_argument("--driver", choices=("auto", "alsa", "portaudio"), default="auto", help="as audio.driver")


def run(args: argparse.Namespace) -> int:
    """Print a table; 1 with a sentence when there is no device."""
    # loaded here: the help of the other commands needs no sound
    from satellite.adapters.devices import list_devices  # noqa: PLC0415
    from satellite.adapters.portaudio_host import quiet_stderr  # noqa: PLC0415

    try:
        with quiet_stderr():
            devices = list_devices(args.driver)
    except DeviceError as error:
        print(f"voice-satellite: {error}", file=sys.stderr)
        return EXIT_FAULT
    if not devices:
        print(
            "There is no sound device: is the card plugged in, and is this user a member of the group audio?",
            file=sys.stderr,
        )
        return EXIT_FAULT
    width = max(len(info.name) for info in devices)
    for direction, key in KEYS.items():
        print(f"{direction} ({key})")
        found = [info for info in devices if info.direction == direction]
        for index, info in enumerate(found):
            print(f"  {index:2}  {info.name:<{width}}  {info.description}".rstrip())
        if not found:
            print("  none")
    return EXIT_OK
