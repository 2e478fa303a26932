"""Build the comparison as one file that needs Python (3.11 or later) and numpy only.

    python -m tools.build_output_diff dist/output_diff.pyz
    python output_diff.pyz REFERENCE BOARD

The same sources give the same bytes: files in order, with one date.
"""

from __future__ import annotations

import argparse
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = ("__init__.py", "core/__init__.py", "core/errors.py", "core/names.py")
"""What the comparison imports beside `deploykit/align`."""

DATE = (1980, 1, 1, 0, 0, 0)
START = """import sys

from deploykit.align.main import main

sys.exit(main())
"""


def main() -> None:
    """Write the file that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, nargs="?", default=Path("dist/output_diff.pyz"))
    output: Path = parser.parse_args().output
    build(output)
    print(f"{output}: {output.stat().st_size} bytes")


def build(output: Path) -> None:
    """Write the archive; it replaces an older one only when it is whole."""
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(f"{output.name}.part")
    with beside.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sources():
                entry = zipfile.ZipInfo(name, DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, content)
    beside.chmod(0o755)
    os.replace(beside, output)


def sources() -> Iterator[tuple[str, str]]:
    """Give every file of the archive, in order."""
    package = ROOT / "deploykit"
    files = sorted([*(package / name for name in SHARED), *(package / "align").rglob("*.py")])
    yield "__main__.py", START
    for file in files:
        yield file.relative_to(ROOT).as_posix(), file.read_text("utf-8")


if __name__ == "__main__":
    main()
