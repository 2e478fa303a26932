"""Files of installed Python packages, named as `package:NAME/FILE`; the package is found, never imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from deploykit.core.errors import input_error

PREFIX = "package:"


def package_file(reference: str, where: str) -> Path:
    """Find the file that `package:NAME/FILE` names.

    Raises:
        InputError: the package is not installed, or the file is missing or outside of the package's folder.
    """
    package, _, inner = reference.removeprefix(PREFIX).partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise input_error(where, f"the package {package!r} is not installed", f"pip install {package}")
    root = Path(spec.submodule_search_locations[0]).resolve()
    found = (root / inner).resolve()
    if root not in found.parents:
        raise input_error(where, f"{inner!r} leaves the folder of the package {package!r}")
    if not found.is_file():
        raise input_error(where, f"the package {package!r} has no file {inner!r}")
    return found
