"""A split bench: models as ONNX text in, `Partition` out, on a chip of few operators."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from onnx import ModelProto, parser

from deploykit.artifacts.model import Model, Partition
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.profile import ChipProfile, DramProfile, EngineProfile, OnChipProfile, Quantity
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.export import ExportParams, export_model
from deploykit.stages.split import SplitParams, split_model
from deploykit.tasks.protocol import Clip

HEAD = '<ir_version: 8, opset_import: ["" : 17, "edge.ops" : 1]>'


@dataclasses.dataclass(frozen=True)
class SplitBench:
    """A folder with a store. Models are exported without simplifying, so that every node of the text is there."""

    folder: Path
    workspace: Workspace
    profile: ChipProfile

    def model(self, source: str | ModelProto | Path, **options: Any) -> Model:
        """Export a model."""
        path = source if isinstance(source, Path) else self.folder / "source.onnx"
        if not isinstance(source, Path):
            proto = parser.parse_model(f"{HEAD} {source}") if isinstance(source, str) else source
            path.write_bytes(proto.SerializeToString())
        params = ExportParams(**{"proof_frames": 1, "simplify": False, **options})
        return export_model(path, (), network="net", params=params, workspace=self.workspace)

    def split(
        self,
        source: str | ModelProto | Path | Model,
        clips: Sequence[Clip] = (),
        *,
        times: Mapping[str, float] | None = None,
        **options: Any,
    ) -> Partition:
        """Split a model with these params."""
        model = source if isinstance(source, Model) else self.model(source)
        params = SplitParams(**{"proof_frames": 2, **options})
        return split_model(
            model,
            clips,
            profile=self.profile,
            params=params,
            workspace=self.workspace,
            node_time_s=times,
        )

    def open(self, partition: Partition, segment: str) -> OnnxModel:
        """Read a segment's file."""
        files = next(found.files for found in partition.segments if found.name == segment)
        return load_model(self.workspace.folder(files) / files[0].name)


def engine(name: str, *operators: str) -> EngineProfile:
    kind: Any = name
    return EngineProfile(name, kind, 1, {"float32": Quantity(1e9, "test")}, operators)


@pytest.fixture
def bench(tmp_path: Path) -> SplitBench:
    """Give a split bench whose chip runs a few operators on its npu and everything on its cpu."""
    npu = engine(
        "npu", "Add", "Concat", "Conv", "Gather", "MatMul", "Mul", "Neg", "Relu", "Reshape", "Transpose"
    )
    chip = ChipProfile(
        "chip",
        "Test chip",
        (npu, engine("cpu", "*")),
        "cpu",
        DramProfile(Quantity(1e9, "test")),
        OnChipProfile(Quantity(1e6, "test")),
    )
    return SplitBench(tmp_path, Workspace(Store(tmp_path / ".deploykit")), chip)


@pytest.fixture
def shape() -> Any:
    """Give a function that shows a partition as (name, engine, node ids) per segment."""
    return lambda partition: [
        (segment.name, segment.engine, [node.id for node in segment.graph.nodes])
        for segment in partition.segments
    ]
