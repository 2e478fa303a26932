"""Each layer's own error: the reference's layer, run on what the board gave it, beside what the board made.

The error of a dump adds up from the input on. A layer alone differs only by what it does itself. What 16-bit
floats would do to it is the measure: a layer far above that is wrong; where all stay near it, precision costs
that much.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from deploykit.align.compare import Options, open_pair
from deploykit.align.dump import Dump
from deploykit.align.result import ALONE, Diff
from deploykit.core.dtypes import element_type, numpy_dtype
from deploykit.core.errors import InputError, input_error
from deploykit.core.graph.extract import extract
from deploykit.core.graph.index import GraphIndex
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.runtime import open_session, run_session

Array = NDArray[Any]

FRAMES = 4
"""Frames that each layer runs on, spread over all."""

TIMES = 10.0
"""A layer is wrong if its own error is this many times what 16-bit floats cost it, above the noise ..."""

BESIDE = 5.0
"""... and this many times the other layers' median: 8 bits cost every layer more than 16-bit floats."""

LARGEST_BYTES = 1 << 30
"""Weights of one layer."""

AROUND = 2
"""Layers before and after a wrong one that are shown."""


@dataclass(frozen=True)
class LayerError:
    """One tensor: the relative error that it carries (`accumulated`), its layer's own (`alone`), and what
    16-bit floats cost that layer (`fp16`); None with the `reason` where it cannot be run by itself. `reads`
    are the dumped tensors that it is computed from, `op` the last operator."""

    tensor: str
    op: str
    reads: tuple[str, ...]
    accumulated: float
    alone: float | None = None
    fp16: float | None = None
    wrong: bool = False
    reason: str = ""


@dataclass(frozen=True)
class LayerNetwork:
    """The network of a reference dump; its tensors are known by their ONNX names, or by what a file name
    keeps of them."""

    model: OnnxModel
    name: str

    @cached_property
    def index(self) -> GraphIndex:
        """The graph's nodes by position."""
        return GraphIndex(self.model.proto.graph)

    @cached_property
    def _by_file_name(self) -> dict[str, str]:
        names = [*self.index.producer, *(value.name for value in self.model.proto.graph.input)]
        return {**{_as_file(name): name for name in names}, **{name: name for name in names}}

    def in_order(self, reference: Dump) -> Dump:
        """Give the reference with the order of its tensors, and what each is computed from.

        Raises:
            InputError: the network has none of the tensors.
        """
        known = {name: self._by_file_name[name] for name in reference.names if name in self._by_file_name}
        if not known:
            raise input_error(
                "--model", f"{self.name} has no tensor of {reference.label} ({reference.names[0]!r}, ...)"
            )
        back = {inner: name for name, inner in known.items()}
        at = {name: self.index.producer.get(inner, -1) for name, inner in known.items()}
        order = sorted(known, key=lambda name: at[name])
        inputs = {
            name: tuple(back[source] for source in self.region(known[name], set(back))[1] if source in back)
            for name in order
        }
        return replace(reference, order=tuple(order), inputs=reference.inputs or inputs)

    def region(self, tensor: str, known: set[str]) -> tuple[list[int], list[str]]:
        """Give the nodes between a tensor and the known ones before it, and what they read: known tensors,
        and inputs of the network."""
        nodes: set[int] = set()
        reads: dict[str, None] = {}
        waiting = [tensor]
        while waiting:
            name = waiting.pop()
            at = self.index.producer.get(name)
            if at is None or (name != tensor and name in known):
                if name != tensor and name not in self.index.weights:
                    reads[name] = None
            elif at not in nodes:
                nodes.add(at)
                waiting += self.index.reads[at]
        return sorted(nodes), list(reads)

    def with_layers(self, diff: Diff, reference: Dump, board: Dump, options: Options) -> Diff:
        """Give the result with each layer's own error, and the layers around the first that is wrong."""
        board_names = {
            self._by_file_name[item.name]: (item.name, item.board_name)
            for item in diff.tensors
            if item.status == "compared" and item.name in self._by_file_name
        }
        dumps = _Frames(reference, board, options, board_names)
        accumulated = {
            item.name: math.inf if item.measures["nonfinite"] else item.measures["relative_l2"]
            for item in diff.tensors
            if item.status == "compared"
        }
        layers = [
            self._layer(inner, accumulated[name], dumps)
            for inner, (name, _) in sorted(
                board_names.items(), key=lambda entry: self.index.producer.get(entry[0], -1)
            )
            if inner in self.index.producer
        ]
        layers = _judged(layers, options.noise)
        wrong = [layer for layer in layers if layer.wrong]
        own = {layer.tensor: layer.alone for layer in layers if layer.alone is not None}
        tensors = (
            replace(item, measures={**item.measures, ALONE: own[item.name]}) if item.name in own else item
            for item in diff.tensors
        )
        return replace(
            diff,
            tensors=tuple(tensors),
            layers=tuple(asdict(layer) for layer in layers),
            layers_verdict=_verdict(layers, wrong, options.noise),
            around=tuple(_around(layers, wrong[0])) if wrong else (),
        )

    def _layer(self, tensor: str, accumulated: float, dumps: _Frames) -> LayerError:
        nodes, reads = self.region(tensor, set(dumps.names))
        name, op = dumps.names[tensor][0], self.model.proto.graph.node[self.index.producer[tensor]].op_type
        made = LayerError(
            name, op, tuple(dumps.names[item][0] for item in reads if item in dumps.names), accumulated
        )
        missing = [item for item in reads if item not in dumps.names]
        if missing:
            return replace(made, reason=f"the board has not dumped {', '.join(missing[:3])}, which it reads")
        try:
            alone, fp16 = self._run(tensor, nodes, reads, dumps)
        except InputError as error:
            return replace(made, reason="; ".join(fault.what for fault in error.faults))
        return replace(made, alone=alone, fp16=fp16)

    def _run(
        self, tensor: str, nodes: Sequence[int], reads: Sequence[str], dumps: _Frames
    ) -> tuple[float, float]:
        """Run a layer on the board's inputs: relative error of the board's output, and of 16-bit floats."""
        part = extract(_typed(self.model, dumps.types(reads)), nodes, reads, [tensor], _as_file(tensor))
        proto = part.inlined(LARGEST_BYTES)
        if proto is None:
            raise input_error(tensor, f"its weights exceed {LARGEST_BYTES} bytes")
        exact = open_session(proto.SerializeToString(), name=tensor)
        halved = open_session(_halved(proto).SerializeToString(), name=tensor)
        board = fp16 = size = 0.0
        for frame in dumps.chosen(tensor):
            given = {name: dumps.board(name, frame) for name in reads}
            (wanted,) = run_session(exact, given, [tensor], name=tensor)
            (rough,) = run_session(halved, {k: _half(v) for k, v in given.items()}, [tensor], name=tensor)
            board += _squares(dumps.board(tensor, frame), wanted)
            fp16 += _squares(_half(rough), wanted)
            size += float((wanted.astype(numpy.float64) ** 2).sum())
        if not size:
            return (math.inf if board else 0.0), (math.inf if fp16 else 0.0)
        return math.sqrt(board / size), math.sqrt(fp16 / size)


@dataclass(frozen=True)
class _Frames:
    """Values of both dumps. `names`: ONNX name -> (reference's name, board's name)."""

    reference: Dump
    board_dump: Dump
    options: Options
    names: Mapping[str, tuple[str, str]]

    @cached_property
    def _opened(self) -> dict[str, Any]:
        return {}

    def _pair(self, name: str) -> Any:
        if name not in self._opened:
            self._opened[name] = open_pair(
                self.reference, self.board_dump, *self.names[name], options=self.options
            )
        return self._opened[name]

    def chosen(self, name: str) -> list[int]:
        """Choose frames, spread over those that the board has."""
        numbers = sorted(self._pair(name)[1].by_number)
        places = numpy.unique(numpy.linspace(0, len(numbers) - 1, min(FRAMES, len(numbers))).astype(int))
        return [numbers[int(place)] for place in places]

    def board(self, name: str, frame: int) -> Array:
        """Give the board's values in the network's own type."""
        ours, theirs = self._pair(name)
        if frame not in theirs.by_number:
            raise input_error(name, f"the board has no frame {frame} of it")
        kind = numpy_dtype(next(iter(ours.by_number.values())).dtype)
        values: Array = theirs.by_number[frame].whole().astype(kind)
        return values

    def types(self, names: Sequence[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Give type and shape of tensors, as the reference has them."""
        firsts = {name: next(iter(self._pair(name)[0].by_number.values())) for name in names}
        return {name: (tensor.dtype, tensor.shape) for name, tensor in firsts.items()}


def open_network(path: Path) -> LayerNetwork:
    """Read the reference's network.

    Raises:
        InputError: no such file, or a broken one.
    """
    model = normalise(load_model(path), freeze=False)
    infer_shapes(model)
    return LayerNetwork(model, path.name)


def _typed(model: OnnxModel, types: Mapping[str, tuple[str, tuple[int, ...]]]) -> OnnxModel:
    """Declare the tensors at which the network is cut, where inference does not know them."""
    graph = model.proto.graph
    known = {value.name for value in (*graph.value_info, *graph.input, *graph.output)}
    for name, (dtype, shape) in types.items():
        if name not in known:
            graph.value_info.append(helper.make_tensor_value_info(name, element_type(dtype), shape))
    return model


def _halved(proto: ModelProto) -> ModelProto:
    """Give the same layer with weights that 16-bit floats can hold."""
    made = ModelProto()
    made.CopyFrom(proto)
    for tensor in made.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(_half(numpy_helper.to_array(tensor)), tensor.name))
    return made


def _half(values: Array) -> Array:
    if values.dtype != numpy.float32:
        return values
    with numpy.errstate(over="ignore"):  # what 16-bit floats cannot hold is part of what they cost
        return values.astype(numpy.float16).astype(numpy.float32)


def _squares(a: Array, b: Array) -> float:
    with numpy.errstate(invalid="ignore", over="ignore"):  # NaN and infinity count as infinite
        total = float(((a.astype(numpy.float64) - b.astype(numpy.float64)) ** 2).sum())
    return total if math.isfinite(total) else math.inf


def _as_file(name: str) -> str:
    """Give what a file name keeps of a tensor's name."""
    return re.sub(r"[^\w.-]", "_", name)


def _judged(layers: Sequence[LayerError], noise: float) -> list[LayerError]:
    """Mark the layers that are wrong by themselves."""
    found = []
    for layer in layers:
        others = [other.alone for other in layers if other is not layer and other.alone is not None]
        usual = statistics.median(others) if others else 0.0
        limit = max(noise, TIMES * (layer.fp16 or 0.0), BESIDE * usual)
        found.append(replace(layer, wrong=layer.alone is not None and layer.alone > limit))
    return found


def _verdict(layers: Sequence[LayerError], wrong: Sequence[LayerError], noise: float) -> str:
    if wrong:
        first = wrong[0]
        return (
            f"{first.tensor} ({first.op}) is wrong by itself: its own error is {first.alone:.3g}, 16-bit "
            f"floats would cost {first.fp16:.3g}, and the other layers are far below"
        )
    if any(layer.accumulated > noise for layer in layers):
        return (
            "no layer is wrong by itself: errors add up, as precision costs, or stand in the inputs already"
        )
    return "no layer differs"


def _around(layers: Sequence[LayerError], centre: LayerError) -> list[str]:
    """Draw the layers before and after one, as lines of text."""
    by_name = {layer.tensor: layer for layer in layers}
    found: dict[str, int] = {centre.tensor: 0}
    for step in range(1, AROUND + 1):
        before = [name for name, at in found.items() if at == 1 - step and name in by_name]
        after = [name for name, at in found.items() if at == step - 1]
        for name in before:
            found.update({source: -step for source in by_name[name].reads if source not in found})
        for layer in layers:
            if any(source in after for source in layer.reads) and layer.tensor not in found:
                found[layer.tensor] = step
    lines = []
    for name, at in sorted(found.items(), key=lambda entry: entry[1]):
        shown = by_name.get(name)
        reads = f" reads {', '.join(shown.reads[:3])}" if shown is not None and shown.reads else ""
        lines.append(f"{' ' if at else '>'} {name} ({shown.op if shown is not None else 'input'}){reads}")
    return lines
