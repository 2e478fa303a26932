"""An export bench: models as ONNX text, protobufs or files in, `Model` out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from onnx import ModelProto, parser

from deploykit.artifacts.model import Model
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.export import ExportParams, export_model
from deploykit.tasks.protocol import Clip

HEAD = '<ir_version: 8, opset_import: ["" : 17, "edge.ops" : 1]>'


@dataclasses.dataclass(frozen=True)
class ExportBench:
    """A folder with a store; exports run two frames of proof and do not simplify unless told otherwise."""

    folder: Path
    workspace: Workspace

    def write(self, source: str | ModelProto) -> Path:
        """Write a model (ONNX text without its head, or a protobuf) to a file."""
        proto = parser.parse_model(f"{HEAD} {source}") if isinstance(source, str) else source
        file = self.folder / "source.onnx"
        file.write_bytes(proto.SerializeToString())
        return file

    def export(
        self, source: str | ModelProto | Path | None, clips: Sequence[Clip] = (), **options: Any
    ) -> Model:
        """Export a model with these params."""
        path = source if source is None or isinstance(source, Path) else self.write(source)
        params = ExportParams(**{"proof_frames": 2, "simplify": False, **options})
        return export_model(path, clips, network="net", params=params, workspace=self.workspace)

    def open(self, model: Model) -> OnnxModel:
        """Read an exported model's file."""
        return load_model(self.workspace.folder(model.files) / model.files[0].name)


@pytest.fixture
def bench(tmp_path: Path) -> ExportBench:
    """Give an export bench in a temporary folder."""
    return ExportBench(tmp_path, Workspace(Store(tmp_path / ".deploykit")))
