"""A folder of numpy files as data: one file a frame, or one file a clip."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from deploykit.artifacts.contract import InputContract
from deploykit.core.dtypes import numpy_dtype
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.tasks.folder import FolderTask
from deploykit.tasks.frames import checked_frame, name_faults, value_faults
from deploykit.tasks.preprocess import to_tensor
from deploykit.tasks.protocol import Array, Frame

Values: TypeAlias = Literal["tensor", "raw"]


@dataclass(frozen=True)
class ArrayTask(FolderTask):
    """Frames from `.npy` files (networks of one input) or `.npz` files (one array an input, under its name).

    An array of the input's own rank is a frame; one dimension more in front makes the file a clip of frames.
    """

    suffixes = (".npy", ".npz")

    values: Values = "tensor"
    """`tensor`: arrays are what the network reads. `raw`: the contract (colour, resize ...) applies."""

    def read(self, file: Path, contracts: Sequence[InputContract]) -> list[Frame]:
        """Read the frames of one file, checked against the contracts."""
        return read_frames(file, contracts, self.values)


def read_frames(file: Path, contracts: Sequence[InputContract], values: Values) -> list[Frame]:
    """Read the frames of one file, checked against the contracts."""
    arrays = read_arrays(file, contracts)
    if faults := name_faults(tuple(arrays), contracts, str(file)):
        raise InputError(*faults)
    by_input = {contract.name: _by_frame(arrays[contract.name], contract, values) for contract in contracts}
    counts = {name: len(frames) for name, frames in by_input.items()}
    if len(set(counts.values())) > 1:
        raise input_error(str(file), f"the inputs have different numbers of frames: {counts}")
    frames = [dict(zip(by_input, frame, strict=True)) for frame in zip(*by_input.values(), strict=True)]
    if values == "raw":
        frames = [
            {item.name: _from_raw(frame[item.name], item, file) for item in contracts} for frame in frames
        ]
    many = len(frames) > 1
    return [
        checked_frame(frame, contracts, f"{file} frame {at}" if many else str(file))
        for at, frame in enumerate(frames)
    ]


def read_arrays(file: Path, contracts: Sequence[InputContract]) -> dict[str, Array]:
    """Read a file's arrays by input name; pickled objects are refused, for they can run code."""
    fix = "write it again with numpy.save or numpy.savez, from arrays of numbers"
    try:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {contracts[0].name: loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise input_error(str(file), f"not a readable numpy file ({error})", fix) from error


def _by_frame(array: Array, contract: InputContract, values: Values) -> list[Array]:
    rank = len(contract.shape)
    if values == "raw" and contract.is_image:
        one = 2 if contract.raw in ("gray", "nv12") else 3
        rank = one + (len(contract.leading) if np.prod(contract.leading) > 1 else 0)
    return list(array) if array.ndim == rank + 1 else [array]


def _from_raw(raw: Array, contract: InputContract, file: Path) -> Array:
    if contract.is_image and raw.dtype != numpy_dtype(contract.raw_dtype):
        what = f"raw type {raw.dtype}, the contract says {contract.raw_dtype}"
        raise input_error(f"{file}: {contract.name}", what, "correct `raw_dtype:` or the file")
    if faults := value_faults(raw, contract.name, str(file)):
        raise InputError(*faults)
    try:
        return to_tensor(raw, contract)
    except InputError as error:
        raise InputError(
            *(Fault(f"{file}: {fault.where}", fault.what, fault.fix) for fault in error.faults)
        ) from error
