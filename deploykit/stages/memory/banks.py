"""The chip's own memory: what lies in which bank, at which offset, for which part of its life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from deploykit.analysis.banks.accesses import NetworkTraffic, network_traffic
from deploykit.analysis.banks.items import Candidate, bank_problem, candidates
from deploykit.analysis.banks.times import LayerTimes, layer_times
from deploykit.analysis.stored import Stored
from deploykit.artifacts.banks import BankItem, BankPlan, BankStay, BankTiles, DramBlock, Prefetch, WhatIf
from deploykit.artifacts.memory import Arena, StateBuffers
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import Scheme
from deploykit.core.bounds import SolveBound
from deploykit.core.profile import ChipProfile
from deploykit.solve.banks.greedy import greedy_by_size
from deploykit.solve.banks.layout import Layout
from deploykit.solve.banks.plan import plan_banks
from deploykit.solve.banks.problem import BankProblem, Need, Option
from deploykit.solve.banks.solution import BankChoice, Chosen
from deploykit.solve.banks.validate import choice_faults
from deploykit.solve.memory.checked import checked_pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle
from deploykit.stages.memory.params import MemoryParams


@dataclass(frozen=True)
class _Chip:
    """What the plan needs to know of the chip's own memory."""

    profile: ChipProfile
    bank_count: int
    bank_bytes: int
    alignment: int


def plan_chip_memory(
    partition: Partition,
    schemes: Mapping[str, Scheme],
    stored: Mapping[str, Stored],
    unsized: Sequence[str],
    arenas: Sequence[Arena],
    state: Sequence[StateBuffers],
    *,
    profile: ChipProfile,
    params: MemoryParams,
    alignment: int,
) -> BankPlan | None:
    """Choose what lies in the chip's banks, tensor by tensor.

    None where the profile gives no size, where nobody asked, and where nodes have no order.
    `schemes` are those of the nodes by id. Blocks are those of the arenas, in the planned order of nodes, one
    segment after the other. The choice has passed the independent validator. No plan is `optimal` where a
    part of the traffic is unknown.
    """
    size = profile.on_chip.size_bytes.value
    if size is None or not params.banks or params.parallel_nodes:
        return None
    count = profile.on_chip.bank_count or 1
    chip = _Chip(profile, count, int(size) // count, alignment)
    whole = network_traffic(partition, stored, schemes, profile)
    found = candidates(partition, arenas, state, stored, whole, profile, bank_bytes=chip.bank_bytes)
    listed, traffic = found.listed, found.traffic
    problem = _problem(listed, traffic, chip, count)
    choice = _checked(problem, plan_banks(problem, step_limit=params.bank_steps))
    base = traffic.total_bytes - problem.most_saving
    moved = [part for item in choice.chosen for part in listed[item.item].ways[item.option].moved]
    timed = layer_times(partition, traffic, schemes, profile, moved)
    planned, prefetches = _prefetched(problem, choice.chosen, listed, traffic, timed)
    dram, dram_bytes = _dram(listed, choice.chosen, chip)
    weights = {item.item for item in choice.chosen if _is_resident(problem, item, listed, traffic)}
    plain = layer_times(partition, traffic, schemes, profile)
    return BankPlan(
        bank_count=count,
        bank_bytes=chip.bank_bytes,
        alignment_bytes=alignment,
        steps=traffic.steps,
        segment_steps=_segment_steps(partition),
        items=tuple(_item(listed[item.item], item) for item in choice.chosen),
        bound=_shifted(choice.bound, base, counted=not whole.uncosted and not unsized),
        all_dram_bytes=traffic.total_bytes,
        greedy_bytes=traffic.total_bytes - greedy_by_size(problem).saving,
        resident_weight_bytes=sum(listed[at].size_bytes for at in weights),
        streamed_weight_bytes=sum(
            item.size_bytes for at, item in enumerate(listed) if item.kind == "weight" and at not in weights
        ),
        dram_bytes=dram_bytes,
        dram=dram,
        what_if=_what_if(listed, traffic, chip, base, params),
        prefetches=prefetches,
        all_dram_s=plain.total_s if plain else None,
        planned_s=planned.total_s if planned else None,
        notices=tuple(_notices(chip, whole, listed, unsized)),
    )


def _problem(
    listed: Sequence[Candidate], traffic: NetworkTraffic, chip: _Chip, bank_count: int
) -> BankProblem:
    return bank_problem(
        listed,
        traffic,
        chip.profile,
        bank_count=bank_count,
        bank_bytes=chip.bank_bytes,
        alignment=chip.alignment,
    )


def _checked(problem: BankProblem, choice: BankChoice) -> BankChoice:
    faults = choice_faults(problem, choice.chosen)
    if faults:  # ours: a method that breaks the rules never gets further
        raise AssertionError(f"banks: {'; '.join(faults)}")
    return choice


def _shifted(bound: SolveBound, base: int, *, counted: bool) -> SolveBound:
    """Give a bound on missed savings as one on the traffic; `counted`: all of it is known."""
    return replace(
        bound,
        status=bound.status if counted else "feasible",
        objective=base + bound.objective,
        lower_bound=base + bound.lower_bound,
    )


def _item(candidate: Candidate, chosen: Chosen) -> BankItem:
    way = candidate.ways[chosen.option]
    stays = tuple(
        BankStay(
            stay.bank,
            stay.offset,
            need.size,
            need.first,
            need.end,
            refilled=candidate.kind == "activation" and need.first > candidate.first,
        )
        for need, stay in zip(way.option.needs, chosen.stays, strict=True)
    )
    tiles = way.tiling and BankTiles(
        "batch" if way.tiling.axis == 0 else "rows",
        way.tiling.count,
        way.tiling.halo_rows,
        way.tiling.again_bytes,
    )
    return BankItem(
        candidate.kind, candidate.tensors, stays, way.option.saving, candidate.all_bytes, tiles or None
    )


def _is_resident(
    problem: BankProblem, chosen: Chosen, listed: Sequence[Candidate], traffic: NetworkTraffic
) -> bool:
    needs = problem.items[chosen.item][chosen.option].needs
    return listed[chosen.item].kind == "weight" and needs[0].end - needs[0].first == traffic.steps


def _prefetched(
    problem: BankProblem,
    chosen: Sequence[Chosen],
    listed: Sequence[Candidate],
    traffic: NetworkTraffic,
    timed: LayerTimes | None,
) -> tuple[LayerTimes | None, tuple[Prefetch, ...]]:
    """Fetch streamed weights while the layer before their reader computes, where a bank has room for both."""
    if timed is None:
        return None, ()
    wanted = _wanted(listed, chosen, traffic, timed)
    items = list(problem.items)
    for at, option in wanted:
        items[at] = (*items[at], option)
    problem = replace(problem, items=tuple(items))
    layout = Layout.holding(problem, chosen)
    found: list[Prefetch] = []
    for at, option in wanted:
        name, size = listed[at].tensors[0], listed[at].all_bytes
        reader = timed.of[next(touch.node for touch in traffic.touches if touch.tensor == name)]
        before = timed.layers[timed.layers.index(reader) - 1]
        waits = min(reader.waiting_bytes(timed.bandwidth), size)
        if not waits or before.spare_bytes(timed.bandwidth) < size or not problem.fits(option):
            continue
        if layout.put(at, len(items[at]) - 1):
            start_s = timed.total_s
            reader.moved_bytes -= size
            before.moved_bytes += size
            stay = next(item for item in layout.chosen() if item.item == at).stays[0]
            need = option.needs[0]
            place = BankStay(stay.bank, stay.offset, need.size, need.first, need.end, refilled=True)
            found.append(Prefetch(name, place, start_s - timed.total_s))
    _checked(problem, BankChoice(layout.chosen(), SolveBound("feasible", 0, 0, "prefetch")))
    return timed, tuple(found)


def _wanted(
    listed: Sequence[Candidate], chosen: Sequence[Chosen], traffic: NetworkTraffic, timed: LayerTimes
) -> list[tuple[int, Option]]:
    """Give the streamed weights of one reader that waits for them, by falling size, with what each needs."""
    taken = {item.item for item in chosen}
    readers: dict[str, list[str]] = {}
    for touch in traffic.touches:
        if touch.weight and touch.on_main:
            readers.setdefault(touch.tensor, []).append(touch.node)
    place = {id(layer): at for at, layer in enumerate(timed.layers)}
    found: list[tuple[int, Option]] = []
    for at, item in enumerate(listed):
        nodes = readers.get(item.tensors[0], [])
        if item.kind != "weight" or at in taken or len(nodes) != 1:
            continue
        layer = timed.of[nodes[0]]
        if place[id(layer)] > 0 and layer.waiting_bytes(timed.bandwidth) > 0:
            before = timed.layers[place[id(layer)] - 1]
            need = Need(item.size_bytes, min(before.first, layer.first), layer.end)
            found.append((at, Option(0, (need,))))
    return sorted(found, key=lambda one: (-one[1].needs[0].size, one[0]))


def _dram(
    listed: Sequence[Candidate], chosen: Sequence[Chosen], chip: _Chip
) -> tuple[tuple[DramBlock, ...], int]:
    """Pack the activations that aren't on chip for all that they are needed for."""
    saved = {item.item: listed[item.item].ways[item.option].option.saving for item in chosen}
    tiled = {item.item for item in chosen if listed[item.item].ways[item.option].tiling}
    left = [
        item
        for at, item in enumerate(listed)
        if item.kind == "activation" and at not in tiled and saved.get(at, -1) < item.all_bytes
    ]
    lives = [(min(item.first, item.life[0]), max(item.end, item.life[1])) for item in left]
    problem = PackingProblem(
        tuple(Rectangle(item.size_bytes, *life) for item, life in zip(left, lives, strict=True)),
        chip.alignment,
    )
    packing = checked_pack(problem, node_limit=0)
    blocks = tuple(
        DramBlock(item.tensors, size, offset, *life)
        for item, life, size, offset in zip(left, lives, problem.sizes, packing.offsets, strict=True)
    )
    return blocks, packing.bound.objective


def _what_if(
    listed: Sequence[Candidate], traffic: NetworkTraffic, chip: _Chip, base: int, params: MemoryParams
) -> tuple[WhatIf, ...]:
    """Plan again with one bank less and one more, with a quarter of the steps."""
    found = []
    for count in (chip.bank_count - 1, chip.bank_count + 1):
        problem = _problem(listed, traffic, chip, count)
        bound = plan_banks(problem, step_limit=params.bank_steps // 4).bound
        found.append(WhatIf(count, base + bound.objective, base + bound.lower_bound))
    return tuple(found)


def _segment_steps(partition: Partition) -> tuple[tuple[str, int], ...]:
    starts = accumulate((len(segment.graph.nodes) for segment in partition.segments), initial=0)
    return tuple((segment.name, start) for segment, start in zip(partition.segments, starts, strict=False))


def _notices(
    chip: _Chip, traffic: NetworkTraffic, listed: Sequence[Candidate], unsized: Sequence[str]
) -> list[str]:
    profile = chip.profile
    notices = []
    if profile.on_chip.bank_count is None:
        place = profile.file or profile.name
        notices.append(f"{place}: on_chip.bank_count is blank: on-chip memory counts as one bank")
    if profile.on_chip.operands_per_bank.value is None and chip.bank_count > 1:
        notices.append("the profile doesn't say whether operands may share a bank: conflicts aren't counted")
    notices += [
        f"segment {name}: an operator's cost or a tensor's size is not known: its nodes count as moving each "
        "tensor once, those with a tensor of unknown size as moving nothing; the traffic is incomplete"
        for name in traffic.uncosted
    ]
    if unsized:
        named = ", ".join(unsized[:3]) + (f" and {len(unsized) - 3} more" if len(unsized) > 3 else "")
        notices.append(f"of unknown size, in no bank and not counted: {named}; the traffic is incomplete")
    large = [item for item in listed if item.kind == "activation" and item.size_bytes > chip.bank_bytes]
    alone = [item for item in large if not any(way.tiling for way in item.ways)]
    if alone:
        named = ", ".join(f"{item.tensors[0]} ({item.size_bytes} bytes)" for item in alone[:3])
        notices.append(
            f"larger than a bank of {chip.bank_bytes} bytes, not to be passed on in tiles, and so in DRAM: "
            f"{named}{f' and {len(alone) - 3} more' if len(alone) > 3 else ''}"
        )
    return notices
