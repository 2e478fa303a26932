"""What is handed to the HTP's compiler, and what is read back."""

from __future__ import annotations

import numpy
from onnx import numpy_helper, parser

from deploykit.analysis.summary import summarise
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.runtime import open_session, run_session
from deploykit.toolchains.qnn import check, parse_report
from deploykit.toolchains.qnn.report import describe
from deploykit.toolchains.qnn.unsigned import unsigned

QDQ = """
<ir_version: 10, opset_import: ["" : 21]>
net (float[1,2] x) => (float[1,3] y)
<float sx = {0.5}, TYPE zx = {-3}, float sy = {0.01}, TYPE zy = {7},
 int8[2,3] wq = {1,-2,3,-4,5,-6}, float[3] sw = {0.1,0.2,0.3}, int8[3] zw = {0,0,0},
 TYPE[3] cq = {1,2,3}>
{
  xc = QuantizeLinear(x, sx, zx)
  xr = DequantizeLinear(xc, sx, zx)
  w = DequantizeLinear<axis=1>(wq, sw, zw)
  c = DequantizeLinear(cq, sy, zy)
  p = MatMul(xr, w)
  f = Add(p, c)
  yc = QuantizeLinear(f, sy, zy)
  y = DequantizeLinear(yc, sy, zy)
}
"""


def moved(kind: str) -> tuple[dict[str, numpy.ndarray], float]:
    """Give the initializers after the shift, and the greatest difference of the results."""
    model = OnnxModel(parser.parse_model(QDQ.replace("TYPE", kind)), "net")
    proto = unsigned(model)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    frame = {"x": numpy.array([[3.2, -1.7]], numpy.float32)}
    results = [
        run_session(open_session(item.SerializeToString(), name="net"), dict(frame), ["y"], name="net")[0]
        for item in (model.proto, proto)
    ]
    return stored, float(abs(results[0] - results[1]).max())


def test_activations_and_constants_are_shifted_and_weights_are_not() -> None:
    stored, difference = moved("int8")
    assert (str(stored["zx"].dtype), int(stored["zx"])) == ("uint8", 125)
    assert stored["cq"].tolist() == [129, 130, 131]
    assert stored["wq"].dtype == "int8"
    assert difference == 0


def test_sixteen_bits_too() -> None:
    stored, difference = moved("int16")
    assert (str(stored["zy"].dtype), int(stored["zy"])) == ("uint16", 32775)
    assert difference == 0


CONTEXT = """
<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
net (float[1,2] x) => (float[1,2] y)
{
  [part0] a = com.microsoft.EPContext(x)
  [turn] b = Erf(a)
  [part1] y = com.microsoft.EPContext(b)
}
"""


def test_nodes_beside_the_context_are_on_the_cpu() -> None:
    report = parse_report(describe(parser.parse_model(CONTEXT)))
    assert [(layer.engine, layer.fallback, layer.tensors) for layer in report.layers] == [
        ("HTP", False, ("a",)),
        ("CPU", True, ("b",)),
        ("HTP", False, ("y",)),
    ]
    assert "left to the CPU: turn (Erf)" in report.notices
    assert any("2 pieces" in notice for notice in report.notices)


def test_the_emulators_cycles_are_never_taken() -> None:
    report = parse_report(
        "Msg Timestamp,Message,Time,Unit\n1,conv0:OpId_2,27600000,CYCLES\nHTP EPContext p -> y\n"
    )
    assert report.cycles is None
    assert report.time_s is None
    assert all(layer.cycles is None and layer.time_s is None for layer in report.layers)


NET = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,2,4,4] x) => (float[1,2,4,4] y)
<float[2] s = {1,1}>
{
  [norm] a = BatchNormalization(x, s, s, s, s)
  [relu] b = Relu(a)
  [mish] y = Mish(b)
}
"""


def faults(chip: str, scheme: Scheme) -> list[str]:
    model = OnnxModel(parser.parse_model(NET.replace("17]", "18]")), "net")
    infer_shapes(model)
    segment = Segment("net", (), summarise(model), "npu", "test")
    return [str(fault) for fault in check(segment, chip=chip, schemes=dict.fromkeys(("a", "b", "y"), scheme))]


def test_a_batch_normalisation_is_refused_and_each_operator_is_named() -> None:
    norm, mish = faults("htp-v73", "w8a8")
    assert "node 'norm': the BatchNormalization is not folded" in norm
    assert "node 'mish': HTP has no Mish; leave it to the CPU (`split`)" in mish


def test_a_scheme_that_htp_lacks_is_named() -> None:
    assert any("node 'relu': Relu is planned in float32" in fault for fault in faults("htp-v81", "float32"))


def test_an_unknown_architecture_is_said_once() -> None:
    (fault,) = faults("htp-v74", "w8a8")
    assert "qnn has no chip 'htp-v74', did you mean" in fault
