"""The data files of a folder that the user named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.packages import PREFIX, package_file
from deploykit.core.python_code import module_file
from deploykit.tasks.context import TaskContext


def network_files(
    path: Path, suffixes: Sequence[str], context: TaskContext, network: str
) -> tuple[Path, ...]:
    """List one network's files: those of `path/NETWORK`, or of `path` where there is no such folder."""
    folder = context.folder / path
    inner = folder / network
    if len(context.contracts) > 1 and not inner.is_dir():
        fix = f"each network ({context.names}) has a folder of its own there"
        raise input_error(str(folder), f"no folder {network!r} in the data folder", fix)
    return list_files(inner if inner.is_dir() else folder, suffixes)


def list_files(folder: Path, suffixes: Sequence[str]) -> tuple[Path, ...]:
    """List the files with these suffixes in the order of their names; none may leave the folder by a link."""
    if not folder.is_dir():
        raise input_error(
            str(folder), "there is no such folder", "a relative path starts at the pipeline's YAML"
        )
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in suffixes)
    if not files:
        raise input_error(
            str(folder), "the data folder is empty", f"it should hold files of type {', '.join(suffixes)}"
        )
    root = folder.resolve()
    faults = [
        Fault(str(file), "the name leads out of the data folder", "put the file itself there")
        for file in files
        if not file.resolve().is_relative_to(root)
    ]
    if faults:
        raise InputError(*faults)
    return tuple(files)


def divided(files: Sequence[Path], validation_share: float) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Split files into (calibration, validation): the last share is unseen; a single file serves both."""
    if len(files) == 1:
        return tuple(files), tuple(files)
    unseen = min(len(files) - 1, max(1, math.ceil(len(files) * validation_share)))
    return tuple(files[:-unseen]), tuple(files[-unseen:])


def option_files(value: str, folder: Path, where: str) -> list[tuple[str, Path]]:
    """List the files behind an option: a folder (two levels deep), a file, or a function's module."""
    if value.startswith(PREFIX):
        return [(value, package_file(value, where))]
    path = folder / value
    if path.is_dir():
        files = sorted(file for pattern in ("*", "*/*") for file in path.glob(pattern) if file.is_file())
        return [(f"{value}/{file.relative_to(path).as_posix()}", file) for file in files]
    if path.is_file():
        return [(value, path)]
    module = module_file(value.split(":")[0], folder) if ":" in value else None
    return [(value, module)] if module else []
