"""Writes what the Debian package has of its own: the licences of bundled packages, the page for `man`, and the unit.

python scripts/make_debian_files.py SITE DIRECTORY      SITE: where the package's Python modules are
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from satellite import __version__
from satellite.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
NAME = "voice-satellite"
TEMPLATE = ROOT / "deploy" / "deb" / f"{NAME}.1.in"
UNIT = ROOT / "systemd" / f"{NAME}.service"
BY_HAND = re.compile(rf"/opt/{NAME}/(?:\S+/)?bin/(?={NAME}\b)")
COPYRIGHT_LINE = re.compile(r"^ *(Copyright (?:\(c\) )?\d{4}.*|Copyright \(c\) .*)$", re.MULTILINE | re.IGNORECASE)
ON_DEBIAN = {"Apache-2.0": "On Debian systems, the whole licence is in /usr/share/common-licenses/Apache-2.0."}
HEADER = f"""\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: {NAME}
Comment: Python packages of others come along as their authors built them; each is named below with its version.

Files: *
Copyright: {NAME} contributors
License: Apache-2.0
 {ON_DEBIAN["Apache-2.0"]}
"""


def manual_page() -> str:
    """voice-satellite(1), with the commands that this version has."""
    commands = "\n".join(f".TP\n.B {name}\n{_roff(text[0].upper() + text[1:])}." for name, text in COMMANDS.items())
    return TEMPLATE.read_text(encoding="utf-8").replace("@VERSION@", __version__).replace("@COMMANDS@", commands)


def unit() -> str:
    """The unit, with the program where the package has it; what stands above its sections is about another place."""
    return BY_HAND.sub("/usr/bin/", re.sub(r"\A(#.*\n|\n)*", "", UNIT.read_text(encoding="utf-8")))


def copyright_file(site: Path) -> str:
    """Debian's machine-readable form: our own licence and those of all distributions in a directory."""
    bundled = sorted(distributions(path=[str(site)]), key=lambda distribution: distribution.name.lower())
    return "\n".join([HEADER, *(_paragraph(distribution) for distribution in bundled if distribution.name != NAME)])


def _paragraph(distribution: Distribution) -> str:
    texts = list(_licence_texts(distribution))
    if not texts:
        raise SystemExit(f"{distribution.name} comes without the text of its licence")
    metadata = distribution.metadata.json
    licence = str(metadata.get("license_expression") or metadata.get("license") or f"as-of-{distribution.name}")
    holders = [line.strip() for text in texts for line in COPYRIGHT_LINE.findall(text)]
    files = sorted({f"usr/lib/{NAME}/*/{top}" for top in _top_levels(distribution)})
    lines = [
        "Files: " + "\n ".join(files),
        "Copyright: " + "\n ".join(holders or [f"the authors of {distribution.name}"]),
        f"Comment: {distribution.name} {distribution.version}",
        f"License: {licence}",
        *(_indented(text) for text in [*texts, ON_DEBIAN.get(licence, "")] if text),
    ]
    return "\n".join(lines) + "\n"


def _licence_texts(distribution: Distribution) -> Iterator[str]:
    for file in distribution.files or ():
        if ".dist-info/licenses/" in file.as_posix():
            yield file.read_text().strip()


def _top_levels(distribution: Distribution) -> set[str]:
    """The files and directories that a distribution has of its own."""
    paths = [file for file in distribution.files or () if file.parts[0] not in ("..", "bin")]
    return {f"{path.parts[0]}/*" if len(path.parts) > 1 else path.parts[0] for path in paths}


def _indented(text: str) -> str:
    return "\n".join(f" {line}".rstrip() if line.strip() else " ." for line in text.splitlines())


def _roff(text: str) -> str:
    return text.replace("\\", "\\\\").replace("-", "\\-")


def main(site: str, directory: str) -> None:
    Path(directory, "copyright").write_text(copyright_file(Path(site)), encoding="utf-8")
    Path(directory, f"{NAME}.1").write_text(manual_page(), encoding="utf-8")
    Path(directory, "service").write_text(unit(), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
