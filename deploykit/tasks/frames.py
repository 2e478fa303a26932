"""Finds what is wrong with a frame of data before a network sees it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deploykit.artifacts.contract import InputContract
from deploykit.core.dtypes import numpy_dtype
from deploykit.core.errors import Fault, InputError
from deploykit.tasks.protocol import Array, Frame


def checked_frame(frame: Frame, contracts: Sequence[InputContract], where: str) -> Frame:
    """Give the frame, or refuse it with all its faults: names, shapes, types, NaN and infinity."""
    faults = list(name_faults(frame, contracts, where))
    for contract in contracts:
        if contract.name in frame:
            faults += tensor_faults(frame[contract.name], contract, where)
    if faults:
        raise InputError(*faults)
    return frame


def name_faults(
    names: Sequence[str] | Frame, contracts: Sequence[InputContract], where: str
) -> tuple[Fault, ...]:
    """Compare the inputs that the data has with those that the network reads."""
    wanted = [contract.name for contract in contracts]
    missing = [
        Fault(where, f"no data for input {name!r}", f"it has {', '.join(names)}")
        for name in wanted
        if name not in names
    ]
    extra = [
        Fault(where, f"the network has no input {name!r}", f"it reads {', '.join(wanted)}")
        for name in names
        if name not in wanted
    ]
    return (*missing, *extra)


def header_faults(
    shape: tuple[int, ...], dtype: np.dtype[np.generic], contract: InputContract, where: str
) -> tuple[Fault, ...]:
    """Compare an array's shape and type with the contract's."""
    faults: list[Fault] = []
    place, wanted = f"{where}: {contract.name}", numpy_dtype(contract.dtype)
    if shape != contract.shape:
        faults.append(Fault(place, f"shape {shape}, the network reads {contract.shape}"))
    if dtype != wanted:
        faults.append(
            Fault(
                place, f"type {dtype}, the network reads {wanted}", f"save it with .astype({str(wanted)!r})"
            )
        )
    return tuple(faults)


def tensor_faults(values: Array, contract: InputContract, where: str) -> tuple[Fault, ...]:
    """Check one tensor: shape, type, NaN and infinity."""
    return (
        *header_faults(values.shape, values.dtype, contract, where),
        *value_faults(values, contract.name, where),
    )


def value_faults(values: Array, name: str, where: str) -> tuple[Fault, ...]:
    """Find NaN and infinity, and say how many there are and where the first one is."""
    if not np.issubdtype(values.dtype, np.inexact):
        return ()
    bad = ~np.isfinite(values)
    count = int(np.count_nonzero(bad))
    if not count:
        return ()
    first = tuple(int(index) for index in np.unravel_index(int(np.argmax(bad)), bad.shape))
    what = f"{count} of {values.size} values are NaN or infinite, the first at {first}"
    return (Fault(f"{where}: {name}", what, "remove this frame, or mend what made it"),)
