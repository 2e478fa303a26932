"""Banks while they are being filled: places one need after the other, and takes items out again."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from deploykit.solve.banks.problem import BankProblem, Need
from deploykit.solve.banks.solution import Chosen, Stay
from deploykit.solve.memory.pack import pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle

MOST_FAILURES = 25
"""After so many sets of blocks without a packing, banks aren't packed anew any more."""


MOST_BLOCKS = 200
"""A bank of more blocks is packed by greedy rules alone, and only as a whole."""


class Block(NamedTuple):
    """A placed need: bytes [offset, top) over [first, end); `which` counts the needs of its item's option."""

    offset: int
    top: int
    first: int
    end: int
    item: int
    which: int


@dataclass
class Layout:
    """What lies where so far.

    Where a bank has the bytes but no gap, its blocks get other offsets by a packing of `repack_nodes` nodes
    (0: never). `hopeless` remembers the sets of blocks that no packing was found for.
    """

    problem: BankProblem
    repack_nodes: int = 0
    banks: list[list[Block]] = field(default_factory=list)
    option_of: dict[int, int] = field(default_factory=dict)
    saving: int = 0
    hopeless: set[tuple[Rectangle, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.banks = self.banks or [[] for _ in range(self.problem.bank_count)]

    @classmethod
    def holding(cls, problem: BankProblem, chosen: Sequence[Chosen]) -> Layout:
        """Give a layout of what was chosen."""
        layout = cls(problem)
        for item in chosen:
            option = problem.items[item.item][item.option]
            layout.option_of[item.item] = item.option
            layout.saving += option.saving
            for which, (need, stay) in enumerate(zip(option.needs, item.stays, strict=True)):
                top = stay.offset + problem.rounded(need.size)
                block = Block(stay.offset, top, need.first, need.end, item.item, which)
                insort(layout.banks[stay.bank], block)
        return layout

    def put(self, item: int, option: int) -> bool:
        """Place an item by one of its options, if each of its needs finds a gap; else change nothing."""
        self.option_of[item] = option
        self.saving += self.problem.items[item][option].saving
        for which, need in enumerate(self.problem.items[item][option].needs):
            if not self._place(item, which, need):
                self.remove(item)
                return False
        return True

    def put_all(self, wanted: Sequence[tuple[int, int]]) -> bool:
        """Place items by options into empty banks, each bank packed as a whole; else change nothing."""
        banks: list[list[Block]] = [[] for _ in self.banks]
        for item, option in wanted:
            for which, need in enumerate(self.problem.items[item][option].needs):
                size = self.problem.rounded(need.size)
                block = Block(0, size, need.first, need.end, item, which)
                rooms = [
                    (self.problem.room - _peak(_meeting(blocks, need), need), bank)
                    for bank, blocks in enumerate(banks)
                    if not self._rival_in(blocks, item, need)
                ]
                fitting = [(room, bank) for room, bank in rooms if room >= size]
                if not fitting:
                    return False
                banks[min(fitting)[1]].append(block)
        packed = [self._packed(blocks) for blocks in banks]
        if any(blocks is None for blocks in packed):
            return False
        self.banks = [blocks or [] for blocks in packed]
        self.option_of = dict(wanted)
        self.saving = sum(self.problem.items[item][option].saving for item, option in wanted)
        return True

    def remove(self, item: int) -> None:
        """Take an item out."""
        self.saving -= self.problem.items[item][self.option_of.pop(item)].saving
        for bank, blocks in enumerate(self.banks):
            if any(block.item == item for block in blocks):
                self.banks[bank] = [block for block in blocks if block.item != item]

    def copy(self) -> Layout:
        """Give a layout of the same content that changes on its own."""
        banks = [list(bank) for bank in self.banks]
        return Layout(
            self.problem, self.repack_nodes, banks, dict(self.option_of), self.saving, self.hopeless
        )

    def chosen(self) -> tuple[Chosen, ...]:
        """Give what lies where, by item."""
        found: dict[int, dict[int, Stay]] = {}
        for bank, blocks in enumerate(self.banks):
            for block in blocks:
                found.setdefault(block.item, {})[block.which] = Stay(bank, block.offset)
        return tuple(
            Chosen(item, option, tuple(stay for _, stay in sorted(found[item].items())))
            for item, option in sorted(self.option_of.items())
        )

    def _place(self, item: int, which: int, need: Need) -> bool:
        """Put one need into the bank that is the fullest among those with a gap for it."""
        size = self.problem.rounded(need.size)
        gaps: list[tuple[int, int, int]] = []  # (room left, bank, offset)
        tight: list[int] = []
        for bank, blocks in enumerate(self.banks):
            if self._rival_in(blocks, item, need):
                continue
            meeting = _meeting(blocks, need)
            offset = _gap(meeting, size, self.problem.room)
            if offset is not None:
                used = sum(block.top - block.offset for block in meeting)
                gaps.append((self.problem.room - used, bank, offset))
            elif self._may_repack(blocks) and _peak(meeting, need) + size <= self.problem.room:
                tight.append(bank)
        for bank in tight if not gaps else ():
            packed = self._packed([*self.banks[bank], Block(0, size, need.first, need.end, item, which)])
            if packed is not None:
                self.banks[bank] = packed
                return True
        if not gaps:
            return False
        _, bank, offset = min(gaps)
        insort(self.banks[bank], Block(offset, offset + size, need.first, need.end, item, which))
        return True

    def _rival_in(self, blocks: Sequence[Block], item: int, need: Need) -> bool:
        rivals = self.problem.rivals.get(item, ())
        times = {(other, time) for other, time in rivals if need.first <= time < need.end}
        return bool(times) and any(
            block.item == other and block.first <= time < block.end
            for block in blocks
            for other, time in times
        )

    def _may_repack(self, blocks: Sequence[Block]) -> bool:
        few = len(blocks) < MOST_BLOCKS and len(self.hopeless) < MOST_FAILURES
        return self.repack_nodes > 0 and few

    def _packed(self, blocks: Sequence[Block]) -> list[Block] | None:
        """Give blocks other offsets so that a bank holds them; None, and remembered, where that failed."""
        in_order = sorted(blocks, key=lambda block: (block.first, block.end, block.top - block.offset))
        rectangles = tuple(Rectangle(block.top - block.offset, block.first, block.end) for block in in_order)
        if rectangles in self.hopeless:
            return None
        nodes = self.repack_nodes if len(blocks) < MOST_BLOCKS else 0
        packing = pack(PackingProblem(rectangles, self.problem.alignment), node_limit=nodes)
        if packing.bound.objective > self.problem.room:
            self.hopeless.add(rectangles)
            return None
        return sorted(
            block._replace(offset=offset, top=offset + rectangle.size)
            for offset, block, rectangle in zip(packing.offsets, in_order, rectangles, strict=True)
        )


def _meeting(blocks: Sequence[Block], need: Need) -> list[Block]:
    return [block for block in blocks if block.first < need.end and need.first < block.end]


def _gap(meeting: Sequence[Block], size: int, room: int) -> int | None:
    """Give the lowest offset of the tightest gap among blocks by rising offset; the top comes last."""
    floor = 0
    best: tuple[int, int] | None = None
    for block in meeting:
        gap = block.offset - floor
        if gap >= size and (best is None or gap < best[0]):
            best = (gap, floor)
        floor = max(floor, block.top)
    if best is not None:
        return best[1]
    return floor if floor + size <= room else None


def _peak(meeting: Sequence[Block], need: Need) -> int:
    """Give the most bytes that are alive at one time of a need's life."""
    changes = [(max(block.first, need.first), block.top - block.offset) for block in meeting]
    changes += [(block.end, block.offset - block.top) for block in meeting if block.end < need.end]
    live = most = 0
    for _, change in sorted(changes):  # at equal times the frees come first: intervals are half-open
        live += change
        most = max(most, live)
    return most
