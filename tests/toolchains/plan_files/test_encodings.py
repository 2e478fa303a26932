"""Scales read back from QDQ graphs that are written as `quantize` writes them."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from onnx import numpy_helper, parser

from deploykit.analysis.summary import summarise
from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.model import Segment
from deploykit.core.dtypes import numpy_dtype
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.save import save_model
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.toolchains.plan_files.encodings import read_encodings

QDQ = """
<ir_version: 10, opset_import: ["" : 21]>
net (float[1,4] x) => (float[1,2] y)
<float s = {0.5}, int8 z = {-3}, float s16 = {0.001}, int16 z16 = {0}, float[2,2] ws = {0.1, 0.2, 0.3, 0.4},
 float[2] cs = {0.25, 0.75}, int8[2] cz = {0, 0}, float[2] bs = {0.01, 0.02}, int32[2] b = {7, 9},
 int32[2] bz = {0, 0}, int8[4,2] v = {1, 2, 3, 4, 5, 6, 7, 8}>
{
  [q1] c = QuantizeLinear (x, s, z)
  [d1] "x::rounded" = DequantizeLinear (c, s, z)
  [d2] "w::rounded" = DequantizeLinear <axis = 0, block_size = 2> (codes, ws, wz)
  [m1] "h::float" = MatMul ("x::rounded", "w::rounded")
  [q2] "h::codes" = QuantizeLinear ("h::float", s16, z16)
  [d3] h = DequantizeLinear ("h::codes", s16, z16)
  [q3] "h::rounded::codes" = QuantizeLinear (h, s, z)
  [d4] "h::rounded" = DequantizeLinear ("h::rounded::codes", s, z)
  [d5] "w::2::rounded" = DequantizeLinear <axis = 1> (v, cs, cz)
  [m2] second = MatMul ("x::rounded", "w::2::rounded")
  [d6] "bias::rounded" = DequantizeLinear <axis = 0> (b, bs, bz)
  [a1] sum = Add (second, "bias::rounded")
  [a2] y = Add (sum, "h::rounded")
}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(Store(tmp_path / ".deploykit"))


def test_every_use_and_width_is_read_and_biases_are_left_out(workspace: Workspace) -> None:
    proto = parser.parse_model(QDQ)
    four_bits = numpy_dtype("int4")
    codes = numpy.array([[1, -8], [2, 7], [3, 0], [4, 1]]).astype(four_bits)
    proto.graph.initializer.append(numpy_helper.from_array(codes, "codes"))
    proto.graph.initializer.append(numpy_helper.from_array(numpy.zeros((2, 2), four_bits), "wz"))
    model = OnnxModel(proto, "net")
    with workspace.scratch() as folder:
        files = tuple(workspace.keep(file) for file in save_model(model, folder, "net"))
    segment = Segment("net", files, summarise(model), "npu", "test")
    found = read_encodings(segment, {"x", "w", "h", "y", "bias"}, workspace)
    assert found == (
        Encoding("h", "activation", "int16", (float(numpy.float32(0.001)),), (0,)),
        Encoding("x", "activation", "int8", (0.5,), (-3,)),
        Encoding(
            *("w", "weight", "int4"),
            tuple(float(numpy.float32(scale)) for scale in (0.1, 0.2, 0.3, 0.4)),
            (0, 0, 0, 0),
            shape=(2, 2),
            axis=0,
            block=2,
        ),
        Encoding("h", "activation", "int8", (0.5,), (-3,)),
        Encoding("w", "weight", "int8", (0.25, 0.75), (0, 0), shape=(2,), axis=1),
    )
    ((low, high),) = found[0].ranges
    assert low == pytest.approx(-32.768)
    assert high == pytest.approx(32.767)
