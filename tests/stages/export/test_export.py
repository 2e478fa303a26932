"""The export step: what comes out is equal to what went in, and says so."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from onnx import TensorProto, helper, parser

from deploykit.artifacts.model import StatePair
from deploykit.core.errors import FindingError, InputError
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.graph.normalise import normalise
from deploykit.core.runtime import open_session, run_session
from deploykit.stages.export.params import ExportParams
from deploykit.tasks.protocol import Clip

RECURRENT = """g (float[1,2] x, float[1,2] prev) => (float[1,2] y, float[1,2] mem) <float half = {0.5}> {
    old = Mul(prev, half) mem = Add(x, old) y = Relu(mem) }"""


def frames(*values: float) -> Clip:
    return Clip("c", tuple({"x": numpy.full((1, 2), value, numpy.float32)} for value in values))


def test_a_plain_model_is_equal_bit_for_bit_and_the_proof_says_on_what(bench: Any) -> None:
    model = bench.export("g (float[2,3] x) => (float[2,3] y) { a = Exp(x) y = Neg(a) }")
    assert model.equality.bit_equal
    assert (model.equality.runs, model.equality.max_abs) == (2, 0.0)
    assert model.notices == ("proved equal to its source on random inputs (seed 0), as no data was given",)
    assert [node.id for node in model.graph.nodes] == ["a", "y"]
    assert [file.name for file in model.files] == ["net.onnx"]


def test_clips_are_used_where_they_are_given_with_state_carried_along(bench: Any) -> None:
    state = (StatePair("mem", "prev"),)
    model = bench.export(RECURRENT, [frames(1, 2, 3), frames(4, 5)], state=state, proof_frames=4)
    assert model.equality.runs == 4
    assert model.notices == ()
    assert model.state == state


def test_data_that_lacks_an_input_is_the_users_fault(bench: Any) -> None:
    with pytest.raises(InputError, match="input 'prev': clip 'c' gives no data for it"):
        bench.export(RECURRENT, [frames(1)])
    with pytest.raises(InputError, match=r"onnxruntime cannot run it.*x"):
        bench.export(
            RECURRENT,
            [Clip("c", ({"x": numpy.zeros((1, 3), numpy.float32)},))],
            state=(StatePair("mem", "prev"),),
        )


def test_state_pairs_that_do_not_fit_are_refused_all_at_once(bench: Any) -> None:
    with pytest.raises(InputError) as caught:
        bench.export(RECURRENT, state=(StatePair("mme", "prev"), StatePair("y", "prv")))
    text = str(caught.value)
    assert "'mme': the network has no such output, did you mean 'mem'?" in text
    assert "'prv': the network has no such input, did you mean 'prev'?" in text
    other = "g (float[1,2] x, float[1,3] prev) => (float[1,2] y) <int64[2] a = {1,3}> { p = ReduceSum(prev) y = Add(x, p) }"
    with pytest.raises(InputError, match=r"float\[1, 2\] leaves the network and float\[1, 3\] enters it"):
        bench.export(other, state=(StatePair("y", "prev"),))


def test_free_sizes_stay_without_a_request_and_are_bound_with_one(bench: Any) -> None:
    text = "g (float[N, 3] x) => (float[N, 3] y) { y = Relu(x) }"
    free = bench.export(text)
    assert free.graph.tensor["y"].shape == ("N", 3)
    assert any("sizes stay free: N" in notice for notice in free.notices)
    bound = bench.export(text, sizes={"N": 5})
    assert bound.graph.tensor["x"].shape == bound.graph.tensor["y"].shape == (5, 3)
    assert bound.equality.bit_equal


def test_random_data_finds_sizes_that_the_model_can_take(bench: Any) -> None:
    text = """g (float[1, W] x) => (float[R, 8] y) <int64[2] s = {-1, 8}> { y = Reshape(x, s) }"""
    model = bench.export(text)
    assert model.equality.runs == 2, "2, 1 and 4 columns do not fit; 32 do"


def test_a_source_that_cannot_run_is_kept_as_it_is_with_the_reason(bench: Any) -> None:
    text = """g (float[4] x, int64[1] s) => (float[K] y) { a = Reshape(x, s) b = Identity(a) y = Relu(b) }"""
    model = bench.export(text, simplify=True)  # a random shape does not fit 4 values
    assert model.equality is None
    assert any(
        "not proved equal to its source, which does not run on random inputs" in n for n in model.notices
    )
    assert any("kept without its simplified form: it could not be proved equal" in n for n in model.notices)


def test_an_old_opset_is_raised_where_that_is_equal(bench: Any) -> None:
    text = '<ir_version: 7, opset_import: ["" : 11]> g (float[2,6] x) => (float[2,6] y) { a = Relu(x) y = Softmax<axis = 1>(a) }'
    model = bench.export(parser.parse_model(text))
    assert model.graph.opset == 17
    assert bench.open(model).proto.ir_version == 8
    kept = bench.export(parser.parse_model(text), opset=11)
    assert kept.graph.opset == 11


def test_a_lower_opset_is_proved_or_refused_by_node(bench: Any) -> None:
    split = """g (float[2,6] x) => (float[2,3] y) <int64[1] ax = {1}> {
        a, b = Split<axis = 1, num_outputs = 2>(x) m = ReduceMean<keepdims = 1>(a, ax) y = Add(m, b) }"""
    proto = parser.parse_model(f'<ir_version: 8, opset_import: ["" : 18]> {split}')
    model = bench.export(proto, opset=13)
    assert (model.graph.opset, model.equality.bit_equal) == (13, True)
    mish = "g (float[2] x) => (float[2] y) { a = Relu(x) [act] y = Mish(a) }"
    with pytest.raises(InputError, match=r"cannot be written in opset 13: opset 13 has no Mish: Mish 'act'"):
        bench.export(parser.parse_model(f'<ir_version: 8, opset_import: ["" : 18]> {mish}'), opset=13)


def test_a_result_beyond_the_tolerance_is_not_taken(bench: Any) -> None:
    conv = helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 3, 3], numpy.linspace(-1, 1, 108).tolist())
    text = """g (float[1,3,8,8] x, float[4,3,3,3] w) => (float[1,4,6,6] y)
        <float[4] s = {0.3, 0.7, 1.1, 1.3}, float[4] b = {0.1, 0.2, 0.3, 0.4}, float[4] m = {0.5, 0.6, 0.7, 0.8}, float[4] v = {1.1, 1.2, 1.3, 1.4}> {
        c = Conv(x, w) y = BatchNormalization(c, s, b, m, v) }"""
    proto = parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    proto.graph.initializer.append(conv)
    fused = bench.export(proto, simplify=True)
    assert [node.op for node in fused.graph.nodes] == ["Conv"]
    assert 0 < fused.equality.max_abs < 1e-4
    assert fused.equality.where.startswith("y[")
    strict = bench.export(proto, tolerance=0.0, simplify=True)
    assert [node.op for node in strict.graph.nodes] == ["Conv", "BatchNormalization"]
    assert strict.equality.bit_equal
    assert any("kept without its simplified form: it differs from the source by" in n for n in strict.notices)


def test_a_normal_form_that_differs_from_its_source_is_a_finding(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(model: OnnxModel, *, freeze: bool) -> OnnxModel:
        changed = normalise(model, freeze=freeze)
        changed.proto.graph.node[0].op_type = "Abs"
        return changed

    monkeypatch.setattr("deploykit.stages.export.export.normalise", wrong)
    with pytest.raises(FindingError, match=r"differs from its source by .* at y\["):
        bench.export("g (float[64] x) => (float[64] y) { y = Neg(x) }")


def test_a_file_that_onnxruntime_refuses_is_repaired_and_compared_in_its_repaired_form(bench: Any) -> None:
    proto = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 13]> g (float[2] x) => (float[2] y) { y = Relu(x) }'
    )
    proto.ir_version = 99
    model = bench.export(proto)
    assert model.equality.bit_equal
    assert bench.open(model).proto.ir_version == 8
    assert "IR version 99" in model.notices[0]
    assert any(n.startswith("the proof compares with the repaired file") for n in model.notices)


def test_metadata_and_outputs_survive(bench: Any) -> None:
    proto = parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17], producer_name: "maker", doc_string: "calib v1">
        g (float[2] x) => (float[2] z, float[2] x2, float[2] y) { ["backbone/act"] y = Relu(x) z = Neg(y) x2 = Identity(x) }"""
    )
    proto.metadata_props.add(key="names", value="{0:'car'}")
    model = bench.export(proto, simplify=True)
    written = bench.open(model).proto
    assert model.graph.outputs == ("z", "x2", "y")
    assert (written.producer_name, written.doc_string) == ("maker", "calib v1")
    assert [(entry.key, entry.value) for entry in written.metadata_props] == [("names", "{0:'car'}")]
    assert "backbone/act" in [node.name for node in model.graph.nodes]


def test_a_foreign_operator_is_kept_and_the_rest_is_proved(bench: Any) -> None:
    text = """g (float[1,3,8,8] x) => (float[1,8,4,4] y) <float[1,8,4,4] b> {
        f = Relu(x) [pool] b = edge.ops.BevPool<out_h = 4>(f) y = Neg(b) }"""
    model = bench.export(text, simplify=True)
    assert [node.op for node in model.graph.nodes] == ["Relu", "BevPool", "Neg"]
    assert model.equality.bit_equal
    assert any(
        "without the operators that only the chip's side can run" in notice for notice in model.notices
    )


def test_weights_listed_as_inputs_are_frozen_or_stay_overridable(bench: Any) -> None:
    text = "g (float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}> { y = Mul(x, w) }"
    frozen = bench.export(text)
    assert frozen.graph.inputs == ("x",)
    assert [value.name for value in bench.open(frozen).proto.graph.input] == ["x"]
    free = bench.export(text, freeze=False)
    assert free.graph.inputs == ("x",), "an overridable weight is no input that a user has to give"
    file = bench.workspace.folder(free.files) / "net.onnx"
    data = {"x": numpy.ones(2, numpy.float32), "w": numpy.full(2, 7, numpy.float32)}
    assert run_session(open_session(file), data)[0].tolist() == [7, 7]


def test_external_data_stays_outside_and_is_copied(bench: Any) -> None:
    folder = bench.folder / "model"
    folder.mkdir()
    values = numpy.arange(4096, dtype=numpy.float32).reshape(64, 64)
    (folder / "w.bin").write_bytes(values.tobytes())
    weight = TensorProto(
        name="W", data_type=TensorProto.FLOAT, dims=[64, 64], data_location=TensorProto.EXTERNAL
    )
    weight.external_data.add(key="location", value="w.bin")
    proto = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1,64] x, float[64,64] W) => (float[1,64] y) { y = MatMul(x, W) }'
    )
    proto.graph.initializer.append(weight)
    file = folder / "m.onnx"
    file.write_bytes(proto.SerializeToString())
    for options in ({"simplify": True}, {"simplify": False}):
        model = bench.export(file, **options)
        assert model.equality.bit_equal
        written = bench.open(model)
        assert (written.array(written.proto.graph.initializer[0]) == values).all()
    assert [blob.name for blob in model.files] == ["net.onnx", "net.data"]


def test_neither_nor_both_sources_is_an_input_error(bench: Any) -> None:
    with pytest.raises(InputError, match="no model is given"):
        bench.export(None)
    with pytest.raises(InputError, match="both an ONNX file and `torch:`"):
        bench.export("g (float[2] x) => (float[2] y) { y = Relu(x) }", torch="a:b")


def test_the_same_model_gives_the_same_bytes(bench: Any) -> None:
    text = "g (float[2,3] x) => (float[2,3] y) <float[3] w = {1,2,3}> { a = Mul(x, w) y = Neg(a) }"
    assert bench.export(text).files == bench.export(text).files


def test_no_proof_is_said_where_none_was_wanted(bench: Any) -> None:
    model = bench.export("g (float[2] x) => (float[2] y) { y = Relu(x) }", proof_frames=0)
    assert model.equality is None
    assert any("not proved" in notice for notice in model.notices)


def test_the_written_file_loads_as_it_is(bench: Any) -> None:
    model = bench.export(
        "g (float[2] x, bool c) => (float[2] y) { y = If (c) <then_branch = t () => (float[2] p) { p = Neg(x) }, else_branch = e () => (float[2] q) { q = Abs(x) }> }"
    )
    again = load_model(bench.workspace.folder(model.files) / model.files[0].name)
    assert again.notices == []
    assert ExportParams().proof_frames == 6, "state errors show over several frames only"
