"""What could lie on chip: blocks of activations, states, weights, each with the ways to keep it there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations

from deploykit.analysis.banks.accesses import NetworkTraffic, Touch
from deploykit.analysis.banks.layouts import laid_out_bytes
from deploykit.analysis.banks.legs import Gain, Way, residency
from deploykit.analysis.banks.tiles import TiledChain, tiled_chain, together
from deploykit.analysis.stored import Stored
from deploykit.analysis.views import ALIASES
from deploykit.artifacts.banks import BankKind
from deploykit.artifacts.memory import Arena, Buffer, StateBuffers
from deploykit.artifacts.model import Partition
from deploykit.core.profile import ChipProfile
from deploykit.solve.banks.problem import BankProblem, Conflict, Need, Option


@dataclass(frozen=True)
class Candidate:
    """Something that could lie on chip. `tensors` share its bytes; `all_bytes` is its traffic off chip.

    `first` and `end` are the half-open steps from the first to the last node that touches it, `life` those of
    its block in the plan (inputs from the start, outputs to the end); `ways` say how it can be kept on chip.
    """

    kind: BankKind
    tensors: tuple[str, ...]
    size_bytes: int
    all_bytes: int
    first: int
    end: int
    ways: tuple[Way, ...]
    life: tuple[int, int]


@dataclass(frozen=True)
class Candidates:
    """What could lie on chip, and the traffic in whose steps its options are counted."""

    listed: tuple[Candidate, ...]
    traffic: NetworkTraffic


def candidates(
    partition: Partition,
    arenas: Sequence[Arena],
    state: Sequence[StateBuffers],
    stored: Mapping[str, Stored],
    traffic: NetworkTraffic,
    profile: ChipProfile,
    *,
    bank_bytes: int,
) -> Candidates:
    """List what the main engine moves: blocks of the arenas, then states, then weights.

    A block keeps its tensors together, as its arena has them. What lies in no arena (its size isn't known)
    stays off chip. Layers that could pass a tensor on in tiles run over the steps of both.
    """
    held = {name for pair in state for name in (pair.output, pair.input)}
    blocks = [
        _Block(
            buffer.tensors,
            _values(partition, buffer.tensors),
            _block_bytes(buffer, stored, profile),
            *_steps(partition, arena, buffer),
        )
        for arena in arenas
        for buffer in arena.buffers
        if not held.intersection(buffer.tensors)
    ]
    chains = _chains(partition, blocks, traffic, bank_bytes)
    traffic = together(traffic, list(chains.values()))
    by_tensor: dict[str, list[Touch]] = {}
    for touch in traffic.touches:
        by_tensor.setdefault(touch.tensor, []).append(touch)
    found = [_candidate(partition, block, by_tensor, chains.get(block.tensors)) for block in blocks]
    found += _states(state, traffic, by_tensor)
    weights = {touch.tensor for touch in traffic.touches if touch.weight}
    found += (_weight(name, by_tensor[name], traffic.steps) for name in sorted(weights))
    return Candidates(tuple(item for item in found if item.ways or item.kind == "activation"), traffic)


def bank_problem(
    listed: Sequence[Candidate],
    traffic: NetworkTraffic,
    profile: ChipProfile,
    *,
    bank_count: int,
    bank_bytes: int,
    alignment: int,
) -> BankProblem:
    """Make the problem; operands of one node conflict where the profile says that a bank serves only one."""
    apart = profile.on_chip.operands_per_bank.value == 1
    conflicts = tuple(_conflicts(listed, traffic)) if apart else ()
    return BankProblem(
        tuple(tuple(way.option for way in item.ways) for item in listed),
        bank_count,
        bank_bytes,
        alignment,
        conflicts,
    )


def _conflicts(listed: Sequence[Candidate], traffic: NetworkTraffic) -> Iterator[Conflict]:
    owner = {name: at for at, item in enumerate(listed) for name in item.tensors}
    operands: dict[tuple[str, int], dict[int, None]] = {}
    for touch in traffic.touches:
        if touch.tensor in owner and touch.on_main:
            operands.setdefault((touch.node, touch.end - 1), {})[owner[touch.tensor]] = None
    for (_, time), items in operands.items():
        yield from (Conflict(a, b, time) for a, b in combinations(items, 2))


@dataclass(frozen=True)
class _Block:
    """A block of an arena: its tensors, grouped by value, its bytes in the chip's layout, its steps."""

    tensors: tuple[str, ...]
    values: dict[str, list[str]]
    size_bytes: int
    first: int
    end: int


def _steps(partition: Partition, arena: Arena, buffer: Buffer) -> tuple[int, int]:
    """Give a block's life in steps over all segments; the shared arena counts in segments."""
    starts = list(accumulate((len(segment.graph.nodes) for segment in partition.segments), initial=0))
    names = [segment.name for segment in partition.segments]
    if arena.owner in names:
        start = starts[names.index(arena.owner)]
        return start + buffer.first_step, start + buffer.end_step
    first, end = starts[buffer.first_step], starts[buffer.end_step]
    return first, max(end, first + 1)


def _block_bytes(buffer: Buffer, stored: Mapping[str, Stored], profile: ChipProfile) -> int:
    """Give a block's bytes in the chip's layout, no fewer than its arena has for views."""
    laid_out = [laid_out_bytes(stored[name], profile.on_chip) for name in buffer.tensors if name in stored]
    return max(*laid_out, 1, buffer.size_bytes if buffer.inner_offsets_bytes else 1)


def _chains(
    partition: Partition, blocks: Sequence[_Block], traffic: NetworkTraffic, bank_bytes: int
) -> dict[tuple[str, ...], TiledChain]:
    """Find layers that can share tiles, by the block that they share; a layer stands in one chain at most."""
    found: dict[tuple[str, ...], TiledChain] = {}
    taken: set[tuple[int, int]] = set()
    for block in sorted(blocks, key=lambda block: -block.size_bytes):
        if block.size_bytes <= bank_bytes:
            continue
        chain = tiled_chain(partition, block.tensors, block.size_bytes, traffic, bank_bytes=bank_bytes)
        if chain is not None and not taken.intersection(chain.layers):
            found[block.tensors] = chain
            taken.update(chain.layers)
    return found


def _candidate(
    partition: Partition, block: _Block, by_tensor: Mapping[str, Sequence[Touch]], chain: TiledChain | None
) -> Candidate:
    outside = {*partition.inputs, *partition.outputs}
    gains: list[Gain] = []
    every: list[Touch] = []
    for names in block.values.values():
        touches = [touch for name in names for touch in by_tensor.get(name, ())]
        touches.sort(key=lambda touch: (touch.end, not touch.write))
        every += touches
        gains += value_gains(touches, kept_off_chip=bool(outside.intersection(names)))
    return Candidate(
        "activation",
        block.tensors,
        block.size_bytes,
        sum(touch.size_bytes for touch in every),
        min((touch.first for touch in every), default=block.first),
        max((touch.end for touch in every), default=block.end),
        residency(gains, block.size_bytes) if chain is None else chain.ways,
        (block.first, block.end),
    )


def value_gains(touches: Sequence[Touch], *, kept_off_chip: bool) -> Iterator[Gain]:
    """Give what one value saves on chip: each read after another touch, and the write if none else needs it.

    A read saves its bytes where the value has been on chip since the touch before it. The write is saved
    where the value stays until its last read, if it is neither an input nor an output of the network nor
    read by another engine.
    """
    before: Touch | None = None
    for touch in touches:
        if not touch.on_main:
            continue
        if before is not None and not touch.write:
            moved = ((touch.node, touch.size_bytes),)
            yield Gain(moved, before.first, max(touch.end, before.end))
        before = touch
    writes = [touch for touch in touches if touch.write]
    if writes and not kept_off_chip and all(touch.on_main for touch in touches):
        first, end = min(touch.first for touch in touches), max(touch.end for touch in touches)
        yield Gain(tuple((touch.node, touch.size_bytes) for touch in writes), first, end)


def _values(partition: Partition, tensors: Sequence[str]) -> dict[str, list[str]]:
    """Group tensors that are names of one value: what a Reshape gives is its input."""
    source = {
        node.outputs[0]: node.inputs[0]
        for segment in partition.segments
        for node in segment.graph.nodes
        if node.op in ALIASES and node.inputs and node.outputs
    }
    found: dict[str, list[str]] = {}
    for name in tensors:
        root = name
        while root in source and source[root] in tensors:
            root = source[root]
        found.setdefault(root, []).append(name)
    return found


def _states(
    state: Sequence[StateBuffers], traffic: NetworkTraffic, by_tensor: Mapping[str, Sequence[Touch]]
) -> Iterator[Candidate]:
    """Give each ring of state buffers: all of it stays on chip from frame to frame, or none."""
    rings: dict[tuple[int, ...], list[StateBuffers]] = {}
    for pair in state:
        rings.setdefault(pair.offsets_bytes, []).append(pair)
    for pairs in rings.values():
        names = tuple(dict.fromkeys(name for pair in pairs for name in (pair.output, pair.input) if name))
        touches = [touch for name in names for touch in by_tensor.get(name, ())]
        size = pairs[0].size_bytes * len(pairs[0].offsets_bytes)
        moved = tuple((touch.node, touch.size_bytes) for touch in touches)
        saving = sum(touch.size_bytes for touch in touches)
        inner = all(touch.on_main for touch in touches) and all(pair.input for pair in pairs)
        option = Option(saving, (Need(size, 0, traffic.steps),))
        ways = (Way(option, moved),) if saving and inner else ()
        yield Candidate("state", names, size, saving, 0, traffic.steps, ways, (0, traffic.steps))


def _weight(name: str, touches: Sequence[Touch], steps: int) -> Candidate:
    """Give a weight: resident from frame to frame, or held from one reader to the next."""
    size = max(touch.size_bytes for touch in touches)
    total = sum(touch.size_bytes for touch in touches)
    ways: tuple[Way, ...] = ()
    if size and all(touch.on_main for touch in touches):
        moved = tuple((touch.node, touch.size_bytes) for touch in touches)
        resident = Way(Option(total, (Need(size, 0, steps),)), moved)
        ways = (resident, *residency(list(value_gains(touches, kept_off_chip=True)), size))
    return Candidate("weight", (name,), size, total, 0, steps, ways, (0, steps))
