"""The compiled hot loops, where the install built them (`compile_core` does in a checkout)."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]

LIBRARY = Path(__file__).with_name("_core.so")
VERSION = 2
OFF = "DEPLOYKIT_NO_CORE"
"""Set this variable to leave the compiled core alone; the answers are the same."""


@cache
def core() -> ctypes.CDLL | None:
    """Give the library that the install built; None where there is none, or where `OFF` is set."""
    return None if os.environ.get(OFF) else load(LIBRARY)


def load(path: Path) -> ctypes.CDLL | None:
    """Load a library; None where it is missing, of another machine, or of another version."""
    if not path.is_file():
        return None
    try:
        library = ctypes.CDLL(str(path))
        functions = library.core_version, library.place, library.search
    except (OSError, AttributeError):
        return None
    for function in functions:
        function.restype = ctypes.c_int64
    return library if library.core_version() == VERSION else None


def ints(values: Sequence[int] | NDArray[Any]) -> Ints:
    """Give the values as the library reads them: 64 bits, one after the other."""
    return np.ascontiguousarray(values, dtype=np.int64)


def call(function: Any, *arguments: int | NDArray[Any]) -> int:
    """Call a function of the library: arrays by address, everything else as 64 bits.

    Raises:
        MemoryError: the library asked the system for memory and got none.
    """
    status = function(
        *(
            ctypes.c_void_p(item.ctypes.data) if isinstance(item, np.ndarray) else ctypes.c_int64(item)
            for item in arguments
        )
    )
    if status == 3:
        raise MemoryError("the packing's search")
    return int(status)
