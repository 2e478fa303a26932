"""Random data: lets any network run end to end before real frames are at hand."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from deploykit.artifacts.contract import InputContract
from deploykit.core.dtypes import numpy_dtype
from deploykit.tasks import TASKS
from deploykit.tasks.context import TaskContext
from deploykit.tasks.preprocess import to_tensor
from deploykit.tasks.protocol import Array, Clip
from deploykit.tasks.unlabelled import Unlabelled


@dataclass(frozen=True)
class RandomTask(Unlabelled):
    """Seeded noise that follows each input's contract; its ranges are not those of real frames.

    Images are uint8 noise through mean and scale. Other inputs are drawn from the contract's `raw_range`;
    without one, integers are 0 or 1, booleans a coin's throw, and floats normal (mean 0, deviation 1).
    """

    context: TaskContext
    seed: Annotated[int, Field(ge=0)] = 0
    """The same seed gives the same data."""
    clip_frames: Annotated[int, Field(ge=1)] = 1
    """Frames in one clip; a network with state needs more than one."""

    def calibration_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give `count` clips of noise."""
        return self._clips(network, count, split=0)

    def validation_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give `count` clips of other noise."""
        return self._clips(network, count, split=1)

    def _clips(self, network: str, count: int, split: int) -> Iterator[Clip]:
        contracts = self.context.of(network)
        for index in range(count):
            rng = np.random.default_rng([self.seed, split, zlib.crc32(network.encode()), index])
            frames = tuple(
                {item.name: random_tensor(item, rng) for item in contracts} for _ in range(self.clip_frames)
            )
            yield Clip(f"random {index} ({TASKS['random'].notice})", frames)


def random_tensor(contract: InputContract, rng: np.random.Generator) -> Array:
    """Draw one input of noise."""
    if contract.is_image:
        low, high = contract.raw_range or (0, 256)
        return to_tensor(rng.integers(int(low), int(high), _raw_shape(contract)).astype(np.uint8), contract)
    dtype = numpy_dtype(contract.dtype)
    if np.issubdtype(dtype, np.integer) or dtype == np.bool_:
        low, high = contract.raw_range or (0, 2)
        return rng.integers(int(low), int(high), contract.shape).astype(dtype)
    if contract.raw_range:
        return to_tensor(rng.uniform(*contract.raw_range, contract.shape), contract)
    return rng.standard_normal(contract.shape).astype(dtype)


def _raw_shape(contract: InputContract) -> tuple[int, ...]:
    """The shape of raw images that need no resizing."""
    rows, columns = contract.rows, contract.columns
    if contract.raw == "nv12":
        height = rows if contract.colour == "nv12" else rows * 3 // 2
        return (*contract.leading, height, columns)
    return (*contract.leading, rows, columns) + ((3,) if contract.raw in ("rgb", "bgr") else ())
