"""QDQ models as ONNX text become TensorFlow Lite programs with the same codes."""

from __future__ import annotations

import numpy
import pytest
from onnx import parser

from deploykit.artifacts.graph import TensorInfo
from deploykit.core.errors import InputError
from deploykit.core.graph.model import OnnxModel
from deploykit.toolchains.vela.convert import convert_network
from deploykit.toolchains.vela.program import NONE, RELU, SAME, VALID, Operator, Program, View
from deploykit.toolchains.vela.qdq import Codes, codes_for, network_of

HEAD = '<ir_version: 10, opset_import: ["" : 21]>'

CONV = """
net (float[1,1,SIZE,SIZE] x) => (float[1,2,OUT,OUT] y)
<float sx = {0.5}, int8 zx = {-3}, float sy = {0.25}, int8 zy = {-128},
 int8[2,1,3,3] wq = {1,2,3,4,5,6,7,8,9,-1,-2,-3,-4,-5,-6,-7,-8,-9}, float[2] sw = {0.1,0.2}, int8[2] zw = {0,0},
 int32[2] bq = {10,-20}, float[2] sb = {0.05,0.1}, int32[2] zb = {0,0}>
{
  xc = QuantizeLinear(x, sx, zx)
  xr = DequantizeLinear(xc, sx, zx)
  w = DequantizeLinear<axis=0>(wq, sw, zw)
  b = DequantizeLinear<axis=0>(bq, sb, zb)
  [conv] f = Conv<pads=[1,1,1,1], strides=[STRIDE,STRIDE], kernel_shape=[3,3]>(xr, w, b)
  [relu] r = Relu(f)
  yc = QuantizeLinear(r, sy, zy)
  y = DequantizeLinear(yc, sy, zy)
}
"""


def program(text: str, **shapes: tuple[int, ...]) -> Program:
    model = OnnxModel(parser.parse_model(HEAD + text), "net")
    known = {name: TensorInfo(name, "float", shape) for name, shape in shapes.items()}
    return convert_network(network_of(model), known)


def conv(size: int, stride: int) -> Program:
    out = -(-size // stride)
    text = CONV.replace("SIZE", str(size)).replace("OUT", str(out)).replace("STRIDE", str(stride))
    return program(text, x=(1, 1, size, size), f=(1, 2, out, out), r=(1, 2, out, out), y=(1, 2, out, out))


def only(made: Program, code: str) -> Operator:
    (found,) = [operator for operator in made.operators if operator.code == code]
    return found


def test_a_convolution_keeps_its_codes_and_takes_the_relu() -> None:
    made = conv(size=5, stride=1)
    (operator,) = made.operators
    source, weight, bias = (made.tensors[name] for name in operator.inputs)
    assert (source.shape, source.scales, source.zero_points) == ((1, 5, 5, 1), (0.5,), (-3,))
    assert weight.data is not None
    assert weight.data.shape == (2, 3, 3, 1)
    assert weight.data[:, 0, 2, 0].tolist() == [3, -3]
    assert weight.scales == pytest.approx((0.1, 0.2))
    assert weight.axis == 0
    assert bias.data is not None
    assert (bias.dtype, bias.data.tolist()) == ("int32", [10, -20])
    target = made.tensors[operator.outputs[0]]
    assert (target.shape, target.scales) == ((1, 5, 5, 2), (0.25,))
    assert (operator.values["padding"], operator.values["fusedActivationFunction"]) == (SAME, RELU)
    assert made.views["y"] == View(target.name, "nhwc")


def test_pads_that_same_would_put_elsewhere_become_an_operator() -> None:
    made = conv(size=6, stride=2)  # ONNX pads 1 before and reads none behind, SAME pads 0 before and 1 behind
    pad = only(made, "PAD")
    widths = made.tensors[pad.inputs[1]].data
    assert widths is not None
    assert widths.tolist() == [[0, 0], [1, 0], [1, 0], [0, 0]]
    assert only(made, "CONV_2D").values["padding"] == VALID


def test_sixteen_bits_are_about_zero_and_hold_the_same_range() -> None:
    assert codes_for(0.5, 128, "uint8") == Codes(0.5, 0, "int8")
    wide = codes_for(1 / 65535, -32768, "int16")  # 0 to 1
    assert (wide.zero_point, wide.dtype) == (0, "int16")
    assert wide.high == pytest.approx(1.0)
    assert wide.scale == pytest.approx(1 / 32767)


UNIT = """
net (float[1,2,1,1] x) => (float[1,2,1,1] y)
<float sx = {0.05}, int8 zx = {0}, float sy = {0.003921569}, int8 zy = {-128}>
{
  xc = QuantizeLinear(x, sx, zx)
  xr = DequantizeLinear(xc, sx, zx)
  f = OP(xr)
  yc = QuantizeLinear(f, sy, zy)
  y = DequantizeLinear(yc, sy, zy)
}
"""


def unit(op: str) -> Program:
    shape = (1, 2, 1, 1)
    return program(UNIT.replace("OP", op), x=shape, f=shape, y=shape)


def test_a_sigmoid_has_the_codes_of_its_kernel_and_then_ours() -> None:
    made = unit("Sigmoid")
    assert made.tensors[only(made, "LOGISTIC").outputs[0]].scales == (1 / 256,)
    assert made.tensors[only(made, "QUANTIZE").outputs[0]].scales == pytest.approx((1 / 255,))


def test_a_hard_sigmoid_is_a_layer_whose_codes_end_at_0_and_1() -> None:
    made = unit("HardSigmoid<alpha=0.25, beta=0.5>")
    layer = only(made, "DEPTHWISE_CONV_2D")
    weight, bias = made.tensors[layer.inputs[1]], made.tensors[layer.inputs[2]]
    assert weight.data is not None
    assert bias.data is not None
    assert 127 * weight.scales[0] == pytest.approx(0.25)
    assert bias.data[0] * bias.scales[0] == pytest.approx(0.5, abs=1e-4)
    assert made.tensors[layer.outputs[0]].scales == pytest.approx((1 / 255,))


def test_bounds_that_codes_keep_cost_nothing() -> None:
    made = unit("Clip")  # without bounds
    assert [operator.code for operator in made.operators] == ["QUANTIZE"]
    assert NONE == 0


ROUNDED = """
net (float[1,2,2,2] x, float[1,2,2,2] z) => (float[1,4,2,2] y)
<float a = {0.5}, int8 za = {0}, float c = {0.25}, int8 zc = {4}>
{
  xq = QuantizeLinear(x, a, za)
  xr = DequantizeLinear(xq, a, za)
  zq = QuantizeLinear(z, c, zc)
  zr = DequantizeLinear(zq, c, zc)
  f = Concat<axis=1>(xr, zr)
  yq = QuantizeLinear(f, c, zc)
  y = DequantizeLinear(yq, c, zc)
}
"""


def test_parts_of_another_scale_are_rounded_once_more_and_channels_are_last() -> None:
    shape = (1, 2, 2, 2)
    made = program(ROUNDED, x=shape, z=shape, f=(1, 4, 2, 2), y=(1, 4, 2, 2))
    assert [operator.code for operator in made.operators] == ["QUANTIZE", "CONCATENATION"]
    joined = made.operators[1]
    assert joined.values["axis"] == 3
    assert {made.tensors[name].scales for name in (*joined.inputs, *joined.outputs)} == {(0.25,)}


CHAIN = """
net (float[1,2] x) => (float[1,2] y)
<float sx = {0.0625}, int8 zx = {0}, float sy = {0.03125}, int8 zy = {-100}, float three = {3}, float six = {6}, float zero = {0}>
{
  xc = QuantizeLinear(x, sx, zx)
  xr = DequantizeLinear(xc, sx, zx)
  BODY
  yc = QuantizeLinear(f, sy, zy)
  y = DequantizeLinear(yc, sy, zy)
}
"""


def chain(body: str) -> Program:
    shape = (1, 2)
    return program(CHAIN.replace("BODY", body), **dict.fromkeys(("x", "a", "b", "c", "f", "y"), shape))


def test_a_silu_of_two_operators_stays_in_integers() -> None:
    made = chain("a = Sigmoid(xr)  f = Mul(xr, a)")
    assert [operator.code for operator in made.operators] == ["LOGISTIC", "MUL"]


def test_a_hard_swish_of_four_operators_is_one() -> None:
    made = chain("a = Add(xr, three)  b = Clip(a, zero, six)  c = Mul(xr, b)  f = Div(c, six)")
    assert [operator.code for operator in made.operators] == ["HARD_SWISH"]


def test_codes_between_span_what_the_codes_before_can_give() -> None:
    made = chain("a = Neg(xr)  f = Add(a, three)")  # x is -8 to 7.9375
    between = made.tensors[only(made, "NEG").outputs[0]]
    low, high = ((code - between.zero_points[0]) * between.scales[0] for code in (-128, 127))
    assert low == pytest.approx(-7.9375, abs=0.05)
    assert high == pytest.approx(8, abs=0.05)


FLOAT = """
net (float[1,2] x) => (float[1,2] y)
{
  [square] s = Mul(x, x)
  [erf] y = Erf(s)
}
"""


def test_every_operator_without_a_form_is_named() -> None:
    with pytest.raises(InputError, match="nodes erf: TensorFlow Lite has no operator for Erf"):
        program(FLOAT, x=(1, 2), s=(1, 2), y=(1, 2))


BATCH = """
net (float[3,1,4,4] x) => (float[3,1,2,2] y)
{
  [pool] y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)
}
"""


def test_images_that_never_meet_are_taken_apart() -> None:
    made = program(BATCH, x=(3, 1, 4, 4), y=(3, 1, 2, 2))
    assert made.batch == 3
    assert made.tensors["x"].shape == (1, 4, 4, 1)


def test_images_that_meet_stay_one_batch() -> None:
    mixed = BATCH.replace("3,1,2,2] y", "1,3,4,4] y").replace(
        "y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)", "y = Transpose<perm=[1,0,2,3]>(x)"
    )
    assert program(mixed, x=(3, 1, 4, 4), y=(1, 3, 4, 4)).batch == 1


def test_floats_stay_floats() -> None:
    made = program(BATCH, x=(3, 1, 4, 4), y=(3, 1, 2, 2))
    assert {tensor.dtype for tensor in made.tensors.values() if tensor.data is None} == {"float32"}
    assert not numpy.any([tensor.scales for tensor in made.tensors.values()])
