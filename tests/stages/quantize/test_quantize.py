"""Quantized networks in onnxruntime: error limits, integer storage, scales that have to agree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from deploykit.artifacts.model import Partition, StatePair
from deploykit.artifacts.precision import network_name
from deploykit.core.errors import InputError
from deploykit.stages.precision import PrecisionParams, SchemeException, plan_precision
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

Array: TypeAlias = NDArray[Any]

GENERATOR = numpy.random.default_rng(0)


PLAIN = QuantizeParams()


def noise(*shape: int, scale: float = 1.0) -> Array:
    """Give normal values of a fixed stream."""
    return (GENERATOR.standard_normal(shape) * scale).astype(numpy.float32)


def clips_of(*shape: int, count: int = 2, frames: int = 6) -> list[Clip]:
    return [
        Clip(f"clip {index}", tuple({"x": noise(*shape)} for _ in range(frames))) for index in range(count)
    ]


def quantized(
    bench: Bench,
    partition: Partition,
    clips: Sequence[Clip],
    *exceptions: SchemeException,
    params: QuantizeParams = PLAIN,
) -> Partition:
    precision = PrecisionParams(exceptions=exceptions)
    plan = plan_precision(partition, bench.costs(partition), profile=bench.profile(), params=precision)
    return quantize(partition, plan, clips, params=params, workspace=bench.workspace)


def sqnr_db(
    bench: Bench, reference: Partition, other: Partition, clips: Sequence[Clip], *, exact: bool = True
) -> dict[str, float]:
    """Run both over the clips; gives each output's ratio of signal to difference."""
    a = ReferenceNetwork(reference, bench.workspace, exact=True)
    b = ReferenceNetwork(other, bench.workspace, exact=exact)
    signal, error = dict.fromkeys(reference.outputs, 0.0), dict.fromkeys(reference.outputs, 0.0)
    for clip in clips:
        a.reset()
        b.reset()
        for frame in clip.frames:
            left, right = a(frame), b(frame)
            for name in reference.outputs:
                assert (left[name].dtype, left[name].shape) == (right[name].dtype, right[name].shape)
                signal[name] += float((left[name].astype(float) ** 2).sum())
                error[name] += float(((left[name].astype(float) - right[name]) ** 2).sum())
    return {name: 10 * math.log10(signal[name] / max(error[name], 1e-30)) for name in signal}


def proto_of(bench: Bench, partition: Partition, index: int = 0) -> ModelProto:
    files = partition.segments[index].files
    return onnx.load(bench.workspace.folder(files) / files[0].name)


def weights_of(proto: ModelProto) -> dict[str, Array]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def nodes_by_output(proto: ModelProto) -> Mapping[str, onnx.NodeProto]:
    return {name: node for node in proto.graph.node for name in node.output}


BACKBONE = """g (float[1,3,16,16] x) => (float[1,4,16,16] y)
{
    stem = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
    swish = HardSwish (stem)
    deep = Conv <group = 8, pads = [1, 1, 1, 1]> (swish, w2, b2)
    relu = Relu (deep)
    sum = Add (relu, swish)
    up = ConvTranspose <strides = [2, 2]> (sum, w3, b3)
    small = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (up)
    joined = Concat <axis = 1> (small, sum)
    score = Conv (joined, w4, b4)
    y = Sigmoid (score)
}"""


@pytest.fixture
def backbone(bench: Bench) -> Partition:
    """Give a net of the blocks that detectors are made of."""
    weights = {
        "w1": noise(8, 3, 3, 3, scale=0.3),
        "b1": noise(8, scale=0.3),
        "w2": noise(8, 1, 3, 3, scale=0.3),
        "b2": noise(8, scale=0.3),
        "w3": noise(8, 5, 2, 2, scale=0.3),
        "b3": noise(5, scale=0.3),
        "w4": noise(4, 13, 1, 1, scale=0.3),
        "b4": noise(4, scale=0.3),
    }
    return bench.whole(bench.model(BACKBONE, **weights))


@pytest.mark.parametrize("activation_type", ["int8", "uint8"])
def test_a_detectors_blocks_keep_their_values(
    bench: Bench, backbone: Partition, activation_type: str
) -> None:
    params = QuantizeParams(activation_type="int8" if activation_type == "int8" else "uint8")
    result = quantized(bench, backbone, clips_of(1, 3, 16, 16), params=params)
    unseen = clips_of(1, 3, 16, 16)
    assert sqnr_db(bench, backbone, result, unseen)["y"] > 33
    assert sqnr_db(bench, backbone, result, unseen, exact=False)["y"] > 33  # with onnxruntime's optimisations


def test_weights_and_biases_are_really_stored_as_integers(bench: Bench, backbone: Partition) -> None:
    result = quantized(bench, backbone, clips_of(1, 3, 16, 16))
    weights = weights_of(proto_of(bench, result))
    assert not {"w1", "b1", "w2", "b2", "w3", "b3", "w4", "b4"} & set(weights)
    assert {weights[f"w{index}::codes"].dtype.name for index in (1, 2, 3, 4)} == {"int8"}
    assert {weights[f"b{index}::codes"].dtype.name for index in (1, 2, 3, 4)} == {"int32"}
    assert max(array.size for array in weights.values() if array.dtype == numpy.float32) == 8  # scales


def test_scales_lie_along_the_output_channels(bench: Bench, backbone: Partition) -> None:
    proto = proto_of(bench, quantized(bench, backbone, clips_of(1, 3, 16, 16)))
    sizes = {name: value.shape for name, value in weights_of(proto).items() if name.startswith("w")}
    assert [sizes[f"w{index}::scale"] for index in (1, 2, 3, 4)] == [(8,), (8,), (5,), (4,)]
    axes = {
        node.input[0]: node.attribute[0].i
        for node in proto.graph.node
        if node.op_type == "DequantizeLinear" and node.attribute
    }
    assert [axes[f"w{index}::codes"] for index in (1, 2, 3, 4)] == [0, 0, 1, 0]
    assert axes["b3::codes"] == 0


def test_the_bias_scale_is_the_product_of_the_two_others(bench: Bench, backbone: Partition) -> None:
    weights = weights_of(proto_of(bench, quantized(bench, backbone, clips_of(1, 3, 16, 16))))
    for layer, source in ((1, "x"), (2, "swish"), (3, "sum"), (4, "joined")):
        product = weights[f"{source}::scale"] * weights[f"w{layer}::scale"]
        assert (weights[f"b{layer}::scale"] == product).all()


def test_what_is_moved_shares_one_scale(bench: Bench, backbone: Partition) -> None:
    weights = weights_of(proto_of(bench, quantized(bench, backbone, clips_of(1, 3, 16, 16))))
    group = ("sum", "up", "small", "joined")  # Concat joins small and sum; MaxPool moves up
    assert len({(float(weights[f"{n}::scale"]), int(weights[f"{n}::zero_point"])) for n in group}) == 1
    assert weights["relu::scale"] != weights["sum::scale"]


def test_nothing_is_rounded_between_a_layer_and_its_relu(bench: Bench, backbone: Partition) -> None:
    proto = proto_of(bench, quantized(bench, backbone, clips_of(1, 3, 16, 16)))
    writers = nodes_by_output(proto)
    assert writers["relu::float"].input[0] == "deep"
    assert writers["deep"].op_type == "Conv"
    assert writers["stem"].op_type == "DequantizeLinear"  # HardSwish is a step of its own


def test_the_network_keeps_its_names(bench: Bench, backbone: Partition) -> None:
    result = quantized(bench, backbone, clips_of(1, 3, 16, 16))
    float_names = {name for node in backbone.segments[0].graph.nodes for name in node.outputs}
    names = {name for node in result.segments[0].graph.nodes for name in node.outputs}
    assert float_names <= names
    assert {network_name(name) for name in names} >= float_names
    assert (result.inputs, result.outputs) == (backbone.inputs, backbone.outputs)
    before, after = backbone.segments[0].graph, result.segments[0].graph
    assert [before.tensor[name] for name in ("x", "y")] == [after.tensor[name] for name in ("x", "y")]


MEMORY = """g (float[1,4,8,8] x, float[1,4,8,8] previous) => (float[1,4,8,8] memory, float[1,4,8,8] y)
{
    both = Concat <axis = 1> (x, previous)
    gate_sum = Conv (both, w, b)
    gate = Sigmoid (gate_sum)
    change = Sub (x, previous)
    part = Mul (gate, change)
    memory = Add (previous, part)
    y = Relu (memory)
}"""
PAIR = (StatePair("memory", "previous"),)


def test_a_state_is_read_as_the_codes_that_were_written(bench: Bench) -> None:
    weights = {"w": noise(4, 8, 1, 1, scale=0.3), "b": noise(4, scale=0.3)}
    partition = bench.whole(bench.model(MEMORY, **weights), state=PAIR)
    clips = clips_of(1, 4, 8, 8)
    result = quantized(bench, partition, clips)
    stored = weights_of(proto_of(bench, result))
    assert stored["memory::scale"] == stored["previous::scale"]
    assert stored["memory::zero_point"] == stored["previous::zero_point"]
    written, read = _codes(bench, result, clips[0])
    assert len(written) == 6
    for before, after in zip(written, read[1:], strict=False):
        assert (before == after).all()
    assert (read[0] == stored["previous::zero_point"]).all()
    assert sqnr_db(bench, partition, result, clips_of(1, 4, 8, 8))["memory"] > 30


def _codes(bench: Bench, result: Partition, clip: Clip) -> tuple[list[Array], list[Array]]:
    """Run frame by frame; gives the codes of `memory` as written and of `previous` as read."""
    from deploykit.toolchains.taps import tapped

    with bench.workspace.scratch() as folder:
        names = ["memory::codes", "previous::codes"]
        network = ReferenceNetwork(*tapped(result, bench.workspace, names, folder), exact=True)
        runs = [network(frame) for frame in clip.frames]
    return [run["memory::codes"] for run in runs], [run["previous::codes"] for run in runs]


WARP = """g (float[1,4,8,8] x, float[1,4,8,8] previous, float[1,2,3] ego)
=> (float[1,4,8,8] memory)
<int64[4] shape = {1, 8, 8, 2}>
{
    moved = MatMul (ego, base)
    turned = Transpose <perm = [0, 2, 1]> (moved)
    grid = Reshape (turned, shape)
    warped = GridSample (previous, grid)
    features = Conv (x, w)
    memory = Add (warped, features)
}"""


def test_coordinates_are_not_rounded(bench: Bench) -> None:
    steps = numpy.linspace(-1, 1, 8, dtype=numpy.float32)
    rows, columns = numpy.meshgrid(steps, steps, indexing="ij")
    base = numpy.stack([columns.ravel(), rows.ravel(), numpy.ones(64, numpy.float32)])
    partition = bench.whole(bench.model(WARP, base=base, w=noise(4, 4, 1, 1, scale=0.3)), state=PAIR)
    turn = numpy.array([[[0.6, -0.8, 0.037], [0.8, 0.6, -0.021]]], numpy.float32)
    clip = Clip("turning", tuple({"x": noise(1, 4, 8, 8), "ego": turn} for _ in range(6)))
    result = quantized(bench, partition, [clip])
    proto = proto_of(bench, result)
    writers = nodes_by_output(proto)
    assert [writers[name].op_type for name in ("moved", "turned", "grid")] == [
        "MatMul",
        "Transpose",
        "Reshape",
    ]
    assert writers["moved"].input[:] == ["ego::float16", "base::float16"]
    assert writers["warped::float"].input[:] == ["previous::rounded::float16", "grid"]
    assert sqnr_db(bench, partition, result, [clip])["memory"] > 30


FIRST = """g (float[1,4,8,8] x) => (float[1,4,8,8] joint)
{
    sum = Conv (x, w1, b1)
    joint = Relu (sum)
}"""
SECOND = """g (float[1,4,8,8] joint) => (float[1,4,8,8] y)
{
    y = Conv (joint, w1, b2)
}"""


def test_both_sides_of_a_joint_have_the_same_codes(bench: Bench) -> None:
    shared = noise(4, 4, 1, 1, scale=0.4)
    segments = {
        "first": bench.model(FIRST, w1=shared, b1=noise(4)),
        "second": bench.model(SECOND, w1=shared, b2=noise(4)),
    }
    partition = bench.partition(segments, inputs=["x"], outputs=["y"])
    result = quantized(bench, partition, clips_of(1, 4, 8, 8))
    first, second = (weights_of(proto_of(bench, result, index)) for index in (0, 1))
    assert first["joint::scale"] == second["joint::scale"]
    assert first["joint::zero_point"] == second["joint::zero_point"]
    assert (first["w1::codes"] == second["w1::codes"]).all()
    assert (first["w1::scale"] == second["w1::scale"]).all()
    assert [shared.name for shared in result.shared_weights] == []  # 16 bytes: nothing worth sharing
    assert sqnr_db(bench, partition, result, clips_of(1, 4, 8, 8))["y"] > 33


def test_a_float_segment_computes_in_the_engine_s_float(bench: Bench) -> None:
    segments = {
        "first": bench.model(FIRST, w1=noise(4, 4, 1, 1), b1=noise(4)),
        "second": bench.model(SECOND.replace("w1", "w2"), w2=noise(4, 4, 1, 1), b2=noise(4)),
    }
    partition = bench.partition(segments, inputs=["x"], outputs=["y"])
    result = quantized(bench, partition, clips_of(1, 4, 8, 8), SchemeException("second", "float"))
    operators = {node.op_type for node in proto_of(bench, result, 1).graph.node}
    # the joint comes in as codes
    assert operators == {"QuantizeLinear", "DequantizeLinear", "Cast", "Conv"}
    assert weights_of(proto_of(bench, result, 1))["w2::float16"].dtype == numpy.float16


def test_a_large_bias_on_tiny_weights_does_not_saturate(bench: Bench) -> None:
    text = "g (float[1,1,1,2] x) => (float[1,2,1,2] y) { y = Conv (x, w, b) }"
    weights = numpy.array([1e-9, 0.5], numpy.float32).reshape(2, 1, 1, 1)
    partition = bench.whole(bench.model(text, w=weights, b=numpy.array([5.0, -4.5], numpy.float32)))
    clips = clips_of(1, 1, 1, 2)
    result = quantized(bench, partition, clips)
    assert sqnr_db(bench, partition, result, clips)["y"] > 40
    codes = weights_of(proto_of(bench, result))["b::codes"].astype(float)
    assert numpy.abs(codes).max() < 2**30 + 2**8


def test_a_weight_with_two_readers_has_one_set_of_codes(bench: Bench) -> None:
    text = """g (float[1,4,8,8] x) => (float[1,4,8,8] y)
{
    first = Conv (x, w, b)
    second = Conv (first, w, b)
    y = Relu (second)
}"""
    partition = bench.whole(bench.model(text, w=noise(4, 4, 1, 1, scale=0.4), b=noise(4)))
    result = quantized(bench, partition, clips_of(1, 4, 8, 8))
    weights = weights_of(proto_of(bench, result))
    assert [name for name in weights if name.startswith("w") and name.endswith("::codes")] == ["w::codes"]
    assert [name for name in weights if name.startswith("b") and name.endswith("::codes")] == [
        "b::codes",
        "b::2::codes",
    ]
    assert sqnr_db(bench, partition, result, clips_of(1, 4, 8, 8))["y"] > 33


def test_a_weight_that_is_listed_as_an_input_and_renamed_is_a_weight(bench: Bench) -> None:
    text = """g (float[1,4,8,8] x, float[4,4,1,1] w) => (float[1,4,8,8] y)
{
    same = Identity (w)
    y = Conv (x, same)
}"""
    partition = bench.whole(bench.model(text, w=noise(4, 4, 1, 1)))
    result = quantized(bench, partition, clips_of(1, 4, 8, 8))
    assert weights_of(proto_of(bench, result))["w::codes"].dtype == numpy.int8
    assert [value.name for value in proto_of(bench, result).graph.input] == ["x"]


def test_an_old_opset_is_raised(bench: Bench) -> None:
    proto = onnx.parser.parse_model(
        '<ir_version: 7, opset_import: ["" : 11]> g (float[1,4,8,8] x) => (float[1,4] y) '
        "{ a = Conv (x, w) y0 = ReduceMean <axes = [2, 3], keepdims = 0> (a) y = Clip (y0, low) }"
    )
    proto.graph.initializer.append(numpy_helper.from_array(noise(4, 4, 3, 3), "w"))
    proto.graph.initializer.append(numpy_helper.from_array(numpy.array(-1.0, numpy.float32), "low"))
    partition, clips = bench.whole(proto), clips_of(1, 4, 8, 8)
    result = quantized(bench, partition, clips)
    assert proto_of(bench, result).opset_import[0].version == 17
    assert weights_of(proto_of(bench, result))["w::scale"].shape == (4,)
    assert sqnr_db(bench, partition, result, clips)["y"] > 30


def test_depthwise_ranges_that_differ_a_thousandfold_need_the_factors_folded(bench: Bench) -> None:
    """Per-channel weights cannot help: the activation between has one scale. Beside a float product it stays."""
    text = """g (float[1,8,8,8] x) => (float[1,8,8,8] y)
{
    wide = Conv <group = 8, pads = [1, 1, 1, 1]> (x, w)
    y = Mul (wide, back)
}"""
    gains = numpy.logspace(0, 3, 8, dtype=numpy.float32).reshape(8, 1, 1, 1)
    model = bench.model(text, w=noise(8, 1, 3, 3) * gains, back=1 / gains.reshape(1, 8, 1, 1))
    partition = bench.whole(model)
    clips = clips_of(1, 8, 8, 8)
    plain = sqnr_db(bench, partition, quantized(bench, partition, clips), clips)["y"]
    kept = sqnr_db(
        bench, partition, quantized(bench, partition, clips, SchemeException("y", "float")), clips
    )["y"]
    assert plain > 35
    assert kept < 10  # the codes between the two are the cause, not the product


def test_the_percentile_leaves_outliers_out(bench: Bench) -> None:
    text = "g (float[1,1,64,64] x) => (float[1,1,64,64] y) { y = Conv (x, w) }"
    partition = bench.whole(bench.model(text, w=numpy.ones((1, 1, 1, 1), numpy.float32)))
    clips = clips_of(1, 1, 64, 64)
    clips[0].frames[0]["x"][0, 0, 0, 0] = 1000.0
    everything = quantized(bench, partition, clips, params=QuantizeParams(calibration="minmax"))
    without = quantized(
        bench, partition, clips, params=QuantizeParams(calibration="percentile", percentile=99.9)
    )
    assert weights_of(proto_of(bench, everything))["x::scale"] == pytest.approx(1004 / 255, rel=0.01)
    assert weights_of(proto_of(bench, without))["x::scale"] == pytest.approx(6.2 / 255, rel=0.15)


def test_the_percentile_keeps_the_winner_of_many_classes(bench: Bench) -> None:
    text = """g (float[1,1000] x) => (float[1,1000] y)
{
    sums = MatMul (x, w)
    moved = Identity (sums)
    y = Hardmax (moved)
}"""
    partition = bench.whole(bench.model(text, w=numpy.eye(1000, dtype=numpy.float32)))
    clips = clips_of(1, 1000)
    for number, frame in enumerate(frame for clip in clips for frame in clip.frames):
        frame["x"][0, number] = 30.0  # one value in 1000; a percentile of 99 leaves out ten
        frame["x"][0, number + 20] = 20.0
    params = QuantizeParams(calibration="percentile", percentile=99.0)
    asked = SchemeException("sums", "float"), SchemeException("moved", "w8a8")  # only the ranked values
    result = quantized(bench, partition, clips, *asked, params=params)
    network = ReferenceNetwork(result, bench.workspace)
    for number, frame in enumerate(frame for clip in clips for frame in clip.frames):
        assert network(frame)["y"].argmax() == number
    assert weights_of(proto_of(bench, result))["sums::scale"] == pytest.approx(34 / 255, rel=0.05)


@pytest.mark.parametrize("percentile", [50.0, 100.5])
def test_a_percentile_that_makes_no_range_is_an_error(
    bench: Bench, backbone: Partition, percentile: float
) -> None:
    with pytest.raises(InputError, match=r"quantize\.percentile"):
        quantized(bench, backbone, [], params=QuantizeParams(calibration="percentile", percentile=percentile))


def test_per_tensor_weights_have_one_scale(bench: Bench, backbone: Partition) -> None:
    result = quantized(bench, backbone, clips_of(1, 3, 16, 16), params=QuantizeParams(per_channel=False))
    weights = weights_of(proto_of(bench, result))
    assert [weights[f"w{index}::scale"].shape for index in (1, 2, 3, 4)] == [()] * 4


HEAD = """g (float[1,4,8,8] x) => (float[1,64,8] y)
<int64[3] shape = {1, 8, 64}>
{
    boxes = Conv (x, w)
    logits = Conv (x, v)
    scores = Sigmoid (logits)
    both = Concat <axis = 1> (boxes, scores)
    flat = Reshape (both, shape)
    y = Transpose <perm = [0, 2, 1]> (flat)
}"""


def test_boxes_and_scores_that_share_a_concat_have_scales_of_their_own(bench: Bench) -> None:
    """The head of a YOLO: pixels beside scores in [0, 1], which one scale would leave 2 of 256 codes."""
    partition = bench.whole(bench.model(HEAD, w=noise(4, 4, 1, 1, scale=200), v=noise(4, 4, 1, 1)))
    clips = clips_of(1, 4, 8, 8)
    result = quantized(bench, partition, clips)
    scales = weights_of(proto_of(bench, result))
    assert scales["scores::scale"] == pytest.approx(1 / 255)
    assert scales["boxes::scale"] > 1
    assert not {"both::scale", "flat::scale", "y::scale"} & set(scales)
    exact, network = ReferenceNetwork(partition, bench.workspace), ReferenceNetwork(result, bench.workspace)
    frame = clips[0].frames[0]
    error = numpy.abs(exact(frame)["y"] - network(frame)["y"])[0, :, 4:]  # the scores
    assert error.max() < 0.03
    (notice,) = [notice for notice in result.notices if "scale of its own" in notice]
    assert notice.startswith("both joins boxes (range ")
    assert "and scores (range 1)" in notice


def test_a_concat_of_uneven_values_in_front_of_a_layer_is_pointed_out(bench: Bench) -> None:
    text = (
        HEAD.replace("float[1,64,8] y", "float[1,4,8,8] y").split("    flat =")[0]
        + "    y = Conv (both, u)\n}"
    )
    text = text.replace("<int64[3] shape = {1, 8, 64}>", "")
    weights = {"w": noise(4, 4, 1, 1, scale=200), "v": noise(4, 4, 1, 1), "u": noise(4, 8, 1, 1)}
    result = quantized(bench, bench.whole(bench.model(text, **weights)), clips_of(1, 4, 8, 8))
    (notice,) = [notice for notice in result.notices if "under one scale" in notice]
    assert notice.startswith("both joins boxes (range ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": None}, "calibration clip 'bad', frame 1: no data for input 'x'"),
        (
            {"x": numpy.zeros((1, 3, 16, 15), numpy.float32)},
            "calibration clip 'bad', frame 1: x: shape (1, 3, 16, 15)",
        ),
        ({"x": numpy.zeros((1, 3, 16, 16))}, "calibration clip 'bad', frame 1: x: type float64"),
        (
            {"x": numpy.full((1, 3, 16, 16), numpy.nan, numpy.float32)},
            "calibration clip 'bad', frame 1: x: 768 of 768",
        ),
        ({"more": numpy.zeros(1)}, "calibration clip 'bad', frame 1: the network has no input 'more'"),
    ],
)
def test_bad_calibration_data_names_clip_frame_and_tensor(
    bench: Bench, backbone: Partition, change: dict[str, Array | None], message: str
) -> None:
    good = {"x": noise(1, 3, 16, 16)}
    frame = {name: value for name, value in {**good, **change}.items() if value is not None}
    with pytest.raises(InputError) as error:
        quantized(bench, backbone, [Clip("bad", (good, frame))])
    assert str(error.value).startswith(message)


def test_a_network_that_gives_nan_names_the_tensor(bench: Bench) -> None:
    text = "g (float[1,2] x) => (float[1,2] y) { root = Sqrt (x) y = MatMul (root, w) }"
    partition = bench.whole(bench.model(text, w=numpy.eye(2, dtype=numpy.float32)))
    clip = Clip("bad", ({"x": numpy.array([[1.0, -1.0]], numpy.float32)},))
    with pytest.raises(InputError, match=r"calibration clip 'bad', frame 0: root: 1 of 2 values are NaN"):
        quantized(bench, partition, [clip])


def test_no_frames_is_an_error(bench: Bench, backbone: Partition) -> None:
    with pytest.raises(InputError, match="the data has no frames"):
        quantized(bench, backbone, [Clip("empty", ())])
