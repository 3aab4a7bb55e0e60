"""A wall clock that a test sets, for programs of their own: by libfaketime (Debian package faketime)."""

from pathlib import Path


def library() -> Path:
    """Where libfaketime is."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "libfaketime is not here: apt-get install faketime"
    return found[0]


class WallClock:
    """Programs with this `environment` see the wall clock as it was set last; monotonic clocks are left alone."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "wall-clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead_s: int) -> None:
        """So many seconds ahead of the true time from now on; behind it when negative."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead_s:+d}\n")
        fresh.replace(self._file)
