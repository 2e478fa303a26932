"""Lifetimes beyond the chain: views, kept and held tensors, history, several streams, bodies, claims."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from deploykit.analysis.memory_replay import made_up_frames, replay
from deploykit.analysis.stored import stored_tensors
from deploykit.artifacts.memory import Arena, MemoryPlan
from deploykit.artifacts.model import Partition, StatePair
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.profile import Quantity
from deploykit.stages.memory import MemoryParams, plan_memory

HEADER = '<ir_version: 8, opset_import: ["": 17]>'
OWN_TYPES = PrecisionPlan("net", (), ())


def profile_of(bench: Any, alignment: int = 64, free_views: tuple[str, ...] = ()) -> Any:
    chip = bench.profile()
    memory = dataclasses.replace(chip.on_chip, size_bytes=Quantity(None), alignment_bytes=alignment)
    engine = dataclasses.replace(chip.engines[0], free_views=free_views)
    return dataclasses.replace(chip, on_chip=memory, engines=(engine,))


def planned(bench: Any, source: str, alignment: int = 64, **options: Any) -> tuple[Partition, MemoryPlan]:
    state = options.pop("state", ())
    views = options.pop("free_views", ())
    partition = bench.whole(f"{HEADER} {source}", state=state)
    profile = profile_of(bench, alignment, views)
    return partition, plan_memory(partition, OWN_TYPES, profile=profile, params=MemoryParams(**options))


def replayed(partition: Partition, plan: MemoryPlan, frames: int = 3) -> tuple[str, ...]:
    stored, _ = stored_tensors(partition, OWN_TYPES)
    return replay(partition, plan, made_up_frames(partition, stored, frames)).faults


def arena(plan: MemoryPlan, owner: str) -> Arena:
    return next(arena for arena in plan.arenas if arena.owner == owner)


def offsets(plan: MemoryPlan, owner: str) -> dict[str, int]:
    """Each tensor's first byte in its arena."""
    return {
        name: buffer.offset_bytes + inner
        for buffer in arena(plan, owner).buffers
        for name, inner in zip(
            buffer.tensors, buffer.inner_offsets_bytes or (0,) * len(buffer.tensors), strict=True
        )
    }


SPLIT = """net (float[1,4,16] x) => (float[1,2,16] y) {
    a = Exp(x)
    l, r = Split<axis=1>(a)
    m = MatMul(l, w)
    y = Add(m, r)
}"""


def test_parts_of_a_split_lie_in_the_whole(bench: Any) -> None:
    # a has 256 bytes, its halves are at 0 and 128; m lies in y's block. Copies take 256 + 2 * 128 = 512.
    weight = "<float[16,16] w = {" + ", ".join(["0.5"] * 256) + "}>"
    source = SPLIT.replace(" {", f" {weight} {{", 1)
    partition, plan = planned(bench, source)
    _, copied = planned(bench, source, slice_views=False)

    at = offsets(plan, "whole")
    assert (at["l"] - at["a"], at["r"] - at["a"]) == (0, 128)
    assert (arena(plan, "whole").size_bytes, arena(copied, "whole").size_bytes) == (256, 512)
    assert replayed(partition, plan) == replayed(partition, copied) == ()


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps", "first"),
    [
        ("1", "3", "0", "1", 64),  # rows 1 and 2 of four rows of 64 bytes
        ("-2", "9223372036854775807", "0", "1", 128),
        ("0", "8", "1", "1", None),  # a part of each row is no run of bytes
        ("0", "4", "0", "2", None),  # every second row neither
    ],
)
def test_a_slice_is_a_view_where_its_bytes_are_in_a_row(
    bench: Any, starts: str, ends: str, axes: str, steps: str, first: int | None
) -> None:
    partition, plan = planned(
        bench,
        f"""net (float[4,16] x) => (float[N,M] y)
        <int64[1] s = {{{starts}}}, int64[1] e = {{{ends}}}, int64[1] k = {{{axes}}}, int64[1] t = {{{steps}}}>
        {{ a = Exp(x) b = Slice(a, s, e, k, t) c = Softmax(b) y = Neg(c) }}""",
    )

    at = offsets(plan, "whole")
    buffer = next(item for item in arena(plan, "whole").buffers if "b" in item.tensors)
    assert ("a" in buffer.tensors) == (first is not None)
    assert first is None or at["b"] - at["a"] == first
    assert replayed(partition, plan) == ()


def test_a_view_that_would_start_off_the_alignment_is_a_copy(bench: Any) -> None:
    source = """net (float[4,8] x) => (float[3,8] y)
        <int64[1] s = {1}, int64[1] e = {4}, int64[1] k = {0}> { a = Exp(x) b = Slice(a, s, e, k) y = Softmax(b) }"""
    _, narrow = planned(bench, source, alignment=64)  # row 1 starts at byte 32
    _, fits = planned(bench, source, alignment=32)

    assert [len(item.tensors) for item in arena(narrow, "whole").buffers] == [1, 1]
    assert [len(item.tensors) for item in arena(fits, "whole").buffers] == [2]


def test_a_transpose_is_free_where_it_moves_sizes_of_1_or_the_chip_reads_in_another_order(bench: Any) -> None:
    unit = "net (float[1,16,1,4] x) => (float[1,1,16,4] y) { a = Exp(x) b = Transpose<perm=[0,2,1,3]>(a) y = Softmax(b) }"
    turned = (
        "net (float[16,4] x) => (float[4,16] y) { a = Exp(x) b = Transpose<perm=[1,0]>(a) y = Softmax(b) }"
    )
    _, alias = planned(bench, unit)
    _, copied = planned(bench, turned)
    partition, free = planned(bench, turned, free_views=("Transpose",))

    assert [arena(plan, "whole").size_bytes for plan in (alias, copied, free)] == [256, 512, 256]
    assert (alias.turned, free.turned) == ((), ("b",))
    assert replayed(partition, free) == ()


def test_nothing_is_written_over_a_transposed_tensor(bench: Any) -> None:
    # b lies as a does: r in its place would have to be in a's order too
    partition, plan = planned(
        bench,
        "net (float[16,4] x) => (float[4,16] y) "
        "{ a = Exp(x) b = Transpose<perm=[1,0]>(a) r = Relu(b) y = Softmax(r) }",
        free_views=("Transpose",),
    )

    assert {item.tensors for item in arena(plan, "whole").buffers} == {("a", "b"), ("r",)}
    assert replayed(partition, plan) == ()


CHAIN = (
    "net (float[16] x) => (float[16] y) { a = Exp(x) b = Relu(a) c = Softmax(b) d = Tanh(c) y = Softmax(d) }"
)


def test_some_tensors_are_kept_and_the_others_are_not(bench: Any) -> None:
    # Without keep: (a, b) and (c, d) are 64 bytes each. With a kept it lies outside, and b has its own block.
    partition, plan = planned(bench, CHAIN, keep=("a", "x"))

    assert plan.kept == ("x", "a")
    assert {item.tensors for item in arena(plan, "whole").buffers} == {("b",), ("c", "d")}
    spans = {item.tensors: (item.first_step, item.end_step) for item in arena(plan, "shared").buffers}
    assert spans == {("x",): (0, 1), ("a",): (0, 1), ("y",): (0, 1)}
    assert replayed(partition, plan) == ()


def test_a_kept_tensor_is_not_overwritten_by_later_segments(bench: Any) -> None:
    first = f"{HEADER} a (float[16] x) => (float[16] h) {{ k = Exp(x) h = Softmax(k) }}"
    second = f"{HEADER} b (float[16] h) => (float[16] m) {{ m = Softmax(h) }}"
    third = f"{HEADER} c (float[16] m) => (float[16] y) {{ y = Softmax(m) }}"
    partition = bench.partition({"a": first, "b": second, "c": third}, inputs=["x"], outputs=["y"])

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams(keep=("k", "x")))

    spans = {item.tensors[0]: (item.first_step, item.end_step) for item in arena(plan, "shared").buffers}
    assert (spans["k"], spans["x"]) == ((0, 3), (0, 3))
    assert replayed(partition, plan) == ()


def test_a_held_output_has_a_slot_a_frame(bench: Any) -> None:
    partition, plan = planned(bench, CHAIN, hold_outputs={"y": 3})

    (ring,) = plan.state
    assert (ring.output, ring.input, ring.size_bytes, ring.offsets_bytes) == ("y", "", 64, (0, 64, 128))
    assert [ring.written(frame) for frame in range(4)] == [64, 128, 0, 64]
    assert plan.state_bytes == 192
    assert replayed(partition, plan, 6) == ()


def test_a_held_output_with_too_few_slots_is_seen_by_the_replay(bench: Any) -> None:
    partition, plan = planned(bench, CHAIN, hold_outputs={"y": 3})
    (ring,) = plan.state
    broken = dataclasses.replace(plan, state=(dataclasses.replace(ring, offsets_bytes=(0, 64, 64)),))

    assert any("an earlier y lost its value" in fault for fault in replayed(partition, broken, 6))


HISTORY = """net (float[16] x, float[16] p1, float[16] p2, float[16] p3)
    => (float[16] y, float[16] h, float[16] q1, float[16] q2) {
    s = Add(x, p1)
    t = Add(s, p3)
    u = Mul(t, p2)
    h = Tanh(u)
    y = Softmax(h)
    q1 = Identity(p1)
    q2 = Identity(p2)
}"""


def test_a_history_of_three_frames_is_one_ring_of_four_slots_without_copies(bench: Any) -> None:
    pairs = (StatePair("h", "p1"), StatePair("q1", "p2"), StatePair("q2", "p3"))
    partition, plan = planned(bench, HISTORY, state=pairs)

    assert {item.offsets_bytes for item in plan.state} == {(0, 64, 128, 192)}
    assert [(item.input, item.delay) for item in plan.state] == [("p1", 1), ("p2", 2), ("p3", 3)]
    # frame 4 writes slot 1 and reads the slots that frames 3, 2 and 1 wrote: 0, 3 and 2
    assert plan.state[0].written(4) == 64
    assert [item.read(4) for item in plan.state] == [0, 192, 128]
    assert plan.state_bytes == 256
    assert replayed(partition, plan, 9) == ()


def test_state_that_goes_in_a_circle_is_copied(bench: Any) -> None:
    pairs = (StatePair("q1", "p2"), StatePair("q2", "p1"))
    source = """net (float[16] x, float[16] p1, float[16] p2) => (float[16] y, float[16] q1, float[16] q2)
        { s = Add(p1, p2) y = Mul(s, x) q1 = Identity(p1) q2 = Identity(p2) }"""
    partition, plan = planned(bench, source, state=pairs)

    assert [item.offsets_bytes for item in plan.state] == [(0, 64), (128, 192)]
    assert replayed(partition, plan, 5) == ()


def test_a_state_whose_last_frames_stay_readable_has_more_slots(bench: Any) -> None:
    source = "net (float[16] x, float[16] p) => (float[16] h) { s = Add(x, p) h = Tanh(s) }"
    partition, plan = planned(bench, source, state=(StatePair("h", "p"),), history={"h": 4})

    assert plan.state[0].offsets_bytes == (0, 64, 128, 192, 256)
    assert replayed(partition, plan, 8) == ()


def test_nodes_that_may_run_at_once_never_share(bench: Any) -> None:
    # l3 lies in y's block. In the listed order two of the others live at a time, on two streams all five may.
    source = """net (float[16] x) => (float[16] y) {
        l1 = Softmax(x) l2 = Softmax(l1) l3 = Softmax(l2)
        r1 = Softmax(x) r2 = Softmax(r1) r3 = Softmax(r2)
        y = Add(l3, r3)
    }"""
    _, one = planned(bench, source)
    partition, two = planned(bench, source, parallel_nodes=True)

    assert arena(one, "whole").size_bytes == 64 * 2
    assert arena(two, "whole").size_bytes == 64 * 5
    assert replayed(partition, two) == ()


def test_on_several_streams_nothing_is_written_over_what_another_may_read(bench: Any) -> None:
    # c may run before b has read a, though it stands after it in the list
    source = "net (float[16] x) => (float[16] y) { a = Exp(x) b = Softmax(a) c = Relu(a) y = Add(b, c) }"
    _, one = planned(bench, source)
    _, two = planned(bench, source, parallel_nodes=True)

    assert ("a", "c") in {item.tensors for item in arena(one, "whole").buffers}
    assert ("a", "c") not in {item.tensors for item in arena(two, "whole").buffers}


def test_the_tensors_inside_a_body_have_scratch(bench: Any) -> None:
    # then: t1 and t2 live together, then t2 and t (the output): 2 x 64; else: e alone.
    source = """net (float[16] x, bool c) => (float[16] y) {
        a = Exp(x)
        b = If<then_branch = g1 () => (float[16] t) {
                 t1 = Softmax(a) t2 = Softmax(t1) t = Softmax(t2) },
               else_branch = g2 () => (float[16] e) { e = Abs(a) }>(c)
        y = Softmax(b)
    }"""
    partition, plan = planned(bench, source)

    blocks = {item.tensors[0]: item for item in arena(plan, "whole").buffers}
    scratch = blocks["b::bodies"]
    assert (scratch.size_bytes, scratch.first_step, scratch.end_step) == (128, 1, 2)
    assert arena(plan, "whole").size_bytes == 64 + 64 + 128
    assert replayed(partition, plan) == ()


def test_scratch_over_a_captured_tensor_is_seen_by_the_replay(bench: Any) -> None:
    source = """net (float[16] x, bool c) => (float[16] y) {
        a = Exp(x)
        b = If<then_branch = g1 () => (float[16] t) { t = Softmax(a) },
               else_branch = g2 () => (float[16] e) { e = Abs(a) }>(c)
        y = Softmax(b)
    }"""
    partition, plan = planned(bench, source)
    inner = arena(plan, "whole")
    moved = tuple(dataclasses.replace(item, offset_bytes=0) for item in inner.buffers)
    arenas = tuple(
        dataclasses.replace(item, buffers=moved) if item.owner == "whole" else item for item in plan.arenas
    )

    faults = replayed(partition, dataclasses.replace(plan, arenas=arenas))

    assert any("node b: a in whole at 0 no longer holds its value" in fault for fault in faults)


def test_a_result_is_written_where_the_user_says(bench: Any) -> None:
    source = "net (float[16] x) => (float[16] y) { a = Exp(x) b = Softmax(a) y = Softmax(b) }"
    partition, plan = planned(bench, source, overwrite={"b": "a"})

    assert [item.tensors for item in arena(plan, "whole").buffers] == [("a", "b")]
    assert replayed(partition, plan) == ()


@pytest.mark.parametrize(
    ("given", "body", "source"),
    [
        (
            "float[4,16] u) => (float[4,16] s, float[2,16] z",
            "p, q = Split<axis=0>(a, sizes) z = Mul(p, q)",
            "a",
        ),
        ("float[2,16] u) => (float[2,16] s, float[4,16] z", "p, q = Split<axis=0>(a, sizes) z = Neg(a)", "p"),
        (
            "float[4,16] u) => (float[4,16] s, float[8,16] z",
            "b = Neg(u) c = Concat<axis=0>(a, b) z = Exp(c)",
            "a",
        ),
        (
            "float[4,16] u) => (float[4,16] s, float[16,4] z",
            "r = Transpose<perm=[1,0]>(a) z = Softmax(r)",
            "a",
        ),
    ],
)
def test_what_is_written_over_is_nobody_elses_view(bench: Any, given: str, body: str, source: str) -> None:
    first, last = body.split(" z = ")
    text = f"""net (float[4,16] x, {given}) <int64[2] sizes = {{2, 2}}> {{
        a = Exp(x) {first} s = Add({source}, u) z = {last}
    }}"""

    partition, plan = planned(bench, text, free_views=("Transpose",), overwrite={"s": source}, order="given")

    (block,) = (item for item in arena(plan, "shared").buffers if "s" in item.tensors)
    assert block.tensors == (source, "s")
    assert block.inner_offsets_bytes == ()
    assert replayed(partition, plan) == ()
