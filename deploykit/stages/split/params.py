"""The options of the split step."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SplitParams:
    """Where a network is cut. The coarse cut is one of `at`, `groups` and `balance`, or none; `auto` cuts
    each part of it.

    at: tensor names. Each entry, one name or several, closes a segment: all that these tensors need and no
        earlier segment has.
    groups: segment names with patterns over node names (`backbone*`), in the order of execution. Nodes that
        no pattern matches go with what they read, or else with what reads them.
    balance: this many segments of about equal predicted time, with the fewest bytes between them. 0: off.
    auto: operators that the chip's main engine lacks get segments on its fallback engine. Off: a segment that
        holds one runs there as a whole.
    toolchain: operators that this toolchain refuses count as lacking too. Empty: that of `compile`, if any.
    min_nodes: `auto` gives a stretch of fewer nodes without a convolution or matrix product to its neighbours
        on the fallback engine, where that saves a segment.
    balance_slack: how much longer than necessary the longest segment may take to save bytes (0.05: a
        twentieth).
    proof_frames: how many frames the proof runs, with state carried from one to the next. 0: no proof.
    seed: of the random inputs, where there are no clips.
    """

    at: tuple[str | tuple[str, ...], ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    balance: int = 0
    auto: bool = True
    toolchain: str = ""
    min_nodes: int = 3
    balance_slack: float = 0.05
    proof_frames: int = 6
    seed: int = 0
