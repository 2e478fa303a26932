"""The order of a segment's nodes where it lowers the arena, and never where it does not."""

from __future__ import annotations

import dataclasses
from typing import Any

from deploykit.analysis.memory_replay import made_up_frames, replay
from deploykit.analysis.planned import as_planned
from deploykit.analysis.stored import stored_tensors
from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.profile import Quantity
from deploykit.stages.memory import MemoryParams, plan_memory

HEADER = '<ir_version: 8, opset_import: ["": 17]>'
OWN_TYPES = PrecisionPlan("net", (), ())

BRANCHES = f"""{HEADER}
net (float[1,16] x) => (float[1,16] y) <int64[2] many = {{8, 1}}> {{
    a = Softmax(x)
    l1 = Tile(a, many)
    r1 = Tile(a, many)
    l2 = ReduceMax<axes=[0]>(l1)
    r2 = ReduceMax<axes=[0]>(r1)
    s = Add(l2, r2)
    y = Softmax(s)
}}"""


def planned(bench: Any, source: str = BRANCHES, **options: Any) -> tuple[Partition, MemoryPlan]:
    chip = bench.profile()
    memory = dataclasses.replace(chip.on_chip, size_bytes=Quantity(None), alignment_bytes=64)
    profile = dataclasses.replace(chip, on_chip=memory)
    partition = bench.whole(source)
    return partition, plan_memory(partition, OWN_TYPES, profile=profile, params=MemoryParams(**options))


def test_branches_run_one_after_the_other_where_that_is_smaller(bench: Any) -> None:
    # a, l2, r2 take 64 bytes, l1 and r1 512. As listed: a, l1 and r1: 64 + 512 + 512 = 1088.
    # One branch after the other: a, l1, l2: 640, or l2, a, r1: 640, or l2, r1, r2: 640.
    _, given = planned(bench, order="given")
    partition, plan = planned(bench)

    assert (given.arenas[0].size_bytes, plan.arenas[0].size_bytes) == (1088, 640)
    ((segment, order),) = plan.orders
    assert segment == "whole"
    assert order in (("a", "l1", "l2", "r1", "r2", "s", "y"), ("a", "r1", "r2", "l1", "l2", "s", "y"))
    ((_, bound),) = plan.order_bounds
    assert (bound.status, bound.objective, bound.lower_bound) == ("optimal", 640, 640)
    stored, _ = stored_tensors(partition, OWN_TYPES)
    frames = made_up_frames(as_planned(partition, plan), stored, 2)
    assert replay(partition, plan, frames).faults == ()


def test_a_chain_keeps_its_order_and_says_that_no_other_is_better(bench: Any) -> None:
    chain = f"{HEADER} net (float[1,16] x) => (float[1,16] y) {{ a = Exp(x) b = Softmax(a) y = Softmax(b) }}"

    _, plan = planned(bench, chain)

    assert plan.orders == ()
    assert [(name, bound.status, bound.objective) for name, bound in plan.order_bounds] == [
        ("whole", "optimal", 128)
    ]


def test_a_claim_holds_the_order(bench: Any) -> None:
    # l2 may be written over l1 only after both readers of l1 are done
    source = f"""{HEADER}
    net (float[1,16] x) => (float[1,16] y) {{
        a = Exp(x) b = Softmax(a) c = Softmax(a) d = Softmax(b) s = Add(c, d) y = Softmax(s)
    }}"""

    _, plan = planned(bench, source, overwrite={"c": "a"})

    order = dict(plan.orders).get("whole", ("a", "b", "c", "d", "s", "y"))
    assert order.index("b") < order.index("c")


def test_parallel_nodes_have_no_order_to_choose(bench: Any) -> None:
    _, plan = planned(bench, parallel_nodes=True)

    assert (plan.orders, plan.order_bounds) == ((), ())
