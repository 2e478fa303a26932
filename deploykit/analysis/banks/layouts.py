"""How many bytes a tensor takes in the layout of a chip: rows at a pitch, channels in blocks."""

from __future__ import annotations

import math

from deploykit.analysis.stored import Stored
from deploykit.core.dtypes import bits, size_bytes
from deploykit.core.profile import OnChipProfile


def laid_out_bytes(stored: Stored, on_chip: OnChipProfile) -> int:
    """Give a tensor's bytes with its channels filled up to whole blocks and its rows to the pitch.

    Feature maps are (batch, channels, rows, columns); of other ranks, only the last axis is a row. A chip
    whose profile leaves both facts blank packs tensors densely.
    """
    block_bytes, pitch_bytes = on_chip.channel_block_bytes.value, on_chip.row_pitch_bytes.value
    dense = stored.size_bytes
    if dense == 0 or not stored.shape or (block_bytes is None and pitch_bytes is None):
        return dense
    shape = list(stored.shape)
    block = 1
    if block_bytes is not None and len(shape) == 4:
        block = max(int(block_bytes) * 8 // bits(stored.dtype), 1)
        shape[1] = -(-shape[1] // block)  # blocks of channels: each pixel of a row holds one whole
    row = size_bytes(stored.dtype, shape[-1] * (block if len(shape) == 4 else 1))
    pitch = int(pitch_bytes) if pitch_bytes is not None else 1
    return max(dense, math.prod(shape[:-1]) * (-(-row // pitch) * pitch))
