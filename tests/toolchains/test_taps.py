"""Tapped partitions give inner tensors too, with the same values."""

from __future__ import annotations

from pathlib import Path

import numpy
from onnx import ModelProto, numpy_helper, parser

from deploykit.analysis.summary import summarise
from deploykit.artifacts.model import Partition, Segment
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.save import save_model
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.toolchains.reference import ReferenceNetwork
from deploykit.toolchains.taps import tapped

FIRST = """<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] joint)
{ inner = Mul (x, w) joint = Neg (inner) }"""
SECOND = """<ir_version: 8, opset_import: ["" : 17]> g (float[2] joint) => (float[2] y)
{ late = Abs (joint) y = Neg (late) }"""


def partition_of(workspace: Workspace) -> Partition:
    segments = []
    for name, text in (("first", FIRST), ("second", SECOND)):
        proto: ModelProto = parser.parse_model(text)
        if name == "first":
            weights = numpy_helper.from_array(numpy.array([2.0, 3.0], numpy.float32), "w")
            proto.graph.initializer.append(weights)
        model = normalise(OnnxModel(proto, name))
        infer_shapes(model)
        with workspace.scratch() as folder:
            files = tuple(workspace.keep(file) for file in save_model(model, folder, name))
        segments.append(Segment(name, files, summarise(model), "npu", "test"))
    return Partition("net", ("x",), ("y",), tuple(segments), (), None)


def test_inner_tensors_come_out_under_their_names(tmp_path: Path) -> None:
    workspace = Workspace(Store(tmp_path / "store"))
    partition = partition_of(workspace)
    inside, files = tapped(partition, workspace, ["late", "inner", "x", "nothing"], tmp_path / "taps")
    assert inside.outputs == ("y", "late", "inner")
    values = ReferenceNetwork(inside, files, exact=True)({"x": numpy.array([1.0, -1.0], numpy.float32)})
    assert {name: value.tolist() for name, value in values.items()} == {
        "y": [-2.0, -3.0],
        "late": [2.0, 3.0],
        "inner": [2.0, -3.0],
    }


def test_a_partition_without_taps_keeps_its_files(tmp_path: Path) -> None:
    workspace = Workspace(Store(tmp_path / "store"))
    partition = partition_of(workspace)
    inside, files = tapped(partition, workspace, [], tmp_path / "taps")
    assert inside.outputs == ("y",)
    assert files.folders == {}
