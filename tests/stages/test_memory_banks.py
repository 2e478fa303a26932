"""Banks of small networks: places, traffic and spills worked out by hand."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from deploykit.analysis.planned import as_planned
from deploykit.artifacts.banks import BankItem, BankPlan, BankStay
from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.profile import Quantity
from deploykit.stages.memory import MemoryParams, plan_memory

HEADER = '<ir_version: 8, opset_import: ["": 17]>'
OWN_TYPES = PrecisionPlan("net", (), ())
BLOCKS_APART = MemoryParams(in_place=False)

CHAIN = f"""{HEADER}
net (float[1,16] x) => (float[1,16] y) {{
    a = Exp(x)
    b = Relu(a)
    y = Softmax(b)
}}"""

SKIP = f"""{HEADER}
net (float[1,16] x) => (float[1,16] y) {{
    a = Exp(x)
    b = Sin(a)
    c = Cos(b)
    d = Tan(c)
    e = Add(a, d)
    y = Softmax(e)
}}"""


def banks_of(bench: Any, text: str, on_chip_bytes: float | None, **on_chip: Any) -> BankPlan | None:
    return plan_of(bench, text, on_chip_bytes, **on_chip).banks


def plan_of(
    bench: Any,
    text: str,
    on_chip_bytes: float | None,
    params: MemoryParams = BLOCKS_APART,
    **on_chip: Any,
) -> MemoryPlan:
    chip = bench.profile()
    memory = dataclasses.replace(
        chip.on_chip, size_bytes=Quantity(on_chip_bytes, "test"), alignment_bytes=4, **on_chip
    )
    profile = dataclasses.replace(chip, on_chip=memory)
    return plan_memory(bench.whole(text), OWN_TYPES, profile=profile, params=params)


def item(plan: BankPlan | None, name: str) -> BankItem:
    assert plan is not None
    return next(item for item in plan.items if name in item.tensors)


def test_a_chain_keeps_its_inner_tensors_and_moves_input_and_output_alone(bench: Any) -> None:
    plan = banks_of(bench, CHAIN, 128)
    # Five tensors' touches of 64 bytes: x read, a and b written and read, y written.
    assert plan is not None
    assert plan.all_dram_bytes == 6 * 64
    assert plan.traffic_bytes == plan.bound.lower_bound == 2 * 64
    assert plan.bound.status == "optimal"
    assert {item.tensors for item in plan.items} == {("a",), ("b",)}
    assert plan.dram_bytes == 128  # x to its reader, y at the end: the shared arena keeps both all along
    assert plan.notices[0].endswith("on_chip.bank_count is blank: on-chip memory counts as one bank")


def test_one_bank_less_is_no_bank_and_one_more_saves_nothing_here(bench: Any) -> None:
    plan = banks_of(bench, CHAIN, 128)
    assert plan is not None
    assert [(other.bank_count, other.traffic_bytes) for other in plan.what_if] == [(0, 384), (2, 128)]


def test_a_skip_is_spilled_while_the_branch_needs_the_room(bench: Any) -> None:
    plan = banks_of(bench, SKIP, 128)
    # At Sin a and b are on chip; at Cos b and c; at Tan c and d: only two tensors at a time, so a leaves
    # after Sin and its read by Add comes from DRAM: a's write and that read move 128 bytes, x and y 128.
    assert plan is not None
    assert plan.all_dram_bytes == 13 * 64  # each node reads one and writes one, the Add reads two
    assert plan.traffic_bytes == 256
    assert plan.bound.status == "optimal"
    assert [(stay.first_step, stay.end_step) for stay in item(plan, "a").stays] == [(0, 2)]
    assert item(plan, "a").saved_bytes == 64


def test_with_room_for_three_nothing_is_spilled(bench: Any) -> None:
    plan = banks_of(bench, SKIP, 192)
    assert plan is not None
    assert plan.traffic_bytes == 128


def test_operands_of_one_operator_get_different_banks_where_the_chip_wants_it(bench: Any) -> None:
    apart = {"bank_count": 2, "operands_per_bank": Quantity(1, "test")}
    plan = banks_of(bench, CHAIN, 512, **apart)
    assert plan is not None
    # Relu reads a and writes b
    assert item(plan, "a").stays[0].bank != item(plan, "b").stays[0].bank
    assert plan.notices == ()


def test_without_a_size_nothing_is_said_of_banks(bench: Any) -> None:
    assert banks_of(bench, CHAIN, None) is None


def test_nodes_without_an_order_have_no_banks_and_the_plan_says_so(bench: Any) -> None:
    plan = plan_of(bench, CHAIN, 128, MemoryParams(parallel_nodes=True))
    assert plan.banks is None
    assert plan.notices[-1].startswith("the chip's banks are not planned: nodes that may run at once")


def test_where_a_part_of_the_traffic_is_unknown_nothing_is_called_optimal(bench: Any) -> None:
    # Nothing binds K: nobody knows how many bytes TopK writes.
    text = f"""{HEADER}
net (float[1,16] x, int64[1] k) => (float[1,16] y, float[1,K] v) {{
    a = Exp(x)
    y = Relu(a)
    v, i = TopK(a, k)
}}"""
    plan = banks_of(bench, text, 128)
    assert plan is not None
    assert plan.bound.objective == plan.bound.lower_bound
    assert plan.bound.status == "feasible"
    assert any("the traffic is incomplete" in notice for notice in plan.notices)


TILED = f"""{HEADER}
net (float[1,1,16,4] x) => (float[1,1,16,4] y)
<float[1,1,1,1] v = {{2.0}}, float[1,1,3,1] w = {{1.0, 1.0, 1.0}}> {{
    a = Conv(x, v)
    b = Conv<pads=[1,0,1,0]>(a, w)
    y = Softmax(b)
}}"""


def test_a_tensor_larger_than_a_bank_is_passed_on_in_tiles_with_a_halo(bench: Any) -> None:
    plan = banks_of(bench, TILED, 160)
    # a takes 256 bytes: 16 rows of 16. The second Conv's windows of 3 rows at stride 1 share 2 rows. Three
    # tiles of 6 + 2 rows take 128 bytes (two of 8 + 2 take 160, which fit). So 2 tiles: the first Conv reads
    # 2 rows of x again (32 bytes), and both read their weights again (4 + 12).
    tiled = item(plan, "a")
    assert tiled.tiles is not None
    assert (tiled.tiles.axis, tiled.tiles.count, tiled.tiles.halo_rows) == ("rows", 2, 2)
    assert tiled.tiles.again_bytes == 32 + 16
    assert tiled.saved_bytes == 2 * 256 - 48
    assert tiled.stays[0].size_bytes == 160
    # both Convs run over steps 0 and 1
    assert (tiled.stays[0].first_step, tiled.stays[0].end_step) == (0, 2)


def test_tiles_hold_the_rows_of_whole_results_of_a_reader_with_a_stride(bench: Any) -> None:
    text = f"""{HEADER}
net (float[1,1,10,4] x) => (float[1,1,5,4] y)
<float[1,1,1,1] v = {{2.0}}, float[1,1,3,1] w = {{1.0, 1.0, 1.0}}> {{
    a = Conv(x, v)
    b = Conv<pads=[1,0,0,0], strides=[2,1]>(a, w)
    y = Softmax(b)
}}"""
    # a takes 10 rows of 16 bytes. Windows of 3 rows at stride 2 share one: m of the 5 results need 2m + 1 rows.
    # A bank of 64 bytes holds 3 rows (m = 1) and not 5 (m = 2), so there are 5 tiles. The first Conv reads a row
    # of x (16 bytes) again for each tile after the first, and both read their weights (4 + 12).
    tiled = item(banks_of(bench, text, 64), "a")
    assert tiled.tiles is not None
    assert (tiled.tiles.axis, tiled.tiles.count, tiled.tiles.halo_rows) == ("rows", 5, 1)
    assert tiled.tiles.again_bytes == 4 * (16 + 16)
    assert tiled.stays[0].size_bytes == 48


def random_graph(seed: int) -> str:
    """A network of 14 elementwise operators on sizes of 64 bytes, whose operands are any earlier tensors."""
    chance = random.Random(seed)
    names = ["x"]
    lines = []
    for index in range(14):
        a, b = chance.choice(names[-3:]), chance.choice(names)
        lines.append(f"    t{index} = Add({a}, {b})" if a != b else f"    t{index} = Exp({a})")
        names.append(f"t{index}")
    return f"{HEADER}\nnet (float[1,16] x) => (float[1,16] t13) {{\n" + "\n".join(lines) + "\n}"


def moved_when_run(partition: Partition, plan: BankPlan) -> int:
    """Run a frame of random bytes inside banks and DRAM; give the bytes moved off chip.

    A tensor is read where the plan has it at that step, and has to hold its value there.
    """
    chance = random.Random(1)
    graph = partition.segments[0].graph
    stays = {item.tensors[0]: item.stays for item in plan.items}
    banks = [bytearray(b"\xa5" * plan.bank_bytes) for _ in range(plan.bank_count)]
    values = {"x": chance.randbytes(64)}
    dram = dict(values)
    moved = 0
    readers = {
        name: [step for step, node in enumerate(graph.nodes) if name in node.inputs] for name in graph.tensor
    }

    def stay_at(name: str, step: int) -> BankStay | None:
        return next((s for s in stays.get(name, ()) if s.first_step <= step < s.end_step), None)

    def place(stay: BankStay) -> slice:
        return slice(stay.offset_bytes, stay.offset_bytes + 64)

    for step, node in enumerate(graph.nodes):
        for name in dict.fromkeys(node.inputs):
            stay = stay_at(name, step)
            if stay is None or stay.first_step == step:
                assert dram[name] == values[name], f"{name} is not in DRAM at step {step}"
                moved += 64
                if stay is not None:  # a refill
                    banks[stay.bank][place(stay)] = values[name]
            else:
                assert banks[stay.bank][place(stay)] == values[name], f"{name} lost its value before {step}"
        (name,) = node.outputs
        values[name] = chance.randbytes(64)
        stay = stay_at(name, step)
        if stay is not None:
            banks[stay.bank][place(stay)] = values[name]
        if name in graph.outputs or any(stay_at(name, at) != stay or stay is None for at in readers[name]):
            dram[name] = values[name]
            moved += 64
    return moved


@pytest.mark.parametrize("seed", range(12))
def test_what_is_moved_when_run_inside_the_banks_is_what_the_plan_says(bench: Any, seed: int) -> None:
    for count, room in ((1, 128), (1, 256), (2, 128)):
        text = random_graph(seed)
        memory = plan_of(bench, text, count * room, bank_count=count)
        plan = memory.banks
        assert plan is not None
        assert moved_when_run(as_planned(bench.whole(text), memory), plan) == plan.traffic_bytes
        assert plan.traffic_bytes <= plan.greedy_bytes <= plan.all_dram_bytes
