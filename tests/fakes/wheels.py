"""Small wheels that install like the real one: what scripts/install does with versions is tried without a network."""

import zipfile
from pathlib import Path

MAIN = """\
import pathlib, sys
from satellite import __version__
def main():
    if "check" in sys.argv:
        config = pathlib.Path(sys.argv[-1]).read_text()
        refused = [word for word in {refuses!r} if word in config]
        print("config.yaml:1:", *refused)
        return 78 if refused else 0
    print("voice-satellite", __version__)
"""
METADATA = "Metadata-Version: 2.1\nName: voice-satellite\nVersion: {version}\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(directory: Path, version: str, *, loads: bool = True, refuses: tuple[str, ...] = ()) -> Path:
    """A voice-satellite of this version; one that refuses configurations with these words in them."""
    directory.mkdir(exist_ok=True)
    info = f"voice_satellite-{version}.dist-info"
    files = {
        "satellite/__init__.py": f'__version__ = "{version}"\n',
        "satellite/cli.py": MAIN.format(refuses=refuses),
        "satellite/app.py": "" if loads else "raise ImportError('a part is missing')\n",
        "satellite/__main__.py": "import sys\nfrom satellite.cli import main\nsys.exit(main())\n",
        f"{info}/METADATA": METADATA.format(version=version),
        f"{info}/WHEEL": WHEEL,
        f"{info}/entry_points.txt": "[console_scripts]\nvoice-satellite = satellite.cli:main\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    path = directory / f"voice_satellite-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(name, text)
    (directory / "requirements.txt").touch()
    return path
