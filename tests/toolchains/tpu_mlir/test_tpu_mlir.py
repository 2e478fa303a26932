"""tpu-mlir without the toolchain: files that 1.30.2 wrote for the network below, and what we write for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from onnx import parser

from deploykit.analysis.summary import summarise
from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.errors import InputError
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.process import Finished
from deploykit.toolchains import load_toolchain
from deploykit.toolchains.plan_files import SegmentPlan
from deploykit.toolchains.tpu_mlir import check, parse_report
from deploykit.toolchains.tpu_mlir.checks import read_summary
from deploykit.toolchains.tpu_mlir.hints import advice
from deploykit.toolchains.tpu_mlir.mlir_text import read_operations
from deploykit.toolchains.tpu_mlir.names import Names, output_names, with_tensors
from deploykit.toolchains.tpu_mlir.options import read_options
from deploykit.toolchains.tpu_mlir.tables import write_tables
from deploykit.toolchains.tpu_mlir.timeline import Command, exposed_cycles, read_commands

RECORDED = Path(__file__).parent / "recorded"

NET = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,2,16,16] images) => (float[1,4,16,16] heat, float[1,4,1,1] mean)
<float[4,2,1,1] weight = {1, -1, 0.5, 0.25, 2, 1, -0.5, 1}, float[4,4,1,1] mixing = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}>
{
  [stem_Conv] features = Conv(images, weight)
  [stem_Relu] active = Relu(features)
  [mix_Conv] mixed = Conv(active, mixing)
  [gate] heat = Sigmoid(mixed)
  [pool] mean = GlobalAveragePool(mixed)
}
"""
SCHEMES: dict[str, Scheme] = {
    "features": "w8a8",
    "active": "w8a8",
    "mixed": "w8a8",
    "heat": "w8a8",
    "mean": "float16",
}
ENCODINGS = (
    Encoding("images", "activation", "int8", (0.025,), (0,)),
    Encoding("active", "activation", "int8", (0.05,), (-128,)),
    Encoding("mixed", "activation", "int8", (0.1,), (0,)),
    Encoding("heat", "activation", "uint8", (1 / 255,), (0,)),
)


def segment(text: str = NET) -> Segment:
    model = OnnxModel(parser.parse_model(text), "net")
    infer_shapes(model)
    return Segment("net", (), summarise(model), "npu", "test")


def plan(schemes: Mapping[str, Scheme] = SCHEMES, encodings: tuple[Encoding, ...] = ENCODINGS) -> SegmentPlan:
    return SegmentPlan(segment(), schemes, encodings)


def operations() -> tuple[str, ...]:
    return tuple(name for item in read_operations((RECORDED / "net.mlir").read_text()) for name in item.names)


def test_the_converter_has_fused_the_relu_into_its_layer() -> None:
    assert operations() == ("active_Relu", "mixed_Conv", "heat_Sigmoid", "mean_GlobalAveragePool")


def test_tables_name_the_operations_that_are_left_and_a_fused_one_has_its_layers_mode() -> None:
    found = write_tables(
        plan({**SCHEMES, "active": "float16"}), read_operations((RECORDED / "net.mlir").read_text())
    )
    assert found.mode == "INT8"
    assert found.modes.splitlines()[1:] == ["mean_GlobalAveragePool F16"]  # not active_Relu: its Conv is INT8
    assert found.ranges.splitlines()[2:] == [
        "images 3.2000000 -3.2000000 3.1750000",
        "active_Relu 12.7500000 0.0000000 12.7500000",
        "mixed_Conv 12.8000000 -12.8000000 12.7000000",
        "heat_Sigmoid 1.0000000 0.0000000 1.0000000",
    ]
    assert found.notices == ()


def test_an_integer_operation_without_a_range_runs_in_float_and_is_named() -> None:
    known = tuple(encoding for encoding in ENCODINGS if encoding.tensor != "mixed")
    found = write_tables(plan(encodings=known), read_operations((RECORDED / "net.mlir").read_text()))
    assert "mixed_Conv F16" in found.modes
    assert found.notices == ("no range of the result is known, in F16: mixed_Conv",)


def test_ranges_stand_only_where_integers_are() -> None:
    schemes: dict[str, Scheme] = {**dict.fromkeys(SCHEMES, "float16"), "mixed": "w8a8"}
    found = write_tables(plan(schemes), read_operations((RECORDED / "net.mlir").read_text()))
    assert [row.split()[0] for row in found.ranges.splitlines()[2:]] == ["active_Relu", "mixed_Conv"]
    assert found.has_integers
    everywhere: dict[str, Scheme] = dict.fromkeys(SCHEMES, "float16")
    found = write_tables(plan(everywhere), read_operations((RECORDED / "net.mlir").read_text()))
    assert found.ranges.splitlines()[2:] == []
    assert not found.has_integers


def test_chips_with_more_engines_write_longer_lines() -> None:
    """Lines and totals as for BM1690 and CV186X."""
    (command,) = read_commands("Load_16|GDMA_TENSOR|s:0|b:0|g:1|h:0|sd:0|e:400|t:401|dr:0|sz:8192|bw:19.03")
    assert command == Command(16, True, 0, 401, 8192)
    found = parse_report("=== profile\nTCYC : 5433. (bdc_cycle:592, gdma_cycle:5321)\nruntime: 0.006037ms,\n")
    assert found.cycles == 5433
    assert found.time_s == pytest.approx(6.037e-6)


def test_without_integers_the_common_mode_stands_for_all() -> None:
    schemes: dict[str, Scheme] = dict.fromkeys(SCHEMES, "float16")
    found = write_tables(plan(schemes, ()), read_operations((RECORDED / "net.mlir").read_text()))
    assert found.mode == "F16"
    assert found.modes.splitlines() == ["# op_name quantize_mode"]


def test_a_location_of_several_names_gives_them_all() -> None:
    text = (
        '    %3:2 = "top.Split"(%0) {axis = 1 : si32} : (tensor<1xf32>) -> (tensor<1xf32>, tensor<1xf32>) loc(#loc4)\n'
        '#loc2 = loc("a_Split")\n#loc3 = loc("b_Split")\n#loc4 = loc(fused[#loc2, #loc3])\n'
    )
    (found,) = read_operations(text)
    assert (found.kind, found.names, found.line) == ("top.Split", ("a_Split", "b_Split"), 1)


def test_the_reports_cycles_and_bytes_add_up_to_the_compilers_totals() -> None:
    found = parse_report((RECORDED / "report.txt").read_text())
    assert found.cycles == 1258
    assert found.time_s == pytest.approx(1.258e-6)
    assert found.dram_bytes == 3328 + 4112
    assert found.weight_bytes == 12288
    assert sum(layer.cycles or 0 for layer in found.layers) == 1258
    assert sum(layer.dram_bytes or 0 for layer in found.layers) == 3328 + 4112


def test_a_layer_has_the_cycles_that_it_computes_and_those_that_it_waits_for() -> None:
    found = {layer.name: layer for layer in parse_report((RECORDED / "report.txt").read_text()).layers}
    first, last = found["active_Relu"], found["mean_GlobalAveragePool"]
    assert first.cycles == 64 + 16  # 231 to 310; its weights came while the cast before it ran
    assert last.cycles == 32 + 99  # 776 to 807, and its store from 1159 to 1257, for which nothing else waits
    assert (first.op, first.shape, first.dram_bytes) == ("Conv2D", (1, 4, 16, 16), 512)


def test_buffers_are_those_in_dram() -> None:
    found = {buffer.name: buffer for buffer in parse_report((RECORDED / "report.txt").read_text()).buffers}
    assert set(found) == {"heat_Sigmoid_f32", "mean_GlobalAveragePool"}
    assert found["heat_Sigmoid_f32"].size_bytes == 4 * 16 * 16 * 4
    assert found["mean_GlobalAveragePool"].size_bytes == 4 * 4
    assert found["heat_Sigmoid_f32"].memory == "DRAM"


def test_layers_carry_our_tensors_names() -> None:
    found = with_tensors(parse_report((RECORDED / "report.txt").read_text()), segment().graph)
    tensors = {layer.name: layer.tensors for layer in found.layers}
    assert tensors["active_Relu"] == ("active",)
    assert tensors["heat_Sigmoid_f32"] == ("heat",)


def test_without_a_profile_nothing_is_made_up() -> None:
    found = parse_report("=== profile\n\n=== tensors\n\n=== info\n\n")
    assert (found.cycles, found.time_s, found.dram_bytes, found.layers) == (None, None, None, ())
    assert found.notices == ("this chip's compiler predicts no time",)


def test_a_cycle_belongs_to_what_computes_else_to_the_transfer() -> None:
    load = Command(1, True, 0, 10, 64)
    layer = Command(2, False, 5, 20, 0)
    store = Command(3, True, 15, 30, 64)
    assert exposed_cycles((load, layer, store)) == {1: 5, 2: 15, 3: 10}


def test_outputs_are_paired_by_their_order_and_another_number_is_refused() -> None:
    assert output_names(["heat_Sigmoid_f32", "x"], ["heat", "mean"], "here") == {
        "heat": "heat_Sigmoid_f32",
        "mean": "x",
    }
    with pytest.raises(InputError, match="here: the compiled network has outputs x for heat, mean"):
        output_names(["x"], ["heat", "mean"], "here")


def test_names_with_a_cast_or_a_rewrite_behind_them_are_known() -> None:
    names = Names(segment().graph)
    assert names.exact("heat_Sigmoid_f32") is None
    assert names.near("heat_Sigmoid_f32") == "heat"
    assert names.near("mixed_Conv__mergeMulConst") == "mixed"
    assert names.near("other") is None


def test_refusals_name_node_operator_and_what_to_do() -> None:
    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[N,4] x, int64[2] sizes) => (float[N,4] y)
    {
      [spread] a = Celu(x)
      [back] y = Reshape(a, sizes)
    }
    """
    faults = [str(fault) for fault in check(segment(text), chip="bm1684x", schemes={"a": "w4a8"})]
    assert faults == [
        "segment 'net': the shape of input 'x' is ['N', 4]; tpu-mlir needs static shapes here: bind the sizes "
        "under `export.shapes`",
        "segment 'net': input 'sizes' is int64; tpu-mlir takes float inputs here: cut behind it",
        "segment 'net', node 'spread' (Celu): tpu-mlir's converter has no such operator; leave it to the CPU, or "
        "rewrite it",
        "segment 'net': bm1684x has no w4a8 in tpu-mlir: spread; it has w8a8, float16, float32, w8a16, w4a16",
    ]


def test_a_chip_that_cannot_be_compiled_for_has_its_reason() -> None:
    (fault,) = check(segment(), chip="sg2380", schemes={})
    assert "RISC-V compiler" in str(fault)
    (fault,) = check(segment(), chip="bm1684y", schemes={})
    assert "did you mean" in str(fault)


def test_every_wrong_option_is_named_at_once() -> None:
    with pytest.raises(InputError) as raised:
        read_options({"rangs": "plan", "modes": "int8", "expected_cos": "2", "group_size": "0"})
    assert [fault.where for fault in raised.value.faults] == [
        "compile.options.rangs",
        "compile.options.modes",
        "compile.options.expected_cos",
        "compile.options.group_size",
    ]


def test_the_checkers_summary_is_read_since_its_exit_code_is_always_0(tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    assert "every operation" in read_summary(file, "run subnet 0\nEnd of Execution\n")
    assert "did not come to its end" in read_summary(file, "run subnet 0\n")
    file.write_text(json.dumps([{"loc": "load_0", "cmp_failed": True}]))
    assert read_summary(file, "End of Execution").startswith(
        "bmodel_checker finds other values in 1 tensors: loc load_0"
    )


def test_an_abort_is_told_without_its_stack_trace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "tpuc-opt: Quantization.cpp:88: Assertion `isCalibratedType(v)' failed.\n"
        " #0 0x00005555f49d4ab5 (/x/tpuc-opt+0x948ab5)\n #1 0x00005555f49d4ab5\nAborted\n"
    )
    told = advice(Finished(-6, 1.0, log))
    assert told.startswith("a layer has no range: keep it in float16; its output is in ")
    assert "0x0000" not in told


def test_the_recipe_sets_the_bundled_c_library_aside() -> None:
    recipe = load_toolchain("tpu-mlir").recipe
    assert recipe is not None
    assert recipe.python == ("3.10",)
    assert "tpu_mlir/lib/third_party/libc.so.6" in recipe.set_aside
