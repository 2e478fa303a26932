"""Random networks for the memory replay: views, results in place, state, bodies, several segments."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper

from deploykit.analysis.summary import summarise
from deploykit.artifacts.model import Partition, Segment, StatePair
from deploykit.artifacts.precision import PrecisionPlan, TensorPrecision
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.save import save_model
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.profile import ChipProfile, DramProfile, EngineProfile, OnChipProfile, Quantity
from deploykit.core.workspace import Workspace
from deploykit.stages.memory import MemoryParams

FRAMES = 4
_UNARY = ("Tanh", "Sigmoid", "Abs", "Neg", "Relu", "Identity")
_BINARY = ("Add", "Mul", "Sub", "Max")
_KINDS = (
    *("unary",) * 4,
    *("binary",) * 4,
    *("reshape", "concat", "concat", "slice", "split", "split", "turn", "softmax", "softmax", "body"),
)


@dataclass(frozen=True)
class Case:
    """A network, how it is stored and planned, and the data that it runs on."""

    partition: Partition
    precision: PrecisionPlan
    profile: ChipProfile
    params: MemoryParams
    frames: tuple[dict[str, NDArray[Any]], ...]


class _Builder:
    """Adds random nodes; every tensor's shape is known."""

    def __init__(self, pick: random.Random) -> None:
        self.pick = pick
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.nodes: list[NodeProto] = []
        self.weights: dict[str, list[int]] = {}

    def name(self) -> str:
        """Give a new tensor's name."""
        return f"t{len(self.shapes)}"

    def add(
        self, op: str, inputs: Sequence[str], shapes: Sequence[tuple[int, ...]], **attributes: Any
    ) -> str:
        """Add a node whose results have these shapes; gives the first one's name."""
        outputs = []
        for shape in shapes:
            name = self.name()
            self.shapes[name] = shape
            outputs.append(name)
        self.nodes.append(helper.make_node(op, list(inputs), outputs, **attributes))
        return outputs[0]

    def constant(self, values: list[int]) -> str:
        """Give the name of a weight with these whole numbers."""
        name = f"w{len(self.weights)}"
        self.weights[name] = values
        return name

    def like(self, name: str) -> str:
        """Give some tensor of the same shape."""
        return self.pick.choice([other for other, shape in self.shapes.items() if shape == self.shapes[name]])

    def grow(self, source: str) -> None:
        """Add one random node that reads a tensor."""
        shape = self.shapes[source]
        kind = self.pick.choice(_KINDS)
        if kind == "unary":
            self.add(self.pick.choice(_UNARY), [source], [shape])
        elif kind == "binary":
            self.add(self.pick.choice(_BINARY), [source, self.like(source)], [shape])
        elif kind == "reshape":
            flat = (1, int(numpy.prod(shape)))
            self.add("Reshape", [source, self.constant(list(flat))], [flat])
        elif kind == "concat":
            parts = [source, *(self.like(source) for _ in range(self.pick.randint(1, 2)))]
            if shape[1] * len(parts) * int(numpy.prod(shape[2:])) <= 1024:
                self.add("Concat", parts, [(1, shape[1] * len(parts), *shape[2:])], axis=1)
        elif kind == "slice" and shape[1] > 1:
            start = self.pick.randrange(shape[1] - 1)
            end = self.pick.randint(start + 1, shape[1])
            limits = [self.constant([value]) for value in (start, end, 1)]
            self.add("Slice", [source, *limits], [(1, end - start, *shape[2:])])
        elif kind == "split" and shape[1] % 2 == 0:
            half = (1, shape[1] // 2, *shape[2:])
            self.add("Split", [source, self.constant([half[1], half[1]])], [half, half], axis=1)
        elif kind == "turn":
            turned = (shape[0], *reversed(shape[1:]))
            order = [0, *range(len(shape) - 1, 0, -1)]
            self.add("Transpose", [source], [turned], perm=order)
        elif kind == "body":
            self._body(source)
        else:
            self.add("Softmax", [source], [shape], axis=-1)

    def _body(self, source: str) -> None:
        """Add an If whose branches read a tensor from outside."""
        shape = self.shapes[source]
        count = len(self.nodes)
        first = helper.make_node("ReduceMax", [source], [f"m{count}"], keepdims=0)
        test = helper.make_node("Greater", [f"m{count}", "zero"], [f"c{count}"])
        branches = []
        for branch, ops in (("yes", ("Tanh", "Neg", "Abs")), ("no", ("Sigmoid", "Neg", "Tanh"))):
            names = [source, *(f"{branch}{count}_{step}" for step in range(len(ops)))]
            inner = [
                helper.make_node(op, [a], [b]) for op, a, b in zip(ops, names[:-1], names[1:], strict=True)
            ]
            result = helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, shape)
            branches.append(helper.make_graph(inner, branch, [], [result]))
        self.nodes += [first, test]
        self.add("If", [f"c{count}"], [shape], then_branch=branches[0], else_branch=branches[1])


def random_case(seed: int, workspace: Workspace) -> Case:
    """Make a network of 4 to 18 nodes in one to three segments, with up to three states, and its options."""
    pick = random.Random(seed)
    builder = _Builder(pick)
    base = (1, pick.choice([2, 4, 8]), pick.choice([2, 4]), pick.choice([2, 4]))
    inputs = ["x", "u"][: pick.randint(1, 2)]
    states = [f"s{index}" for index in range(pick.choice([0, 0, 1, 1, 2, 3]))]
    builder.shapes.update(dict.fromkeys((*inputs, *states), base))
    size = pick.randint(4, 18)
    while len(builder.nodes) < size:
        recent = list(builder.shapes)[-6:]
        builder.grow(pick.choice(recent if pick.random() < 0.7 else list(builder.shapes)))
    pairs = []
    for index, name in enumerate(states):
        if index and pick.random() < 0.6:  # hand the state before on: a ring
            written = builder.add("Identity", [states[index - 1]], [base])
        else:
            written = builder.add("Tanh", [builder.like(name)], [base])
        pairs.append(StatePair(written, name))
    seen = {name for node in builder.nodes for name in _reads(node)}
    for name in (*inputs, *states):
        if name not in seen:
            builder.add("Neg", [name], [base])
    made = [name for name in builder.shapes if name.startswith("t")]
    free = [name for name in made if name not in {pair.output for pair in pairs}]
    ends = [free[-1], *pick.sample(free, min(pick.randint(0, 2), len(free)))]
    outputs = tuple(dict.fromkeys((*ends, *(pair.output for pair in pairs))))
    partition = _partition(builder, tuple(inputs), outputs, tuple(pairs), pick, workspace)
    return Case(
        partition,
        _precision(pick, partition),
        _profile(pick),
        _params(pick, outputs, tuple(pairs), [name for name in made if name in partition.tensor]),
        _frames(seed, inputs, base),
    )


def _params(
    pick: random.Random, outputs: Sequence[str], pairs: Sequence[StatePair], made: Sequence[str]
) -> MemoryParams:
    written = [pair.output for pair in pairs]
    plain = [name for name in outputs if name not in written]
    return MemoryParams(
        in_place=pick.random() < 0.9,
        concat_views=pick.random() < 0.9,
        slice_views=pick.random() < 0.9,
        search_nodes=100,
        keep=tuple(pick.sample(made, 1)) if pick.random() < 0.3 else (),
        hold_outputs={pick.choice(plain): pick.randint(1, 3)} if plain and pick.random() < 0.3 else {},
        history={pick.choice(written): pick.randint(1, 3)} if written and pick.random() < 0.3 else {},
        parallel_nodes=pick.random() < 0.2,
    )


def _profile(pick: random.Random) -> ChipProfile:
    views: Any = ("Transpose",) if pick.random() < 0.5 else ()
    engine = EngineProfile("npu", "npu", 1, {"w8a8": Quantity(1e12)}, ("*",), free_views=views)
    memory = OnChipProfile(Quantity(None), alignment_bytes=pick.choice([1, 4, 16, 64]))
    return ChipProfile("chip", "A chip", (engine,), "npu", DramProfile(Quantity(1e10)), memory)


def _precision(pick: random.Random, partition: Partition) -> PrecisionPlan:
    """Store all float tensors in one type: what is moved keeps its bytes."""
    dtype = pick.choice(["float", "float", "float16", "int8", "int16"])
    names = [name for name, info in partition.tensor.items() if info.dtype == "float" and not info.is_weight]
    return PrecisionPlan("net", (), tuple(TensorPrecision(name, dtype) for name in names))


def _frames(seed: int, inputs: Sequence[str], shape: Sequence[int]) -> tuple[dict[str, NDArray[Any]], ...]:
    generator = numpy.random.default_rng(seed)
    return tuple(
        {name: generator.standard_normal(shape).astype(numpy.float32) for name in inputs}
        for _ in range(FRAMES)
    )


def _partition(
    builder: _Builder,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    pairs: tuple[StatePair, ...],
    pick: random.Random,
    workspace: Workspace,
) -> Partition:
    """Cut the list of nodes at random places, not between an If and what it tests."""
    ends = [
        index + 1 for index, node in enumerate(builder.nodes) if node.op_type not in ("ReduceMax", "Greater")
    ]
    cuts = sorted({*pick.sample(ends, min(pick.randint(0, 2), len(ends))), len(builder.nodes)})
    every = (*inputs, *(pair.input for pair in pairs))
    segments, begin = [], 0
    for index, end in enumerate(cuts):
        if end > begin:
            segments.append(_segment(builder, f"part{index}", begin, end, outputs, workspace))
        begin = end
    return Partition("net", every, outputs, tuple(segments), pairs, None)


def _segment(
    builder: _Builder, name: str, begin: int, end: int, outputs: Sequence[str], workspace: Workspace
) -> Segment:
    inside = builder.nodes[begin:end]
    made = {output for node in inside for output in node.output}
    read = dict.fromkeys(item for node in inside for item in _reads(node))
    later = {item for node in builder.nodes[end:] for item in _reads(node)} | set(outputs)
    weights = [
        helper.make_tensor(weight, TensorProto.INT64, [len(values)], values)
        for weight, values in builder.weights.items()
        if weight in read
    ]
    weights.append(helper.make_tensor("zero", TensorProto.FLOAT, [], [0.1]))
    given = [item for item in read if item in builder.shapes and item not in made]
    gives = [item for item in builder.shapes if item in made and item in later]
    proto = _model(inside, given, gives or [inside[-1].output[0]], builder.shapes, weights)
    model = normalise(OnnxModel(proto, name))
    infer_shapes(model)
    with workspace.scratch() as folder:
        files = tuple(workspace.keep(file) for file in save_model(model, folder, name))
    return Segment(name, files, summarise(model), "npu", "made up")


def _reads(node: NodeProto) -> list[str]:
    inner = [item for attribute in node.attribute if attribute.HasField("g") for item in attribute.g.node]
    return [*node.input, *(name for item in inner for name in item.input)]


def _model(
    nodes: Sequence[NodeProto],
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
    weights: Sequence[TensorProto],
) -> ModelProto:
    def value(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name])

    graph = helper.make_graph(
        list(nodes), "net", [value(name) for name in inputs], [value(name) for name in outputs], list(weights)
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
