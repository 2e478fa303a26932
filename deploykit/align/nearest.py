"""Which contract near the declared one would explain a file's size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from deploykit.align.contract import Contract, byte_count
from deploykit.align.element_types import STORAGE
from deploykit.core.errors import InputError

ALIGNMENTS = (4, 8, 16, 32, 64, 128, 256)
BLOCKS = (4, 8, 16, 32, 64)
MOST = 3
"""Answers that are given: more than a few help nobody."""

FIRST = ("float", "float16", "int8", "uint8", "bfloat16", "int16", "int32")
TYPES = tuple(dict.fromkeys((*FIRST, *STORAGE)))
"""What boards store most often goes first."""


def contracts(size_bytes: int, contract: Contract) -> list[str]:
    """Give up to three changes that make the size right, as the lines to write; the simplest first."""
    found: dict[str, None] = {}
    for changes in _changes(contract):
        try:
            near = replace(contract, **changes)
        except InputError:
            continue
        if byte_count(near) == size_bytes:
            found[", ".join(f"{name}: {value}" for name, value in changes.items())] = None
        if len(found) == MOST:
            break
    if not found and size_bytes > byte_count(contract):
        whole, rest = divmod(size_bytes, byte_count(contract))
        if not rest:
            return [f"{whole} such tensors one after the other"]
        found[f"tail_bytes: {size_bytes - byte_count(contract)}"] = None
    return list(found)


def _changes(contract: Contract) -> Iterator[dict[str, Any]]:
    for dtype in TYPES:
        if not contract.scale or "int" in dtype:
            yield {"dtype": dtype}
    own = contract.dtype
    for dtype in dict.fromkeys((own, "int8", "float16", "float")):
        change = {} if dtype == own else {"dtype": dtype}
        for block in BLOCKS:
            yield {**change, "layout": "NC1HWC0", "channel_block": block}
            yield {**change, "layout": "NHWC", "channel_block": block}
        for layout in dict.fromkeys((contract.layout, "NCHW", "NHWC")):
            for pitch in _pitches(contract, layout, change):
                yield {
                    **change,
                    **({} if layout == contract.layout else {"layout": layout}),
                    "row_pitch_bytes": pitch,
                }


def _pitches(contract: Contract, layout: str, change: dict[str, Any]) -> Iterator[int]:
    """Give the row's length rounded up to the alignments that chips have."""
    if len(contract.shape) < 2 or layout not in ("NCHW", "NHWC"):
        return
    rows = contract.shape[:-1] if layout == "NCHW" else (*contract.shape[:1], *contract.shape[2:-1])
    try:
        plain = Contract(contract.shape, layout=layout, dtype=change.get("dtype", contract.dtype))
    except InputError:
        return
    count = 1
    for length in rows:
        count *= length
    row = byte_count(plain) // max(count, 1)
    for alignment in ALIGNMENTS:
        if row % alignment:
            yield -(-row // alignment) * alignment
