"""The options of the table of memory blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class SharedFeature:
    """A tensor that several networks have in common and that is stored once.

    `writer` is `NETWORK.TENSOR`, an output; "" where the application writes it. `readers` are inputs, in the
    same form. `layouts` says the layout of each of them, where it should be checked. `copies`: how many
    frames it has memory for; 0 takes them from the schedule. `convert`: where a reader needs another layout,
    type, scale or zero point, a conversion node and a second block are planned; otherwise that is an error.
    """

    readers: tuple[str, ...]
    writer: str = ""
    layouts: dict[str, Literal["NCHW", "NHWC"]] = field(default_factory=dict)
    copies: int = 0
    convert: bool = False


@dataclass(frozen=True)
class MemoryBlocksParams:
    """How the networks of a pipeline share memory.

    `shared` names the features that are stored once. `frame_copies`: how many frames each network's inputs
    and outputs have memory for; 0 takes them from the schedule: one for each frame under way, and one for the
    application to fill or to read meanwhile.
    """

    shared: dict[str, SharedFeature] = field(default_factory=dict)
    frame_copies: int = 0
