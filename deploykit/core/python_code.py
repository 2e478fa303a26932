"""The user's own Python, named as "package.module:function" and looked for beside the pipeline too."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from deploykit.core.errors import input_error


def load_function(name: str, folder: Path, where: str) -> Any:
    """Import a function; `folder` is the pipeline's.

    Raises:
        InputError: the name has another form, or there is no such module or function.
    """
    module_name, colon, function_name = name.partition(":")
    if not (module_name and colon and function_name):
        raise input_error(where, f"{name!r} is not of the form package.module:function")
    searched = str(folder.resolve())
    if searched not in sys.path:
        sys.path.append(searched)  # kept: the function may import its neighbours when it is called
    try:
        return getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        fix = f"modules are found on Python's path and in {searched}"
        raise input_error(where, f"cannot load {name} ({error})", fix) from error


def module_file(module: str, folder: Path) -> Path | None:
    """Find a module's source file, in `folder` or as Python does; None where it has none."""
    inside_folder = folder.joinpath(*module.split(".")).with_suffix(".py")
    if inside_folder.is_file():
        return inside_folder
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and Path(spec.origin).is_file() else None
