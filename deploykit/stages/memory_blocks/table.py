"""The table: every block of every network, at its offset in its memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from deploykit.analysis.block_copies import (
    DEFAULT_COPIES,
    copies_needed,
    feature_uses,
    frame_uses,
    grouped_runs,
)
from deploykit.analysis.placement import SHARED, STATE
from deploykit.analysis.segment_order import may_run_beside
from deploykit.artifacts.memory import Arena, Buffer, StateBuffers
from deploykit.artifacts.memory_blocks import (
    BlockTensor,
    BlockUser,
    Conversion,
    MemoryBlock,
    MemoryBlocks,
    Place,
)
from deploykit.artifacts.model import Partition
from deploykit.artifacts.schedule import Schedule
from deploykit.core.profile import ChipProfile
from deploykit.solve.memory.checked import checked_pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle
from deploykit.stages.memory_blocks.features import Feature, NetworkMemory, Side, form_of
from deploykit.stages.memory_blocks.params import MemoryBlocksParams

APPLICATION = "application"


@dataclass
class _Table:
    """Blocks so far. `ends` is where each memory is filled to, `capacity_bytes` what the chip has."""

    alignment_bytes: int
    capacity_bytes: int
    blocks: list[MemoryBlock] = field(default_factory=list)
    ends: dict[Place, int] = field(default_factory=lambda: {"dram": 0, "sram": 0})
    notices: list[str] = field(default_factory=list)

    def add(self, block: MemoryBlock) -> int:
        """Put a block behind the others of its memory, or into DRAM where the chip is full; gives its id."""
        stride = -(-block.stride_bytes // self.alignment_bytes) * self.alignment_bytes
        fits = self.fits(block.name, block.place, stride * block.copies)
        place: Place = block.place if fits else "dram"
        placed = dataclasses.replace(
            block, id=len(self.blocks), place=place, offset_bytes=self.ends[place], stride_bytes=stride
        )
        self.blocks.append(placed)
        self.ends[place] = placed.end_bytes
        return placed.id

    def fits(self, name: str, place: Place, size_bytes: int) -> bool:
        """Say whether a block fits behind the others; a notice tells of one that the chip has no room for."""
        kept = self.ends["sram"]
        if place == "dram" or kept + size_bytes <= self.capacity_bytes:
            return True
        self.notices.append(
            f"{name}: its {size_bytes} bytes do not fit on the chip beside the {kept} bytes that networks "
            f"keep there (of {self.capacity_bytes}): placed in DRAM"
        )
        return False


def block_table(
    networks: Mapping[str, NetworkMemory],
    features: Sequence[Feature],
    schedule: Schedule | None,
    *,
    profile: ChipProfile,
    params: MemoryBlocksParams,
    alignment_bytes: int,
) -> MemoryBlocks:
    """Lay out the features, then each network's inputs and outputs, state, arenas and weights.

    A feature's tensors leave the blocks of their networks, which are packed again without them.
    """
    table = _Table(alignment_bytes, int(profile.on_chip.size_bytes.value or 0))
    conversions: list[Conversion] = []
    for feature in features:
        conversions += _add_feature(table, feature, networks, schedule)
    taken = {side.form.tensor for feature in features for side in _sides(feature)}
    for name, memory in networks.items():
        copies = params.frame_copies or _frame_copies(schedule, name)
        _add_frame(table, name, memory, taken, copies)
        _add_state(table, name, memory)
    for name, memory in networks.items():
        _add_arenas(table, name, memory, schedule, profile.engines[0].count == 1)
        _add_weights(table, name, memory)
    return MemoryBlocks(
        chip=profile.name,
        alignment_bytes=alignment_bytes,
        dram_bytes=table.ends["dram"],
        sram_bytes=max((block.end_bytes for block in table.blocks if block.place == "sram"), default=0),
        blocks=tuple(table.blocks),
        conversions=tuple(conversions),
        copies_from="default" if schedule is None else "schedule",
        notices=tuple(table.notices),
    )


def _sides(feature: Feature) -> list[Side]:
    own = [feature.writer] if feature.writer else []
    return [*own, *feature.direct, *(side for side, _ in feature.converted)]


def _add_feature(
    table: _Table, feature: Feature, networks: Mapping[str, NetworkMemory], schedule: Schedule | None
) -> Iterator[Conversion]:
    copies = feature.copies or _feature_copies(table, feature, networks, schedule)
    writers = [BlockUser(APPLICATION, "writes")]
    if feature.writer:
        writers = _users(feature.writer, networks, "writes")
    readers = [user for side in feature.direct for user in _users(side, networks, "reads")]
    tensors = tuple(
        BlockTensor(side.form, 0, side.size_bytes)
        for side in ([feature.writer] if feature.writer else []) + list(feature.direct)
    )
    users = (*writers, *readers)
    source = table.add(
        MemoryBlock(0, feature.name, "feature", "dram", 0, feature.size_bytes, copies, users, tensors)
    )
    for side, steps in feature.converted:
        label = f"{feature.name}.for.{side.form.tensor}"
        target = table.add(
            MemoryBlock(
                0,
                label,
                "converted",
                "dram",
                0,
                side.size_bytes * side.runs,
                copies,
                (BlockUser("conversion", "writes"), *_users(side, networks, "reads")),
                (BlockTensor(side.form, 0, side.size_bytes),),
            )
        )
        yield Conversion(feature.name, source, target, steps)


def _feature_copies(
    table: _Table, feature: Feature, networks: Mapping[str, NetworkMemory], schedule: Schedule | None
) -> int:
    if schedule is None or feature.writer is None:
        return DEFAULT_COPIES
    (writer,) = _users(feature.writer, networks, "writes")[-1:]
    whole = [item for item in grouped_runs(schedule, writer.name, writer.runs).values() if item.is_whole]
    if len(whole) < 2:
        table.notices.append(
            f"{feature.name}: the schedule shows {len(whole)} whole frames of it ({writer.name} runs "
            f"{writer.runs} times for one): {DEFAULT_COPIES} copies are assumed"
        )
        return DEFAULT_COPIES
    readers = [
        (user.name, user.runs)
        for side in [*feature.direct, *(side for side, _ in feature.converted)]
        for user in _users(side, networks, "reads")
    ]
    return copies_needed(feature_uses(schedule, (writer.name, writer.runs), readers))


def _frame_copies(schedule: Schedule | None, network: str) -> int:
    """One for each frame under way, and one that the application fills or reads meanwhile."""
    uses = frame_uses(schedule, network) if schedule else ()
    return copies_needed(uses) + 1 if uses else DEFAULT_COPIES


def _users(side: Side, networks: Mapping[str, NetworkMemory], role: str) -> list[BlockUser]:
    """Give the segments of a side's network that touch its tensor."""
    network, _, name = side.form.tensor.partition(".")
    step = side.size_bytes if side.runs > 1 else 0
    found = []
    for segment in networks[network].partition.segments:
        if role == "reads" and name in segment.graph.inputs:
            found.append(BlockUser(f"{network}.{segment.name}", "reads", side.runs, step))
        if role == "writes" and name in segment.graph.outputs:
            found.append(BlockUser(f"{network}.{segment.name}", "writes", side.runs, step))
    return found or [BlockUser(network, "reads" if role == "reads" else "writes", side.runs, step)]


def _add_frame(table: _Table, network: str, memory: NetworkMemory, taken: set[str], copies: int) -> None:
    """Pack what crosses segments and the application's ends, without the features, again."""
    arena = _arena(memory, SHARED)
    kept = [item for item in arena.buffers if not {f"{network}.{name}" for name in item.tensors} & taken]
    if not kept:
        return
    rectangles = [Rectangle(item.size_bytes, item.first_step, item.end_step) for item in kept]
    offsets, height = _packed(rectangles, arena.alignment_bytes)
    tensors = tuple(
        tensor
        for item, offset in zip(kept, offsets, strict=True)
        for tensor in _tensors(memory, item, offset)
    )
    users = tuple(_frame_users(network, memory.partition, {name for item in kept for name in item.tensors}))
    place = dict(memory.plan.placement).get(SHARED, "dram")
    table.add(MemoryBlock(0, f"{network}.frame", "frame", place, 0, height, copies, users, tensors))


def _frame_users(network: str, partition: Partition, names: set[str]) -> Iterator[BlockUser]:
    if names & set(partition.inputs):
        yield BlockUser(APPLICATION, "writes")
    for segment in partition.segments:
        if names & set(segment.graph.inputs):
            yield BlockUser(f"{network}.{segment.name}", "reads")
        if names & set(segment.graph.outputs):
            yield BlockUser(f"{network}.{segment.name}", "writes")
    if names & set(partition.outputs):
        yield BlockUser(APPLICATION, "reads")


def _tensors(memory: NetworkMemory, item: Buffer, offset: int) -> Iterator[BlockTensor]:
    inner = item.inner_offsets_bytes or (0,) * len(item.tensors)
    for name, more in zip(item.tensors, inner, strict=True):
        stored = memory.stored.get(name)
        if stored is not None:
            yield BlockTensor(form_of(memory, name), offset + more, stored.size_bytes)


def _add_state(table: _Table, network: str, memory: NetworkMemory) -> None:
    rings: dict[tuple[int, ...], list[StateBuffers]] = {}
    for ring in memory.plan.state:
        rings.setdefault(ring.offsets_bytes, []).append(ring)
    place = dict(memory.plan.placement).get(STATE, "dram")
    for group in rings.values():
        names = dict.fromkeys(name for ring in group for name in (ring.output, ring.input) if name)
        tensors = tuple(
            BlockTensor(form_of(memory, name), 0, memory.stored[name].size_bytes)
            for name in names
            if name in memory.stored
        )
        users = tuple(_frame_users(network, memory.partition, set(names)))
        own = tuple(user for user in users if user.name != APPLICATION or not group[0].input)
        label = f"{network}.{'state' if group[0].input else 'held'}.{group[0].output}"
        slots = len(group[0].offsets_bytes)
        table.add(MemoryBlock(0, label, "state", place, 0, group[0].size_bytes, slots, own, tensors))


def _add_arenas(
    table: _Table, network: str, memory: NetworkMemory, schedule: Schedule | None, one_at_a_time: bool
) -> None:
    """Place the segments' arenas: those that never run at the same time may lie on each other.

    On the chip that is all arenas of its main engine, where there is one of it. In DRAM those of segments
    that wait for each other, where the schedule has no two frames of the network under way at once.
    """
    places = dict(memory.plan.placement)
    beside = may_run_beside(memory.partition)
    count = len(beside)
    uses = frame_uses(schedule, network) if schedule else ()
    pipelined = bool(uses) and copies_needed(uses) > 1
    in_dram: list[tuple[str, Arena, Rectangle]] = []
    for index, segment in enumerate(memory.partition.segments):
        arena = _arena(memory, segment.name)
        if not arena.size_bytes:
            continue
        label = f"{network}.{segment.name}.arena"
        on_chip = places.get(segment.name) == "sram" and one_at_a_time
        if on_chip and table.fits(label, "sram", arena.size_bytes):
            _append(table, network, segment.name, arena, "sram", table.ends["sram"])
            continue
        first, end = (0, count) if pipelined else (min(beside[index]), max(beside[index]) + 1)
        in_dram.append((segment.name, arena, Rectangle(arena.size_bytes, first, end)))
    offsets, height = _packed([item for _, _, item in in_dram], table.alignment_bytes)
    base = table.ends["dram"]
    for (name, arena, _), offset in zip(in_dram, offsets, strict=True):
        _append(table, network, name, arena, "dram", base + offset)
    table.ends["dram"] = base + height


def _packed(rectangles: Sequence[Rectangle], alignment_bytes: int) -> tuple[tuple[int, ...], int]:
    """Pack; gives the offsets and the height."""
    packing = checked_pack(PackingProblem(tuple(rectangles), alignment_bytes))
    return packing.offsets, packing.bound.objective


def _append(table: _Table, network: str, segment: str, arena: Arena, place: Place, offset: int) -> None:
    user = BlockUser(f"{network}.{segment}", "works in")
    table.blocks.append(
        MemoryBlock(
            len(table.blocks),
            f"{network}.{segment}.arena",
            "arena",
            place,
            offset,
            -(-arena.size_bytes // table.alignment_bytes) * table.alignment_bytes,
            1,
            (user,),
        )
    )


def _add_weights(table: _Table, network: str, memory: NetworkMemory) -> None:
    if memory.plan.weight_bytes:
        readers = tuple(
            BlockUser(f"{network}.{segment.name}", "reads") for segment in memory.partition.segments
        )
        table.add(
            MemoryBlock(0, f"{network}.weights", "weights", "dram", 0, memory.plan.weight_bytes, 1, readers)
        )


def _arena(memory: NetworkMemory, owner: str) -> Arena:
    return next(arena for arena in memory.plan.arenas if arena.owner == owner)
