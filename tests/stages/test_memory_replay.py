"""A network that really runs inside its planned memory gives the same bits; a planted overlap does not."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy
import pytest

from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.memory_replay import MemoryReplay, ReplayRun
from deploykit.artifacts.model import Partition, StatePair
from deploykit.artifacts.precision import PrecisionPlan, TensorPrecision
from deploykit.core.errors import InputError
from deploykit.core.profile import Quantity
from deploykit.stages.memory import MemoryParams, plan_memory
from deploykit.stages.memory_replay import MemoryReplayParams, replay_memory
from deploykit.tasks.protocol import Clip

HEADER = '<ir_version: 8, opset_import: ["": 17]>'
OWN_TYPES = PrecisionPlan("net", (), ())

NETWORK = f"""{HEADER}
net (float[1,4,4,4] x, float[1,4,4,4] h0) => (float[1,8,4,4] y, float[1,4,4,4] h1, float[1,2,4,4] z)
<int64[2] sizes = {{2, 2}}> {{
    a = Exp(x)
    s = Add(a, h0)
    h1 = Tanh(s)
    l, r = Split<axis=1>(s, sizes)
    p = Mul(l, r)
    q = MaxPool<kernel_shape=[3,3], pads=[1,1,1,1]>(h1)
    z = Sigmoid(p)
    c = Concat<axis=1>(q, s)
    t = Transpose<perm=[0,1,3,2]>(c)
    y = Softmax<axis=3>(t)
}}"""
STATE = (StatePair("h1", "h0"),)


def profile_of(bench: Any, free_views: tuple[str, ...] = ()) -> Any:
    chip = bench.profile()
    memory = dataclasses.replace(chip.on_chip, size_bytes=Quantity(None), alignment_bytes=16)
    engine = dataclasses.replace(chip.engines[0], free_views=free_views)
    return dataclasses.replace(chip, on_chip=memory, engines=(engine,))


def clips(partition: Partition, frames: int = 3) -> list[Clip]:
    generator = numpy.random.default_rng(5)
    states = {pair.input for pair in partition.state}
    made = []
    for _ in range(frames):
        shapes = {name: partition.tensor[name].shape for name in partition.inputs if name not in states}
        made.append(
            {
                name: generator.standard_normal([int(dim or 0) for dim in shape or ()]).astype(numpy.float32)
                for name, shape in shapes.items()
            }
        )
    return [Clip("clip", tuple(made))]


def answered(
    bench: Any, partition: Partition, memory: MemoryPlan, plan: PrecisionPlan = OWN_TYPES, frames: int = 3
) -> MemoryReplay:
    return replay_memory(
        partition,
        plan,
        memory,
        clips(partition),
        params=MemoryReplayParams(frames),
        workspace=bench.workspace,
    )


def proved(bench: Any, partition: Partition, plan: PrecisionPlan, memory: MemoryPlan) -> ReplayRun:
    (run,) = answered(bench, partition, memory, plan).runs
    return run


def planned(
    bench: Any, plan: PrecisionPlan = OWN_TYPES, views: tuple[str, ...] = (), **options: Any
) -> tuple[Partition, MemoryPlan]:
    partition = bench.whole(NETWORK, state=STATE)
    return partition, plan_memory(
        partition, plan, profile=profile_of(bench, views), params=MemoryParams(**options)
    )


def test_in_its_own_types_it_gives_the_bits_of_whole_segments(bench: Any) -> None:
    partition, memory = planned(bench)

    run = proved(bench, partition, OWN_TYPES, memory)

    assert (run.values, run.frames, run.bit_equal, run.fault_count, run.skipped) == ("own", 3, True, 0, ())
    # x, a and h0, s, s, l and r, h1, p, q and s, c, t: 13 reads, h0 also at the start: 14; over 3 frames 42
    assert run.reads == 42
    assert run.outputs == 9


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int4", "float16"])
def test_in_the_types_that_the_plan_stores(bench: Any, dtype: str) -> None:
    names = ("x", "h0", "a", "s", "h1", "l", "r", "p", "q", "z", "c", "t", "y")
    plan = PrecisionPlan("net", (), tuple(TensorPrecision(name, dtype) for name in names))
    partition, memory = planned(bench, plan)

    run = proved(bench, partition, plan, memory)

    assert (run.values, run.bit_equal, run.faults) == ("stored", True, ())


def test_a_free_transpose_and_kept_and_held_tensors_run_too(bench: Any) -> None:
    partition, memory = planned(bench, views=("Transpose",), keep=("a", "p"), hold_outputs={"y": 2})

    run = proved(bench, partition, OWN_TYPES, memory)

    assert memory.turned == ("t",)
    assert (run.bit_equal, run.faults) == (True, ())


def moved(memory: MemoryPlan, name: str, onto: str) -> MemoryPlan:
    """Put the block of one tensor onto that of another."""
    arenas = []
    for arena in memory.arenas:
        at = {tensor: item.offset_bytes for item in arena.buffers for tensor in item.tensors}
        buffers = tuple(
            dataclasses.replace(item, offset_bytes=at[onto]) if name in item.tensors and onto in at else item
            for item in arena.buffers
        )
        size = max((item.offset_bytes + item.size_bytes for item in buffers), default=0)
        arenas.append(dataclasses.replace(arena, buffers=buffers, size_bytes=max(size, arena.size_bytes)))
    return dataclasses.replace(memory, arenas=tuple(arenas))


def test_a_planted_overlap_changes_the_outputs_and_is_named(bench: Any) -> None:
    partition, memory = planned(bench, in_place=False, concat_views=False, slice_views=False)

    run = proved(bench, partition, OWN_TYPES, moved(memory, "q", "s"))  # s is read by the Concat after q

    assert not run.bit_equal
    assert run.faults[0].startswith("frame 0, segment whole, node q") or "no longer holds" in run.faults[0]
    assert any("node c: s in whole" in fault for fault in run.faults)


def test_a_tensor_without_a_place_is_named(bench: Any) -> None:
    partition, memory = planned(bench, in_place=False)
    arenas = tuple(
        dataclasses.replace(arena, buffers=tuple(item for item in arena.buffers if "p" not in item.tensors))
        for arena in memory.arenas
    )

    run = proved(bench, partition, OWN_TYPES, dataclasses.replace(memory, arenas=arenas))

    assert run.faults == ("p has no place in the plan",)


def test_blocks_that_do_not_hold_what_lies_in_them_are_named(bench: Any) -> None:
    partition, memory = planned(bench)
    arenas = tuple(
        dataclasses.replace(item, size_bytes=item.size_bytes - 16) if item.owner == "whole" else item
        for item in memory.arenas
    )

    small = proved(bench, partition, OWN_TYPES, dataclasses.replace(memory, arenas=arenas))
    state = proved(bench, partition, OWN_TYPES, dataclasses.replace(memory, state_bytes=496))

    assert any(" bytes of whole" in fault for fault in small.faults)
    # two halves of 64 floats
    assert state.faults == ("h1 lies at 0 to 512 of the 496 bytes of state",)


def test_one_half_for_a_state_is_named(bench: Any) -> None:
    source = f"""{HEADER} net (float[8] x, float[8] h0) => (float[8] y, float[8] h1)
        {{ s = Add(x, h0) h1 = Tanh(s) y = Mul(h1, h0) }}"""
    other = bench.whole(source, state=STATE)
    good = plan_memory(other, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())
    bad = dataclasses.replace(good, state=(dataclasses.replace(good.state[0], offsets_bytes=(0, 0)),))

    assert proved(bench, other, OWN_TYPES, good).bit_equal
    run = proved(bench, other, OWN_TYPES, bad)
    assert (run.bit_equal, "node y: h0 in state at 0 no longer holds its value" in run.faults[0]) == (
        False,
        True,
    )


def test_bodies_run_inside_the_plan(bench: Any) -> None:
    partition = bench.whole(
        f"""{HEADER} net (float[16] x) => (float[16] y) <float zero = {{0}}> {{
            a = Exp(x)
            s = ReduceSum<keepdims=0>(x)
            c = Greater(s, zero)
            b = If<then_branch = g1 () => (float[16] t) {{ t1 = Softmax(a) t = Neg(t1) }},
                   else_branch = g2 () => (float[16] e) {{ e = Abs(a) }}>(c)
            y = Add(b, a)
        }}"""
    )
    memory = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    run = proved(bench, partition, OWN_TYPES, memory)

    assert (run.bit_equal, run.faults) == (True, ())


def test_sizes_that_depend_on_data_run_in_the_room_of_their_bound(bench: Any) -> None:
    partition = bench.whole(
        f"{HEADER} net (float[4,4] x) => (int64[2,K] y) {{ r = Relu(x) a = NonZero(r) b = Neg(a) y = Abs(b) }}"
    )
    memory = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    run = proved(bench, partition, OWN_TYPES, memory)

    assert (run.bit_equal, run.faults, run.skipped) == (True, (), ())


def test_sizes_that_only_an_option_tells_are_left_out_of_the_proof_and_named(bench: Any) -> None:
    source = "r = Relu(x) n = NonZero(r) f = Cast<to=1>(n) m = Transpose(f) y = ReduceSum<keepdims=0>(m)"
    partition = bench.whole(f"{HEADER} net (float[4,4] x) => (float y) {{ {source} }}")
    unknown = [dataclasses.replace(info, upper_bound=None) for info in partition.segments[0].graph.tensors]
    graph = dataclasses.replace(partition.segments[0].graph, tensors=tuple(unknown))
    segment = dataclasses.replace(partition.segments[0], graph=graph)
    partition = dataclasses.replace(partition, segments=(segment,))
    bounds: dict[str, tuple[int, ...]] = {"n": (2, 16), "f": (2, 16), "m": (16, 2)}
    memory = plan_memory(
        partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams(upper_bounds=bounds)
    )

    answer = answered(bench, partition, memory)

    assert memory.unsized == ()
    assert answer.runs[0].skipped == ("n", "f", "m")
    assert answer.notices == ("3 tensors of unknown size were run outside the planned memory (n, f, m)",)


def test_a_network_with_sequences_is_not_proved_and_says_so(bench: Any) -> None:
    partition = bench.whole(
        f"""{HEADER} net (float[4,4] x) => (float[4,4] y) {{
            s = SplitToSequence<axis=0>(x) a = ConcatFromSequence<axis=0>(s) y = Relu(a)
        }}"""
    )
    memory = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    answer = answered(bench, partition, memory)

    assert answer.runs == ()
    assert answer.notices[0].startswith(
        "the memory plan was not proved by execution, as a node cannot run alone:"
    )


def test_no_frames_leave_it_out_with_a_notice_and_fewer_are_an_error(bench: Any) -> None:
    partition, memory = planned(bench)

    left_out = answered(bench, partition, memory, frames=0)
    assert left_out.notices == ("the memory plan was not proved by execution: memory_replay.frames is 0",)
    with pytest.raises(InputError, match="-1 frames; give 0"):
        answered(bench, partition, memory, frames=-1)
