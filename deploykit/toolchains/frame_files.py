"""Frames on the disk: one `.npz` a frame, keys are tensor names, whatever letters they hold."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.artifacts.graph import TensorInfo
from deploykit.core.errors import Fault, InputError

Array: TypeAlias = NDArray[Any]


def write_frame(file: Path, arrays: Mapping[str, Array]) -> None:
    """Write one frame. `numpy.savez` would take no tensor named "file"."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                numpy.lib.format.write_array(stream, numpy.asarray(value), allow_pickle=False)


def read_frame(file: Path) -> dict[str, Array]:
    """Read one frame."""
    with numpy.load(file, allow_pickle=False) as values:
        return {name: values[name] for name in values.files}


def frame_files(folder: Path) -> list[Path]:
    """Give the files of all frames in order."""
    return sorted(folder.glob("*.npz"))


def write_frames(folder: Path, frames: Iterator[Mapping[str, Array]]) -> int:
    """Write frames as 0000.npz ...; gives their number."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for count, frame in enumerate(frames, start=1):
        write_frame(folder / f"{count - 1:04d}.npz", frame)
    return count


def rewrite_frames(
    folder: Path,
    names: Mapping[str, str],
    known: Mapping[str, TensorInfo],
    *,
    needed: Collection[str],
    where: str,
) -> dict[str, str]:
    """Bring a simulator's archives to the network's names ({ours: the simulator's}) and shapes.

    Sizes of 1 may be added or missing. An inner tensor that does not fit is left out; gives {the simulator's
    name: why}.

    Raises:
        InputError: a `needed` tensor that a frame lacks, or has in another shape.
    """
    faults: dict[str, Fault] = {}
    left_out: dict[str, str] = {}
    for file in frame_files(folder):
        values = read_frame(file)
        kept: dict[str, Array] = {}
        for ours, theirs in names.items():
            shape = tuple(size for size in known[ours].shape or () if isinstance(size, int))
            value = values.get(theirs)
            if value is not None and _without_ones(value.shape) == _without_ones(shape):
                kept[ours] = value.reshape(shape)
                continue
            found = "missing" if value is None else f"of shape {list(value.shape)}"
            what = f"{theirs!r} is {found} in the simulator's dump, {ours!r} is {list(shape)} in the network"
            left_out[theirs] = what
            if ours in needed:
                faults[ours] = Fault(f"{where}, {file.name}", what)
        part = file.with_suffix(".part")
        write_frame(part, kept)
        os.replace(part, file)
    if faults:
        raise InputError(*faults.values())
    return left_out


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
