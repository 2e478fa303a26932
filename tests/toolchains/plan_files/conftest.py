"""A small float segment with a scheme for each node, and encodings worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from onnx import parser

from deploykit.analysis.summary import summarise
from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.shapes import infer_shapes
from deploykit.toolchains.plan_files import SegmentPlan

NET = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,2,4,4] images) => (float[1,3,4,4] heat, int64[4] size)
<float[3,2,1,1] weight = {1, -1, 0.5, 0.25, 2, 1}>
{
  [stem_Conv] features = Conv(images, weight)
  [stem_Relu] active = Relu(features)
  [gate] heat = Sigmoid(active)
  [measure] size = Shape(heat)
}
"""

IMAGES = Encoding("images", "activation", "uint8", (1.000008 / 255,), (0,))
ACTIVE = Encoding("active", "activation", "int8", (0.025,), (0,))
WEIGHT = Encoding("weight", "weight", "int8", (0.012, 0.015, 0.011), (0, 0, 0), (3,), axis=0)

MakePlan = Callable[..., SegmentPlan]


@pytest.fixture
def make_plan() -> MakePlan:
    """Give a function from schemes of the three computing nodes to a plan."""

    def make(
        *schemes: Scheme, encodings: tuple[Encoding, ...] = (IMAGES, ACTIVE, WEIGHT), text: str = NET
    ) -> SegmentPlan:
        model = OnnxModel(parser.parse_model(text), "net")
        infer_shapes(model)
        segment = Segment("net", (), summarise(model), "npu", "test")
        nodes = ("features", "active", "heat")
        return SegmentPlan(segment, dict(zip(nodes, schemes, strict=True)), encodings)

    return make
