"""The memory of a whole pipeline as a table of blocks, for the application that allocates it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from deploykit.core.blob import Blob

BlockKind: TypeAlias = Literal["feature", "converted", "frame", "arena", "state", "weights"]
Place: TypeAlias = Literal["sram", "dram"]


@dataclass(frozen=True)
class TensorForm:
    """How a tensor lies in memory on one side of a block: `tensor` is `NETWORK.TENSOR`.

    `layout` is "" where nobody said it. `scale` is None for what is no code; a value is
    (code - zero_point) * scale.
    """

    tensor: str
    dtype: str
    shape: tuple[int, ...]
    layout: str = ""
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class BlockTensor:
    """A tensor at `offset_bytes` inside each copy of its block."""

    form: TensorForm
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class BlockUser:
    """A segment (`NETWORK.SEGMENT`), "application" or "conversion", and what it does with the block.

    `runs` is how often it runs for one copy, each time `step_bytes` further on: a network of batch 1 that
    writes a feature of six cameras runs six times.
    """

    name: str
    role: Literal["writes", "reads", "works in"]
    runs: int = 1
    step_bytes: int = 0


@dataclass(frozen=True)
class MemoryBlock:
    """`copies` times `stride_bytes` from `offset_bytes` on, in one of the two memories.

    Frame t uses copy t mod `copies`. Blocks of kind "arena" are empty outside their segment's run; those that
    never run at the same time may lie on each other, all others lie apart.
    """

    id: int
    name: str
    kind: BlockKind
    place: Place
    offset_bytes: int
    stride_bytes: int
    copies: int
    users: tuple[BlockUser, ...]
    tensors: tuple[BlockTensor, ...] = ()

    @property
    def size_bytes(self) -> int:
        """All copies together."""
        return self.stride_bytes * self.copies

    @property
    def end_bytes(self) -> int:
        """The first byte behind it."""
        return self.offset_bytes + self.size_bytes


@dataclass(frozen=True)
class Conversion:
    """A node between the two forms of a feature: it reads one block and writes another, once a frame."""

    feature: str
    source: int
    target: int
    steps: tuple[str, ...]


@dataclass(frozen=True)
class MemoryBlocks:
    """All blocks of a pipeline on one chip; offsets count from the start of each memory.

    `files` are the C header and the JSON table with the same content. `copies_from` says what the numbers of
    copies follow from.
    """

    chip: str
    alignment_bytes: int
    dram_bytes: int
    sram_bytes: int
    blocks: tuple[MemoryBlock, ...]
    conversions: tuple[Conversion, ...]
    copies_from: Literal["default", "schedule"]
    files: tuple[Blob, ...] = ()
    notices: tuple[str, ...] = ()
