"""Checks a table of memory blocks: sizes, alignment, and that only arenas may lie on each other."""

from __future__ import annotations

from collections.abc import Iterator

from deploykit.artifacts.memory_blocks import MemoryBlock, MemoryBlocks


def block_faults(table: MemoryBlocks) -> tuple[str, ...]:
    """Name every block that breaks the rules, and every two that share bytes; empty where all is well."""
    return tuple(_faults(table))


def _faults(table: MemoryBlocks) -> Iterator[str]:
    sizes = {"dram": table.dram_bytes, "sram": table.sram_bytes}
    for block in table.blocks:
        if block.offset_bytes % table.alignment_bytes or block.stride_bytes % table.alignment_bytes:
            yield f"{block.name} starts or steps off the alignment of {table.alignment_bytes}"
        if block.end_bytes > sizes[block.place]:
            room = f"the {sizes[block.place]} bytes of {block.place}"
            yield f"{block.name} ends at {block.end_bytes}, behind {room}"
        for tensor in block.tensors:
            if tensor.offset_bytes + tensor.size_bytes > block.stride_bytes:
                yield f"{tensor.form.tensor} ends behind a copy of {block.name}"
    for place in ("dram", "sram"):
        inside = (item for item in table.blocks if item.place == place)
        ordered = sorted(inside, key=lambda item: item.offset_bytes)
        for index, block in enumerate(ordered):
            for other in ordered[index + 1 :]:
                if other.offset_bytes >= block.end_bytes:
                    break
                if not _may_share(block, other):
                    yield f"{block.name} and {other.name} share bytes of {place}"


def _may_share(a: MemoryBlock, b: MemoryBlock) -> bool:
    """On the chip one segment runs at a time; in DRAM only arenas of one network wait for each other."""
    if a.kind != "arena" or b.kind != "arena":
        return False
    return a.place == "sram" or a.users[0].name.split(".")[0] == b.users[0].name.split(".")[0]
