"""An arena that is larger than allowed: what is missing, where, and the smallest change that makes it fit."""

from __future__ import annotations

import dataclasses
from typing import Any

from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.profile import Quantity
from deploykit.stages.memory import MemoryParams, plan_memory

HEADER = '<ir_version: 8, opset_import: ["": 17]>'


def planned(bench: Any, source: str, limit: int) -> MemoryPlan:
    chip = bench.profile()
    memory = dataclasses.replace(chip.on_chip, size_bytes=Quantity(None), alignment_bytes=64)
    profile = dataclasses.replace(chip, on_chip=memory)
    params = MemoryParams(arena_bytes=limit)
    return plan_memory(
        bench.whole(f"{HEADER} {source}"), PrecisionPlan("net", (), ()), profile=profile, params=params
    )


SKIP = """net (float[64] x) => (float[64] y) {
    h = Softmax(x) a = Softmax(h) b = Softmax(a) c = Softmax(b) d = Softmax(c) s = Add(d, h) y = Softmax(s)
}"""


def test_an_arena_that_fits_has_no_shortfall(bench: Any) -> None:
    # Each tensor has 256 bytes; at most h and two of the chain are alive: 768.
    plan = planned(bench, SKIP, 768)

    assert (plan.arenas[0].size_bytes, plan.shortfalls) == (768, ())


def test_a_skip_connection_is_computed_again_rather_than_spilled_where_that_costs_no_more(bench: Any) -> None:
    # h lies idle from b to d. Spilling moves it out and in: 512 bytes; computing it again reads x and writes h:
    # 512 bytes as well, and needs nothing else.
    plan = planned(bench, SKIP, 512)

    (short,) = plan.shortfalls
    assert (short.required_bytes, short.available_bytes, short.missing_bytes) == (768, 512, 256)
    assert [(change.kind, change.tensor, change.moved_bytes) for change in short.changes] == [
        ("recompute", "h", 512)
    ]
    assert short.changed_bytes == 512
    assert str(short) == (
        "arena whole requires 768 bytes, available are 512: 256 missing at node b, where h 256, a 256, b 256 are "
        "alive; the smallest change that makes it fit (512 bytes): compute h (256 bytes) again by Softmax h after "
        "a and before s: 512 bytes more moved a frame"
    )


def test_what_cannot_be_computed_again_is_spilled(bench: Any) -> None:
    # g dies at h: to compute h again, g would have to be kept
    source = SKIP.replace("h = Softmax(x)", "g = Softmax(x) h = Softmax(g)")
    plan = planned(bench, source, 512)

    (short,) = plan.shortfalls
    assert [(change.kind, change.tensor, change.moved_bytes) for change in short.changes] == [
        ("spill", "h", 512)
    ]


def test_a_tensor_between_a_convolution_and_a_pool_is_split_in_stripes(bench: Any) -> None:
    # b has 8 x 16 x 16 x 4 = 8192 bytes, c 2048. Two stripes of 8 rows of b and 1 of halo, 512 bytes a row:
    # 4608 + 2048 = 6656; the row of halo is computed twice.
    source = f"""net (float[1,1,16,16] x) => (float[1,8,8,8] y)
    <float[8,1,1,1] w = {{ {", ".join(["0.5"] * 8)} }}> {{
        b = Conv(x, w)
        c = MaxPool<kernel_shape=[2,2], strides=[2,2]>(b)
        y = Softmax(c)
    }}"""
    plan = planned(bench, source, 9000)

    (short,) = plan.shortfalls
    assert short.required_bytes == 10240
    assert [(change.kind, change.tensor, change.moved_bytes) for change in short.changes] == [
        ("split", "b", 512)
    ]
    assert short.changed_bytes == 6656


def test_where_nothing_helps_it_says_so(bench: Any) -> None:
    plan = planned(
        bench, "net (float[64] x) => (float[64] y) { a = Softmax(x) b = Softmax(a) y = Softmax(b) }", 300
    )

    short = plan.shortfalls[0]
    assert (short.changes, short.changed_bytes) == ((), None)
    assert "no spilling, recomputing or splitting makes it fit" in str(short)
