"""Find a Python of a given minor version for a toolchain's environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploykit.core.errors import EnvironmentFault, input_error

ASK = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"


def find_python(versions: Sequence[str], *, given: Path | None, toolchain: str) -> Path:
    """Give an interpreter of one of `versions` ("3.10"), the first that is found: ours, PATH's, pyenv's.

    Raises:
        InputError: the given one is of another version, or is none.
        EnvironmentFault: none was found.
    """
    if given is not None:
        found = version_of(given)
        if found in versions:
            return given
        what = f"is Python {found}" if found else "is no Python that can make environments (venv, ensurepip)"
        raise input_error(
            f"--python {given}", what, f"{toolchain} needs Python {' or '.join(versions)}: name one of these"
        )
    for version in versions:
        for candidate in _candidates(version):
            if version_of(candidate) == version:
                return candidate
    wanted = " or ".join(versions)
    raise EnvironmentFault(
        f"toolchain {toolchain}: it needs Python {wanted}, and none was found (looked at this Python, at "
        f"python{versions[0]} on PATH and in pyenv); install one, such as `pyenv install {versions[0]}`, or "
        "name it with --python"
    )


def version_of(python: Path) -> str | None:
    """Give an interpreter's minor version; None where it does not run or lacks venv."""
    try:
        answer = subprocess.run(
            [python, "-I", "-c", ASK], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None


def _candidates(version: str) -> Iterator[Path]:
    own = Path(getattr(sys, "_base_executable", "") or sys.executable)
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        yield own
    # pyenv before PATH: its shims of versions that are not activated exist on PATH, and fail
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True)
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
