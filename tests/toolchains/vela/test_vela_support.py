"""What is said before Vela is started."""

from __future__ import annotations

from onnx import parser

from deploykit.analysis.summary import summarise
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.shapes import infer_shapes
from deploykit.toolchains.vela import capabilities, check
from deploykit.toolchains.vela.chips import arguments, longest_stride

NET = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,2,4,4] x) => (float[1,2,3,3] y, float[1,2,4,4] e)
<float[4] scales = {1, 1, 0.75, 0.75}>
{
  [erf] e = Erf(x)
  [relu] r = Relu(x)
  [shrink] y = Resize<mode="linear">(r, , scales)
}
"""


def faults(chip: str, scheme: Scheme) -> list[str]:
    model = OnnxModel(parser.parse_model(NET), "net")
    infer_shapes(model)
    segment = Segment("net", (), summarise(model), "npu", "test")
    return [str(fault) for fault in check(segment, chip=chip, schemes=dict.fromkeys(("e", "r", "y"), scheme))]


def test_operators_and_their_limits_are_named() -> None:
    erf, resize = faults("ethos-u65-512", "w8a8")
    assert erf == "segment 'net', node 'erf': vela has no Erf; leave it to the CPU (`split`)"
    assert resize.startswith(
        "segment 'net', node 'shrink': Resize does not keep to a limit: Height and width"
    )


def test_a_scheme_that_the_npu_lacks_is_named() -> None:
    assert "node 'relu': Relu is planned in float16; plan one of w8a8, w8a16" in "\n".join(
        faults("ethos-u55-128", "float16")
    )


def test_an_unknown_chip_is_said_once() -> None:
    (fault,) = faults("ethos-u65-513", "w8a8")
    assert "vela has no chip 'ethos-u65-513', did you mean 'ethos-u65-512'?" in fault


def test_every_limit_is_a_sentence() -> None:
    limits = [limit for operator in capabilities().operators for limit in operator.limits]
    assert limits
    assert all(limit.endswith(".") for limit in limits)


def test_each_family_has_its_reference_system() -> None:
    assert "Ethos_U55_High_End_Embedded" in arguments("ethos-u55-256", {})
    assert "Dedicated_Sram_512KB" in arguments("ethos-u85-512", {"memory": "Dedicated_Sram_512KB"})
    assert longest_stride("ethos-u55-32") == 3 < longest_stride("ethos-u85-2048")
