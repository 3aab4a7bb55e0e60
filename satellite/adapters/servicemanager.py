"""What systemd says of itself and of units, by its own programs."""

import asyncio
import contextlib
import shutil
from collections.abc import Mapping, Sequence

ANSWER_WITHIN_S = 3.0


async def unit_properties(unit: str, names: Sequence[str]) -> Mapping[str, str] | None:
    """Properties of a unit, None where there is no systemd to ask."""
    return await _properties("systemctl", "show", unit, *(f"--property={name}" for name in names))


async def time_properties() -> Mapping[str, str] | None:
    """What systemd knows of the clock, None where there is none to ask."""
    return await _properties("timedatectl", "show")


async def _properties(program: str, *arguments: str) -> Mapping[str, str] | None:
    """The lines NAME=VALUE that a program prints; None when it is not there, fails, or does not answer."""
    path = shutil.which(program)
    if path is None:
        return None
    process = await asyncio.create_subprocess_exec(
        *(path, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            output, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode != 0:
        return None
    pairs = (line.partition("=") for line in output.decode(errors="replace").splitlines())
    return {name: value for name, separator, value in pairs if separator}
