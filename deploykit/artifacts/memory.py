"""Where each tensor lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deploykit.artifacts.banks import BankPlan
from deploykit.core.bounds import SolveBound


@dataclass(frozen=True)
class Buffer:
    """A block of an arena: half-open bytes [offset_bytes, offset_bytes + size_bytes), alive over the
    half-open step interval [first_step, end_step). Steps are node indices in a segment's arena and segment
    indices in the shared one. `tensors` share it, by in-place use or as aliases (Reshape ...);
    `inner_offsets_bytes` says where each starts inside the block (empty: all at 0), which only the views of
    a Concat need."""

    tensors: tuple[str, ...]
    size_bytes: int
    offset_bytes: int
    first_step: int
    end_step: int
    inner_offsets_bytes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Arena:
    """One block of memory. `owner` is a segment's name, or "shared" for what crosses segments and for the
    network's inputs and outputs.

    `bound` is in bytes: the objective is the arena's size, the lower bound that of any packing of its
    buffers. `unplanned_bytes` is what the same tensors take when each has memory of its own.
    """

    owner: str
    size_bytes: int
    alignment_bytes: int
    buffers: tuple[Buffer, ...]
    bound: SolveBound
    unplanned_bytes: int


@dataclass(frozen=True)
class StateBuffers:
    """A state pair's ring in persistent memory, one slot a frame: with n slots, frame t writes slot
    (t + 1) mod n and reads the value of `delay` frames before in slot (t + 1 - delay) mod n.

    Two slots and a delay of 1 are the usual double buffer. Pairs that hand one value on from frame to frame
    have the same slots, and a delay each. `input` is "" for an output that the application holds. All slots
    are zero before the first frame. `size_bytes` is that of one slot, rounded to the alignment.
    """

    output: str
    input: str
    size_bytes: int
    offsets_bytes: tuple[int, ...]
    delay: int = 1

    def written(self, frame: int) -> int:
        """Give the offset at which a frame's output lies."""
        return self.offsets_bytes[(frame + 2 - max(self.delay, 1)) % len(self.offsets_bytes)]

    def read(self, frame: int) -> int:
        """Give the offset at which a frame's input lies."""
        return self.offsets_bytes[(frame + 1 - self.delay) % len(self.offsets_bytes)]


@dataclass(frozen=True)
class Relief:
    """A change of how a segment runs that makes its arena smaller: spill, recompute or split. `moved_bytes`
    is what it costs a frame, `words` the sentence for the user."""

    kind: str
    tensor: str
    moved_bytes: int
    words: str


@dataclass(frozen=True)
class Shortfall:
    """An arena that is larger than allowed. `node` runs when the most is alive, `alive` are its tensors with
    their bytes.

    `changes` together make it fit, into `changed_bytes`; where there are none, nothing that is known helps.
    """

    owner: str
    required_bytes: int
    available_bytes: int
    node: str
    alive: tuple[tuple[str, int], ...]
    changes: tuple[Relief, ...]
    changed_bytes: int | None

    @property
    def missing_bytes(self) -> int:
        """By how much it is too large."""
        return self.required_bytes - self.available_bytes

    def __str__(self) -> str:
        """Say what is required, available and missing, where, and what would help."""
        alive = ", ".join(f"{name} {size}" for name, size in self.alive[:4])
        at = f" at node {self.node}" if self.node else ""
        help_ = (
            "no spilling, recomputing or splitting makes it fit: store in fewer bits or cut smaller segments"
        )
        if self.changes:
            changes = "; and ".join(change.words for change in self.changes)
            help_ = f"the smallest change that makes it fit ({self.changed_bytes} bytes): {changes}"
        return (
            f"arena {self.owner} requires {self.required_bytes} bytes, available are {self.available_bytes}: "
            f"{self.missing_bytes} missing{at}, where {alive} are alive; {help_}"
        )


@dataclass(frozen=True)
class MemoryPlan:
    """All memory of one network on one chip.

    `placement` says for each arena (by owner), and for "state" where there is some, whether it fits on the
    chip ("sram") or not ("dram"). `state_bytes` counts all slots. `unsized` are tensors whose size nobody
    knows: they are in no arena, so the plan is incomplete where it isn't empty.

    `orders` gives the segments that run in another order than that of their file, with their nodes' ids in
    this order; steps are counted in it. `kept` are the tensors that stay to the end of the frame beside the
    outputs. `order_bounds` says for
    each segment whose nodes can run in several orders how good the order is: bytes alive at one time, over
    all orders, where results lie in place but nothing is a part of another. `overwrites` are results that
    the user wants written over an input. `turned` are tensors whose bytes lie in the order of the one that
    they were transposed from.

    `placement` is for toolchains that place whole blocks; `banks` chooses tensor by tensor, also for parts
    of a tensor's life. None: the chip's own memory isn't known, or nobody asked.
    """

    network: str
    chip: str
    arenas: tuple[Arena, ...]
    state: tuple[StateBuffers, ...]
    state_bytes: int
    weight_bytes: int
    placement: tuple[tuple[str, Literal["sram", "dram"]], ...]
    notices: tuple[str, ...] = ()
    unsized: tuple[str, ...] = ()
    orders: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kept: tuple[str, ...] = ()
    turned: tuple[str, ...] = ()
    overwrites: tuple[str, ...] = ()
    order_bounds: tuple[tuple[str, SolveBound], ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()
    banks: BankPlan | None = None
