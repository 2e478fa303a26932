"""Every plan replays bit for bit; sizes and placements are worked out by hand."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from deploykit.analysis.memory_replay import Replay, made_up_frames, replay
from deploykit.analysis.stored import stored_tensors
from deploykit.artifacts.memory import Arena, MemoryPlan
from deploykit.artifacts.model import Partition, SharedWeight, StatePair
from deploykit.artifacts.precision import NodePrecision, PrecisionPlan, TensorPrecision
from deploykit.core.errors import InputError
from deploykit.core.profile import Quantity
from deploykit.stages.memory import MemoryParams, plan_memory
from deploykit.toolchains.replay import recorded_frames

HEADER = '<ir_version: 8, opset_import: ["": 17]>'
OWN_TYPES = PrecisionPlan("net", (), ())

BRANCHES = f"""{HEADER}
net (float[1,4,4,4] x) => (float[1,12,4,4] y, float[1,64] z)
<float[4,4,1,1] w> {{
    a = Conv(x, w)
    p = Relu(a)
    q = Sigmoid(a)
    r = MaxPool<kernel_shape=[3,3], pads=[1,1,1,1]>(p)
    cat = Concat<axis=1>(p, q, r)
    y = Neg(cat)
    f = Flatten(q)
    g = Mul(f, f)
    z = Softmax(g)
}}"""


def profile_of(bench: Any, on_chip_bytes: float | None = None, alignment: int = 64) -> Any:
    chip = bench.profile()
    memory = dataclasses.replace(
        chip.on_chip, size_bytes=Quantity(on_chip_bytes, "test"), alignment_bytes=alignment
    )
    return dataclasses.replace(chip, on_chip=memory)


def shape_of(partition: Partition, name: str) -> list[int]:
    return [dim for dim in partition.tensor[name].shape or () if isinstance(dim, int)]


def random_frames(partition: Partition, count: int) -> list[dict[str, NDArray[Any]]]:
    generator = numpy.random.default_rng(7)
    states = {pair.input for pair in partition.state}
    return [
        {
            name: generator.standard_normal(shape_of(partition, name)).astype(numpy.float32)
            for name in partition.inputs
            if name not in states
        }
        for _ in range(count)
    ]


def replay_real(bench: Any, partition: Partition, plan: MemoryPlan, count: int = 2) -> Replay:
    with bench.workspace.scratch() as folder:
        recorded = recorded_frames(partition, bench.workspace, random_frames(partition, count), folder)
        return replay(partition, plan, list(recorded))


def arena(plan: MemoryPlan, owner: str) -> Arena:
    return next(arena for arena in plan.arenas if arena.owner == owner)


def chain(bench: Any) -> Partition:
    proto = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Exp", ["x"], ["a"]),
                helper.make_node("Relu", ["a"], ["b"]),
                helper.make_node("MatMul", ["b", "w"], ["c"]),
                helper.make_node("Add", ["c", "b"], ["d"]),
                helper.make_node("Softmax", ["d"], ["y"]),
            ],
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16])],
            [helper.make_tensor("w", TensorProto.FLOAT, [16, 16], [0.125] * 256)],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return bench.whole(proto)  # type: ignore[no-any-return]  # the bench is a fixture of type Any


def test_a_chain_takes_two_blocks(bench: Any) -> None:
    # Each activation is 64 bytes. b takes a's place; d takes that of c or b; so two blocks live at once: 128.
    partition = chain(bench)

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    inner = arena(plan, "whole")
    assert {buffer.tensors for buffer in inner.buffers} == {("a", "b"), ("c", "d")}
    assert (inner.size_bytes, inner.bound.lower_bound, inner.unplanned_bytes) == (128, 128, 256)
    assert arena(plan, "shared").size_bytes == 128  # x and y
    assert plan.weight_bytes == 16 * 16 * 4
    assert replay_real(bench, partition, plan).faults == ()


def test_without_in_place_results_a_chain_takes_three(bench: Any) -> None:
    params = MemoryParams(in_place=False)

    plan = plan_memory(chain(bench), OWN_TYPES, profile=profile_of(bench), params=params)

    assert arena(plan, "whole").size_bytes == 192  # b, c and d at the Add


def test_sizes_follow_the_stored_types_and_the_alignment(bench: Any) -> None:
    # 16 int8 values are 16 bytes, at an alignment of 32 they take 32; float16 weights take half.
    types = tuple(TensorPrecision(name, "int8") for name in "abcd")
    nodes = tuple(NodePrecision(node, "float16", "test") for node in "abcdy")
    plan = plan_memory(
        chain(bench),
        PrecisionPlan("net", nodes, types),
        profile=profile_of(bench, alignment=32),
        params=MemoryParams(),
    )

    assert arena(plan, "whole").size_bytes == 64
    assert plan.weight_bytes == 16 * 16 * 2


def test_packed_values_below_a_byte_round_up(bench: Any) -> None:
    partition = bench.whole(f"{HEADER} net (float[5] x) => (float[5] y) {{ a = Exp(x) y = Neg(a) }}")
    types = (TensorPrecision("a", "int4"),)
    params = MemoryParams(alignment_bytes=1)

    plan = plan_memory(partition, PrecisionPlan("net", (), types), profile=profile_of(bench), params=params)

    assert arena(plan, "whole").size_bytes == 3


def test_a_concat_on_the_outermost_axis_is_written_in_place_by_its_inputs(bench: Any) -> None:
    partition = bench.whole(
        f"""{HEADER}
        net (float[1,4,8,8] x) => (float[1,8,8,8] y) {{
            a = Exp(x)
            b = Sqrt(x)
            c = Concat<axis=1>(a, b)
            y = Softmax(c)
        }}"""
    )
    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())
    apart = plan_memory(
        partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams(concat_views=False)
    )

    (buffer,) = arena(plan, "whole").buffers
    assert dict(zip(buffer.tensors, buffer.inner_offsets_bytes, strict=True)) == {"a": 0, "b": 1024, "c": 0}
    assert (arena(plan, "whole").size_bytes, arena(apart, "whole").size_bytes) == (2048, 4096)
    assert replay_real(bench, partition, plan).faults == ()


def test_branches_with_views_and_aliases_replay(bench: Any) -> None:
    source = BRANCHES.replace("<float[4,4,1,1] w>", "<float[4,4,1,1] w = {" + ", ".join(["0.5"] * 16) + "}>")
    partition = bench.whole(source)

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    seen = replay_real(bench, partition, plan)
    assert seen.faults == ()
    assert seen.skipped == ()
    assert seen.reads > 10


@pytest.mark.parametrize(
    "body",
    [
        # a can lie in one Concat's output only, as b and d would lie on each other
        "a = Exp(x) b = Sqrt(x) d = Tanh(x) c = Concat<axis=0>(a, b) e = Concat<axis=0>(a, d)"
        " f = Mul(c, e) y = Softmax(f) z = Neg(x)",
        # z leaves the segment, so that it can't have the place of a, which is a part of c
        "a = Exp(x) b = Sqrt(x) c = Concat<axis=0>(a, b) z = Identity(a) y = Softmax(c)",
        # the same through an elementwise operator, after the Concat was read
        "a = Exp(x) b = Sqrt(x) c = Concat<axis=0>(a, b) y = Softmax(c) z = Tanh(a)",
    ],
)
def test_views_that_would_get_in_each_others_way_are_copies(bench: Any, body: str) -> None:
    partition = bench.whole(f"{HEADER} net (float[16] x) => (float[32] y, float[16] z) {{ {body} }}")

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    assert arena(plan, "whole").buffers[0].inner_offsets_bytes  # there is a view
    assert replay_real(bench, partition, plan).faults == ()


def two_frames_of_state(bench: Any) -> Partition:
    state = (StatePair("h1", "h0"),)
    source = f"""{HEADER}
    net (float[4,8] x, float[4,8] h0) => (float[4,8] y, float[4,8] h1) {{
        s = Add(x, h0)
        h1 = Tanh(s)
        y = Mul(h1, h0)
    }}"""
    return bench.whole(source, state=state)  # type: ignore[no-any-return]  # the bench is a fixture of type Any


def test_state_has_two_halves_and_nobody_else_in_them(bench: Any) -> None:
    partition = two_frames_of_state(bench)

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    (buffers,) = plan.state
    assert (buffers.size_bytes, buffers.offsets_bytes, plan.state_bytes) == (128, (0, 128), 256)
    placed = {name for arena in plan.arenas for buffer in arena.buffers for name in buffer.tensors}
    assert placed == {"x", "s", "y"}
    assert replay_real(bench, partition, plan, count=4).faults == ()


def test_one_half_would_be_seen_by_the_replay(bench: Any) -> None:
    partition = two_frames_of_state(bench)
    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())
    single = dataclasses.replace(plan, state=(dataclasses.replace(plan.state[0], offsets_bytes=(0, 0)),))

    faults = replay_real(bench, partition, single).faults

    assert any("node y: h0 in state at 0 no longer holds its value" in fault for fault in faults)


def test_a_block_that_ends_too_early_would_be_seen_by_the_replay(bench: Any) -> None:
    partition = chain(bench)
    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())
    inner = arena(plan, "whole")
    cut = tuple(
        dataclasses.replace(buffer, end_step=buffer.end_step - 1) if "b" in buffer.tensors else buffer
        for buffer in inner.buffers
    )
    others = tuple(item for item in plan.arenas if item.owner != "whole")
    broken = dataclasses.replace(plan, arenas=(dataclasses.replace(inner, buffers=cut), *others))

    assert any("node d: b in whole" in fault for fault in replay_real(bench, partition, broken).faults)


def three_segments(bench: Any) -> Partition:
    first = f"{HEADER} a (float[16] x) => (float[16] h, float[16] k) {{ h = Exp(x) k = Neg(h) }}"
    second = f"{HEADER} b (float[16] h) => (float[16] m) {{ i = Relu(h) m = Softmax(i) }}"
    third = f"{HEADER} c (float[16] m, float[16] k) => (float[16] y) {{ n = Add(m, k) y = Tanh(n) }}"
    return bench.partition(  # type: ignore[no-any-return]  # the bench is a fixture of type Any
        {"first": first, "second": second, "third": third}, inputs=["x"], outputs=["y"]
    )


def test_the_shared_block_reuses_what_no_later_segment_needs(bench: Any) -> None:
    # x [0, 1), h [0, 2), k [0, 3), m [1, 3), y [2, 3), each 64 bytes. At most three live at once.
    partition = three_segments(bench)

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    shared = arena(plan, "shared")
    spans = {buffer.tensors[0]: (buffer.first_step, buffer.end_step) for buffer in shared.buffers}
    assert (spans["x"], spans["h"], spans["k"]) == ((0, 1), (0, 2), (0, 3))
    assert shared.size_bytes == shared.bound.lower_bound == 192
    assert replay_real(bench, partition, plan).faults == ()


def test_segments_in_either_order_share_nothing(bench: Any) -> None:
    # left and right read h and don't wait for each other: neither may write where the other reads.
    partition = bench.partition(
        {
            "first": f"{HEADER} a (float[16] x) => (float[16] h) {{ h = Exp(x) }}",
            "left": f"{HEADER} b (float[16] h) => (float[16] l) {{ l = Softmax(h) }}",
            "right": f"{HEADER} c (float[16] h) => (float[16] r) {{ r = Tanh(h) }}",
            "last": f"{HEADER} d (float[16] l, float[16] r) => (float[16] y) {{ y = Add(l, r) }}",
        },
        inputs=["x"],
        outputs=["y"],
    )

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    spans = {b.tensors[0]: (b.first_step, b.end_step) for b in arena(plan, "shared").buffers}
    assert spans == {"x": (0, 1), "h": (0, 3), "l": (1, 4), "r": (1, 4), "y": (3, 4)}


def test_outputs_that_are_one_value_twice_have_a_block_each(bench: Any) -> None:
    partition = bench.whole(
        f"{HEADER} net (float[16] x) => (float[16] y0, float[16] y1, float[16] y2) {{"
        " r = Exp(x) y0 = Identity(x) y1 = Identity(r) y2 = Identity(r) }"
    )

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    assert sorted(buffer.tensors for buffer in arena(plan, "shared").buffers) == [
        ("r", "y1"),
        ("x",),
        ("y0",),
        ("y2",),
    ]
    assert replay_real(bench, partition, plan).faults == ()


def test_what_a_body_reads_is_never_overwritten(bench: Any) -> None:
    # Without the If, h would have the place of a, and z that of h.
    partition = bench.whole(
        f"""{HEADER}
        net (float[16] x, bool c) => (float[16] y, float[16] z) {{
            a = Exp(x)
            h = Relu(a)
            y = If<then_branch = g1 () => (float[16] t) {{ t = Neg(h) }},
                   else_branch = g2 () => (float[16] e) {{ e = Abs(a) }}>(c)
            z = Tanh(h)
        }}"""
    )

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    spans = {b.tensors: (b.first_step, b.end_step) for b in arena(plan, "whole").buffers}
    assert spans == {("a",): (0, 3), ("h",): (1, 4), ("y::bodies",): (2, 3)}
    assert any("1 nodes have bodies (y)" in notice for notice in plan.notices)


def test_blocks_go_on_the_chip_by_the_traffic_that_they_save(bench: Any) -> None:
    # The arena needs 128 bytes and the shared block 128. 256 bytes hold both; 192 hold either: the arena's
    # four tensors (64 bytes each, written once, read 1 + 2 + 1 + 1 times) move 576 bytes, x and y 192.
    partition = chain(bench)
    places = [
        dict(
            plan_memory(
                partition, OWN_TYPES, profile=profile_of(bench, size), params=MemoryParams()
            ).placement
        )
        for size in (256, 192, 100)
    ]

    assert places == [
        {"whole": "sram", "shared": "sram"},
        {"whole": "sram", "shared": "dram"},
        {"whole": "dram", "shared": "dram"},
    ]


def test_an_unknown_on_chip_size_means_dram_and_says_so(bench: Any) -> None:
    plan = plan_memory(chain(bench), OWN_TYPES, profile=profile_of(bench, None), params=MemoryParams())

    assert {place for _, place in plan.placement} == {"dram"}
    assert "gives no on-chip memory size" in plan.notices[0]


def test_segments_of_another_engine_have_no_on_chip_memory(bench: Any) -> None:
    partition = chain(bench)
    elsewhere = tuple(dataclasses.replace(segment, engine="cpu") for segment in partition.segments)
    moved = dataclasses.replace(partition, segments=elsewhere)

    plan = plan_memory(moved, OWN_TYPES, profile=profile_of(bench, 1e6), params=MemoryParams())

    assert dict(plan.placement) == {"whole": "dram", "shared": "sram"}


def test_unknown_sizes_are_left_out_and_named(bench: Any) -> None:
    partition = bench.whole(f"{HEADER} net (float[N,4] x) => (float[N,4] y) {{ a = Exp(x) y = Softmax(a) }}")

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    assert plan.unsized == ("x", "a", "y")
    assert "3 tensors have no known size" in plan.notices[-1]


def test_data_dependent_sizes_count_at_their_upper_bound(bench: Any) -> None:
    partition = bench.whole(f"{HEADER} net (float[4,4] x) => (int64[2,K] y) {{ a = NonZero(x) y = Abs(a) }}")
    segment = partition.segments[0]
    tensors = tuple(
        dataclasses.replace(info, upper_bound=(2, 16)) if info.name in "ay" else info
        for info in segment.graph.tensors
    )
    graph = dataclasses.replace(segment.graph, tensors=tensors)
    bounded = dataclasses.replace(partition, segments=(dataclasses.replace(segment, graph=graph),))

    plan = plan_memory(bounded, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    assert plan.unsized == ()
    assert arena(plan, "shared").size_bytes == 64 + 2 * 16 * 8  # y with a in its place
    assert replay_real(bench, bounded, plan).faults == ()


def test_a_weight_of_two_segments_counts_once(bench: Any) -> None:
    values = ", ".join(["1"] * 16)
    weighted = "<float[16] w = {" + values + "}>"
    partition = bench.partition(
        {
            "first": f"{HEADER} a (float[16] x) => (float[16] h) {weighted} {{ h = Mul(x, w) }}",
            "last": f"{HEADER} b (float[16] h) => (float[16] y) {weighted} {{ y = Add(h, w) }}",
        },
        inputs=["x"],
        outputs=["y"],
    )
    partition = dataclasses.replace(partition, shared_weights=(SharedWeight("w", 64, ("first", "last")),))

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())

    assert plan.weight_bytes == 64


def test_a_segment_may_not_be_called_shared(bench: Any) -> None:
    partition = bench.partition(
        {"shared": f"{HEADER} a (float[16] x) => (float[16] y) {{ y = Exp(x) }}"}, inputs=["x"], outputs=["y"]
    )

    with pytest.raises(InputError, match="rename the segment"):
        plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams())


def random_network(seed: int) -> ModelProto:
    """Make a graph of operators that alias, overwrite, join and branch, with some outputs read further on."""
    pick = random.Random(seed)
    shapes: dict[str, list[int]] = {"x": [1, 4, 4, 4], "u": [1, 4, 4, 4]}
    nodes = []
    for number in range(pick.randint(4, 14)):
        source = pick.choice(list(shapes))
        name, shape = f"t{number}", shapes[source]
        kind = pick.choice(["unary", "unary", "binary", "binary", "flatten", "concat", "pool"])
        same = [other for other in shapes if shapes[other] == shape]
        if kind == "unary":
            nodes.append(helper.make_node(pick.choice(["Tanh", "Relu", "Identity"]), [source], [name]))
            shapes[name] = shape
        elif kind == "binary":
            nodes.append(helper.make_node(pick.choice(["Add", "Max"]), [source, pick.choice(same)], [name]))
            shapes[name] = shape
        elif kind == "flatten":
            nodes.append(helper.make_node("Flatten", [source], [name]))
            shapes[name] = [1, int(numpy.prod(shape))]
        elif kind == "concat":
            joined = [source, *pick.sample(same, pick.randint(1, min(2, len(same))))]
            nodes.append(helper.make_node("Concat", joined, [name], axis=1))
            shapes[name] = [1, shape[1] * len(joined), *shape[2:]]
        else:
            nodes.append(helper.make_node("Softmax", [source], [name]))
            shapes[name] = shape
    made = [name for name in shapes if name.startswith("t")]
    outputs = dict.fromkeys([made[-1], *pick.sample(made, pick.randint(0, 2))])

    def value(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name])

    graph = helper.make_graph(nodes, "net", [value("x"), value("u")], [value(name) for name in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("seed", range(40))
def test_random_networks_replay_bit_for_bit(bench: Any, seed: int) -> None:
    partition = bench.whole(random_network(seed))

    plan = plan_memory(partition, OWN_TYPES, profile=profile_of(bench), params=MemoryParams(search_nodes=200))

    seen = replay_real(bench, partition, plan)
    assert seen.faults == ()
    assert seen.skipped == ()


@pytest.mark.parametrize("seed", range(40, 80))
def test_random_plans_in_eight_bits_keep_made_up_values(bench: Any, seed: int) -> None:
    partition = bench.whole(random_network(seed))
    types = tuple(TensorPrecision(name, "int8") for name in partition.tensor)
    precision = PrecisionPlan("net", (), types)

    plan = plan_memory(partition, precision, profile=profile_of(bench, alignment=16), params=MemoryParams())

    stored, _ = stored_tensors(partition, precision)
    assert replay(partition, plan, made_up_frames(partition, stored, 2)).faults == ()
