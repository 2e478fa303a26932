"""Plan files read back by small parsers; figures come from the formats' own documentation."""

from __future__ import annotations

import dataclasses
import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from deploykit.artifacts.encodings import Encoding
from deploykit.core.errors import InputError
from deploykit.toolchains.plan_files import PLAN_FILES

if TYPE_CHECKING:
    from tests.toolchains.plan_files.conftest import MakePlan


def only(files: tuple[tuple[str, str], ...], end: str) -> str:
    return next(text for name, text in files if name == end)


def rows(table: str) -> dict[str, list[str]]:
    """Read a tpu-mlir table: columns by white space, comments left out."""
    lines = (line.split() for line in table.splitlines() if not line.startswith("#"))
    return {name: columns for name, *columns in lines}


def test_rknn_lists_the_layers_that_differ_and_all_ranges(make_plan: MakePlan) -> None:
    written = PLAN_FILES["rknn"](make_plan("w8a8", "w8a16", "float16"))
    content: Any = YAML(typ="safe").load(only(written.files, ".quantization.cfg"))
    assert content["custom_quantize_layers"] == {"active": "int16", "heat": "float16"}
    assert content["quantize_parameters"] == {
        "images": {"min": [0.0], "max": [pytest.approx(1.000008)]},
        "active": {"min": [-3.2], "max": [pytest.approx(3.175)]},
    }
    assert written.notices == ("step 2 wants the files that step 1 wrote: give their folder as --step1",)


STEP_1 = """custom_quantize_layers: {}
quantize_parameters:
    images:
        qtype: asym
        qmethod: layer
        dtype: float32
        min:
        -   -4.593990325927734
        max:
        -   4.731957912445068
        scale: []
    active_mm:
        qtype: asym
        qmethod: layer
        dtype: int8
        min:
        -   -3.0
        max:
        -   6.513420581817627
        scale:
        -   0.03730753169340246
        ori_min:
        -   -7.444822311401367
    images_int8:
        qtype: asym
        qmethod: layer
        dtype: int8
        min:
        -   -4.593990325927734
        max:
        -   4.731957912445068
        scale:
        -   0.03657234603283452
"""


def test_rknn_fills_the_file_of_step_1_and_changes_what_step_2_allows(make_plan: MakePlan) -> None:
    plan = dataclasses.replace(make_plan("w8a8", "w8a16", "float16"), before=STEP_1)
    written = PLAN_FILES["rknn"](plan)
    content: Any = YAML(typ="safe").load(only(written.files, ".quantization.cfg"))
    before: Any = YAML(typ="safe").load(STEP_1)
    assert content["custom_quantize_layers"] == {"active_mm": "int16"}
    assert content["quantize_parameters"]["images"] == before["quantize_parameters"]["images"]
    after = content["quantize_parameters"]["active_mm"]
    assert (after.pop("min"), after.pop("max")) == ([-3.2], [pytest.approx(3.175)])
    assert after.items() < before["quantize_parameters"]["active_mm"].items()
    assert content["quantize_parameters"]["images_int8"]["max"] == [pytest.approx(1.000008)]
    assert written.notices == ("RKNN has no such layer, it has fused or replaced it: heat",)


@pytest.mark.parametrize("text", ["", "[1]", "a: {b", "custom_quantize_layers: {}"])
def test_rknn_refuses_a_file_that_is_not_of_step_1(make_plan: MakePlan, text: str) -> None:
    plan = dataclasses.replace(make_plan("w8a8", "w8a8", "float16"), before=text)
    with pytest.raises(InputError, match="segment 'net': the file of step 1: it has no quantize_parameters"):
        PLAN_FILES["rknn"](plan)


def test_rknn_says_what_it_changes(make_plan: MakePlan) -> None:
    written = PLAN_FILES["rknn"](make_plan("w8a16", "w8a8", "float32"))
    assert written.notices[1:] == (
        "RKNN has no float32, these become float16: gate",
        "int16 has 16-bit weights too: stem_Conv",
    )


def test_rknn_takes_4_bit_weights_for_all_layers_only(make_plan: MakePlan) -> None:
    text = only(PLAN_FILES["rknn"](make_plan("w4a16", "w4a16", "float16")).files, ".quantization.cfg")
    assert "quantized_dtype='w4a16'" in text
    assert YAML(typ="safe").load(text)["custom_quantize_layers"] == {"heat": "float16"}
    with pytest.raises(InputError, match="no word for w4a16: stem_Conv; use w8a8 or w8a16"):
        PLAN_FILES["rknn"](make_plan("w4a16", "w8a8", "float16"))


def test_tpu_mlir_names_operators_by_output_and_type(make_plan: MakePlan) -> None:
    written = PLAN_FILES["tpu-mlir"](make_plan("w8a8", "w8a8", "float16"))
    assert rows(only(written.files, ".qtable")) == {"heat_Sigmoid": ["F16"]}
    # the manual's own first row: images 1.0000080 0.0000000 1.0000080
    assert rows(only(written.files, ".cali_table")) == {
        "images": ["1.0000080", "0.0000000", "1.0000080"],
        "active_Relu": ["3.2000000", "-3.2000000", "3.1750000"],
    }
    assert written.notices == ("no range of the output is known, the value is not rounded there: stem_Conv",)


def test_tpu_mlir_has_no_16_bit_integers(make_plan: MakePlan) -> None:
    written = PLAN_FILES["tpu-mlir"](make_plan("w4a16", "w8a16", "float32"))
    modes = {"features_Conv": ["F16"], "active_Relu": ["F16"], "heat_Sigmoid": ["F32"]}
    assert rows(only(written.files, ".qtable")) == modes
    assert written.notices == (
        "tpu-mlir has no 16-bit integers, activations become float16: stem_Conv, stem_Relu",
        "weights stay float16, only MatMul has 4- or 8-bit weights beside F16: stem_Conv",
    )


def test_tpu_mlir_keeps_4_bit_weights_where_it_has_them(make_plan: MakePlan) -> None:
    written = PLAN_FILES["tpu-mlir"](make_plan("w4a8", "w4a8", "float16"))
    assert rows(only(written.files, ".qtable")) == {"features_Conv": ["W4INT8"], "heat_Sigmoid": ["F16"]}


def test_tensorrt_gives_each_layer_a_precision_to_both_programs(make_plan: MakePlan) -> None:
    written = PLAN_FILES["tensorrt"](make_plan("w8a8", "float16", "float32"))
    assert shlex.split(only(written.files, ".trtexec.txt")) == [
        "--fp16",
        "--int8",
        "--precisionConstraints=obey",
        "--layerPrecisions=stem_Conv:int8,stem_Relu:fp16,gate:fp32",
    ]
    assert shlex.split(only(written.files, ".polygraphy.txt")) == [
        "--fp16",
        "--int8",
        "--precision-constraints",
        "obey",
        "--layer-precisions",
        "stem_Conv:int8",
        "stem_Relu:float16",
        "gate:float32",
    ]


def test_tensorrt_refuses_what_it_cannot_say(make_plan: MakePlan) -> None:
    with pytest.raises(InputError) as found:
        PLAN_FILES["tensorrt"](make_plan("w4a16", "w8a16", "w8a16"))
    assert [fault.what for fault in found.value.faults] == [
        "TensorRT's layer precision has no word for w4a16: stem_Conv",
        "TensorRT's layer precision has no word for w8a16: stem_Relu, gate",
    ]


def test_tensorrt_refuses_names_with_separators(make_plan: MakePlan) -> None:
    plan = make_plan("w8a8", "w8a8", "float16")
    graph = plan.segment.graph
    renamed = tuple(
        dataclasses.replace(node, name="gate,2") if node.name == "gate" else node for node in graph.nodes
    )
    segment = dataclasses.replace(plan.segment, graph=dataclasses.replace(graph, nodes=renamed))
    with pytest.raises(InputError, match="the name 'gate,2' holds ',', which trtexec reads as a separator"):
        PLAN_FILES["tensorrt"](dataclasses.replace(plan, segment=segment))


def test_horizon_lists_the_nodes_that_are_not_int8(make_plan: MakePlan) -> None:
    written = PLAN_FILES["horizon"](make_plan("w8a8", "w8a16", "float16"))
    assert json.loads(only(written.files, ".quant_config.json")) == {
        "model_config": {"all_node_type": "int8"},
        "node_config": {"stem_Relu": {"qtype": "int16"}, "gate": {"qtype": "float16"}},
    }
    with pytest.raises(InputError, match="no word for w4a8: stem_Conv"):
        PLAN_FILES["horizon"](make_plan("w4a8", "w8a8", "w8a8"))


def test_aimet_has_the_documented_entries(make_plan: MakePlan) -> None:
    text = only(PLAN_FILES["aimet"](make_plan("w8a8", "w8a8", "float16")).files, ".encodings")
    content = json.loads(text)
    first = content["param_encodings"]["weight"][0]
    assert first["min"] == pytest.approx(-1.536)  # the entry in the module's docstring
    assert first["max"] == pytest.approx(1.524)
    assert (first["offset"], first["is_symmetric"], first["bitwidth"]) == (-128, "True", 8)
    (images,) = content["activation_encodings"]["images"]
    assert (images["offset"], images["min"], images["is_symmetric"]) == (0, 0.0, "False")
    assert content["activation_encodings"]["heat"] == [{"bitwidth": 16, "dtype": "float"}]
    assert content["version"] == "0.6.1"


@given(
    st.sampled_from(["int8", "uint8", "int16", "uint16"]),
    st.floats(1e-6, 1e3),
    st.integers(0, 255),
    st.integers(0, 255),
)
def test_offsets_give_back_every_code(dtype: str, scale: float, zero: int, step: int) -> None:
    probe = Encoding("t", "activation", dtype, (scale,), (0,))
    lowest, _ = probe.code_range
    encoding = Encoding("t", "activation", dtype, (scale,), (lowest + zero,))
    (offset,) = encoding.offsets()
    code = lowest + step
    assert (step + offset) * scale == (code - (lowest + zero)) * scale
    assert encoding.ranges[0][0] == offset * scale


def test_blocks_are_refused_by_0_6_1_and_nested_in_2_0_0(make_plan: MakePlan) -> None:
    blocks = Encoding("weight", "weight", "int4", (0.1, 0.2, 0.3), (0, 0, 0), (3, 1, 1, 1), axis=1, block=2)
    plan = make_plan("w4a8", "w8a8", "float16", encodings=(blocks,))
    with pytest.raises(InputError, match="no word for blocks of 2 weights: weight of stem_Conv"):
        PLAN_FILES["aimet"](plan)
    written = PLAN_FILES["aimet-2"](plan)
    (entry,) = json.loads(only(written.files, ".encodings"))["encodings"]
    assert entry == {
        "name": "weight",
        "output_dtype": "int4",
        "y_scale": [[[[0.1]]], [[[0.2]]], [[[0.3]]]],
        "axis": 1,
        "block_size": 2,
    }
    assert written.notices == ("float16 is not in the file, a tensor without an entry is float: gate",)


def test_a_second_width_is_named(make_plan: MakePlan) -> None:
    wide = Encoding("active", "activation", "int16", (0.001,), (0,))
    narrow = Encoding("active", "activation", "int8", (0.025,), (0,))
    written = PLAN_FILES["aimet"](make_plan("w8a16", "w8a8", "w8a8", encodings=(wide, narrow)))
    (entry,) = json.loads(only(written.files, ".encodings"))["activation_encodings"]["active"]
    assert entry["bitwidth"] == 16
    assert written.notices == ("only the stored width is in the file: active (also int8)",)
