"""`python -m satellite` is the command `voice-satellite`."""

import sys

from satellite.cli import main

if __name__ == "__main__":
    sys.exit(main())
