"""Run Vela's two allocators on lifetimes: a script for a Python that has ethos-u-vela.

Reads JSON from stdin: `first`, `end` (half-open, 0, 1, 2, ...) and `size`, and the iterations of the hill
climb. Writes the offsets of both, or null for the hill climb where iterations are 0.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

from ethosu.vela.greedy_allocation import GreedyAllocator
from ethosu.vela.hillclimb_allocation import HillClimbAllocator


class LiveRange:
    """What the allocators ask of a live range; its last time is included."""

    def __init__(self, first: int, end: int, size: int) -> None:
        self.start_time, self.end_time, self.size = first, end - 1, size
        self.address = 0

    def __lt__(self, other: LiveRange) -> bool:
        return (self.start_time, -self.end_time, self.size) < (other.start_time, -other.end_time, other.size)

    def get_alignment(self) -> int:
        """Offsets may be any."""
        return 1

    def set_address(self, address: int) -> int:
        """Take an address."""
        self.address = address
        return address


def main() -> None:
    """Answer one problem."""
    asked = json.load(sys.stdin)
    ranges = [LiveRange(*item) for item in zip(asked["first"], asked["end"], asked["size"], strict=True)]
    GreedyAllocator(SimpleNamespace(lrs=ranges)).allocate_live_ranges(1)
    answer = {"greedy": [item.address for item in ranges], "hillclimb": None}
    if asked["iterations"]:
        climb = HillClimbAllocator(ranges, asked["iterations"], 1 << 62)
        answer["hillclimb"] = [int(address) for address in climb.allocate()]
    json.dump(answer, sys.stdout)


main()
