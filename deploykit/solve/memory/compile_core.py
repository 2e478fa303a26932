"""Compile `_core.c` with the machine's C compiler.

    python -m deploykit.solve.memory.compile_core

builds it into a checkout; an install runs it by itself (`hatch_build.py`). Imports nothing of the project,
since the build of a wheel has nothing of it installed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("_core.c")
LIBRARY = Path(__file__).with_name("_core.so")


def compile_core(library: Path = LIBRARY) -> bool:
    """Compile; say on stderr why not, where it cannot be done. `CC` names another compiler than cc."""
    command = shlex.split(os.environ.get("CC") or "cc")
    if shutil.which(command[0]) is None:
        print(f"no C compiler ({command[0]}): the packing search stays in Python", file=sys.stderr)
        return False
    beside = library.with_suffix(f".{os.getpid()}")
    arguments = [*command, "-O3", "-std=c99", "-shared", "-fPIC", str(SOURCE), "-o", str(beside)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"the packing search stays in Python: {done.stderr.strip()}", file=sys.stderr)
        beside.unlink(missing_ok=True)
        return False
    os.replace(beside, library)  # a process that has the old one loaded keeps it
    return True


if __name__ == "__main__":
    sys.exit(0 if compile_core() else 1)
