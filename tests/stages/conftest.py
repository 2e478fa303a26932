"""Small partitions, made from ONNX protobufs, for the tests of all stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper, parser

from deploykit.analysis.summary import summarise
from deploykit.artifacts.costs import CostReport, NodeCost, SchemeCost
from deploykit.artifacts.model import Partition, Segment, StatePair
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.save import save_model
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.profile import ChipProfile, DramProfile, EngineProfile, OnChipProfile, Quantity
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace


@dataclass(frozen=True)
class Bench:
    """A workspace in a temporary folder, and what stages read, made of small graphs."""

    workspace: Workspace

    def partition(
        self,
        segments: Mapping[str, str | ModelProto],
        *,
        inputs: Sequence[str],
        outputs: Sequence[str],
        state: Sequence[StatePair] = (),
    ) -> Partition:
        """Make a partition of the network "net" from segments as ONNX text or protobufs."""
        made = []
        for name, source in segments.items():
            proto = parser.parse_model(source) if isinstance(source, str) else source
            model = normalise(OnnxModel(proto, name))
            infer_shapes(model)
            with self.workspace.scratch() as folder:
                files = tuple(self.workspace.keep(file) for file in save_model(model, folder, name))
            made.append(Segment(name, files, summarise(model), "npu", "test"))
        return Partition("net", tuple(inputs), tuple(outputs), tuple(made), tuple(state), None)

    def model(self, text: str, **weights: NDArray[Any]) -> ModelProto:
        """Read ONNX text at opset 17, with these initializers besides those that stand in it."""
        proto = parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
        proto.graph.initializer.extend(
            numpy_helper.from_array(value, name) for name, value in weights.items()
        )
        return proto

    def whole(self, source: str | ModelProto, *, state: Sequence[StatePair] = ()) -> Partition:
        """Make a partition of one segment, "whole", with the graph's own inputs and outputs."""
        proto = parser.parse_model(source) if isinstance(source, str) else source
        weights = {tensor.name for tensor in proto.graph.initializer}
        inputs = [value.name for value in proto.graph.input if value.name not in weights]
        outputs = [value.name for value in proto.graph.output]
        return self.partition({"whole": proto}, inputs=inputs, outputs=outputs, state=state)

    def profile(self, *schemes: str) -> ChipProfile:
        """Make a chip with one engine for everything that has these schemes."""
        offered = schemes or ("w8a8", "float16")
        peaks = {scheme: Quantity(1e12, "test") for scheme in offered}
        engine = EngineProfile("npu", "npu", 1, peaks, ("*",))
        dram = DramProfile(Quantity(1e10, "test"))
        return ChipProfile("chip", "Test chip", (engine,), "npu", dram, OnChipProfile(Quantity(1e6, "test")))

    def costs(self, partition: Partition, *schemes: str) -> CostReport:
        """Make a cost report in which every node has these schemes, at no cost."""
        offers = tuple(
            SchemeCost(name, 0, 0, 0, 0.0, "memory", 0.0) for name in schemes or ("w8a8", "float16")
        )
        nodes = tuple(
            NodeCost(node.id, node.op, segment.name, "npu", 0, 0, 0, 0, 0, offers)
            for segment in partition.segments
            for node in segment.graph.nodes
        )
        return CostReport(partition.network, "chip", nodes, ())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a workbench in a temporary folder."""
    return Bench(Workspace(Store(tmp_path / ".deploykit")))


@pytest.fixture
def make_bench(tmp_path: Path) -> Callable[[int], Bench]:
    """Give a workbench with a number of workers."""
    return lambda workers: Bench(Workspace(Store(tmp_path / ".deploykit"), workers=workers))
