"""Arrays that hold all frames of some clips, one after the other along their first axis."""

from __future__ import annotations

from dataclasses import replace

import numpy

from deploykit.align.dump import Dump, Stored
from deploykit.core.errors import Fault, InputError


def with_stacked_frames(reference: Dump, frames: int) -> Dump:
    """Take the first axis of each `.npy` for frames where no file says which frame it is.

    Raises:
        InputError: every array with another number of frames.
    """
    faults: list[Fault] = []
    stored = tuple(_stacked(item, frames, faults) for item in reference.stored)
    if faults:
        raise InputError(*faults)
    return replace(reference, stored=stored)


def _stacked(item: Stored, frames: int, faults: list[Fault]) -> Stored:
    if item.kind != "npy" or item.frame is not None or item.stacked or item.fields:
        return item
    try:
        shape = numpy.load(item.path, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError, EOFError):
        return item  # who opens it says what is wrong
    if shape[:1] != (frames,):
        what = f"has the shape {list(shape)}; --clips says that {frames} frames stand along the first axis"
        faults.append(Fault(item.where, what, "give each clip's own number of frames"))
    return replace(item, stacked=True)
