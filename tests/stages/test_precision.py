"""Which nodes get which scheme, with the sentence that the user reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import pytest
from numpy.typing import NDArray

from deploykit.artifacts.model import Partition, StatePair
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.errors import InputError
from deploykit.stages.precision import Choice, PrecisionParams, SchemeException, plan_precision

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

WARP = """g (float[1,4,8,8] x, float[1,4,8,8] previous, float[1,2,3] ego)
=> (float[1,4,8,8] y, float[1,4,8,8] memory)
<int64[4] shape = {1, 8, 8, 2}>
{
    moved = MatMul (ego, base)
    turned = Transpose <perm = [0, 2, 1]> (moved)
    grid = Reshape (turned, shape)
    warped = GridSample (previous, grid)
    features = Conv (x, w)
    memory = Add (warped, features)
    y = Relu (memory)
}"""
SIZES = """g (float[1,4,8,8] x) => (float[1,6,8,8] y)
<int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64[1] four = {4}, float doubled = {2.0}>
{
    features = Conv (x, w)
    logits = Slice (features, zero, two, one)
    exponent = Exp (logits)
    size = Mul (exponent, doubled)
    rest = Slice (features, two, four, one)
    heat = Conv (x, v)
    y = Concat <axis = 1> (size, rest, heat)
}"""


def ones(*shape: int) -> NDArray[numpy.float32]:
    return numpy.ones(shape, numpy.float32)


def plan(
    bench: Bench,
    partition: Partition,
    *exceptions: tuple[str, Choice],
    schemes: tuple[str, ...] = ("w8a8", "float16"),
) -> PrecisionPlan:
    params = PrecisionParams(exceptions=tuple(SchemeException(match, scheme) for match, scheme in exceptions))
    return plan_precision(
        partition, bench.costs(partition, *schemes), profile=bench.profile(*schemes), params=params
    )


def reasons(found: PrecisionPlan) -> dict[str, str]:
    return {node.node: node.reason for node in found.nodes}


def types(found: PrecisionPlan) -> dict[str, str]:
    return {tensor.tensor: tensor.dtype for tensor in found.tensors}


@pytest.fixture
def warp(bench: Bench) -> Partition:
    """Give a memory that is moved by ego-motion coordinates before it is used."""
    proto = bench.model(WARP, base=ones(3, 64), w=ones(4, 4, 1, 1))
    return bench.whole(proto, state=[StatePair("memory", "previous")])


@pytest.fixture
def sizes(bench: Bench) -> Partition:
    """Give a head whose sizes go through Exp."""
    return bench.whole(bench.model(SIZES, w=ones(4, 4, 1, 1), v=ones(2, 4, 1, 1)))


def test_coordinates_stay_float_all_the_way_back_to_the_input(bench: Bench, warp: Partition) -> None:
    found = plan(bench, warp)
    assert [node.node for node in found.nodes if node.scheme == "float16"] == [
        "moved",
        "turned",
        "grid",
        "warped",
    ]
    assert reasons(found)["moved"].startswith("Computes coordinates")
    assert reasons(found)["warped"] == "Has no integer kernel."
    stored = types(found)
    assert {name: stored[name] for name in ("ego", "moved", "turned", "grid")} == dict.fromkeys(
        ("ego", "moved", "turned", "grid"), "float16"
    )


def test_what_is_sampled_is_stored_in_8_bits_and_a_state_pair_has_one_type(
    bench: Bench, warp: Partition
) -> None:
    stored = types(plan(bench, warp))
    assert (stored["warped"], stored["memory"], stored["previous"], stored["x"]) == ("int8",) * 4


def test_an_exponent_is_written_unrounded_and_its_result_stays_float(bench: Bench, sizes: Partition) -> None:
    found = plan(bench, sizes)
    assert found.scheme_of() == {
        "features": "w8a8",
        "logits": "float16",
        "exponent": "float16",
        "size": "float16",
        "rest": "w8a8",
        "heat": "w8a8",
        "y": "float16",
    }
    stored = types(found)
    assert (stored["features"], stored["logits"], stored["size"], stored["y"]) == ("float16",) * 4
    assert (stored["rest"], stored["heat"]) == ("int8", "int8")
    assert reasons(found)["y"].startswith("Belongs to an exponent")


def test_the_users_exception_wins_over_a_rule(bench: Bench, sizes: Partition) -> None:
    found = plan(bench, sizes, ("exponent", "w8a8"))
    assert found.scheme_of()["exponent"] == "w8a8"
    assert reasons(found)["exponent"] == "Asked for by the exception 'exponent'."
    assert types(found)["exponent"] == "int8"


def test_the_last_matching_exception_decides(bench: Bench, sizes: Partition) -> None:
    found = plan(bench, sizes, ("whole", "float"), ("he*", "w8a8"))
    assert set(found.scheme_of().values()) == {"float16", "w8a8"}
    assert [node.node for node in found.nodes if node.scheme == "w8a8"] == ["heat"]


def test_exceptions_that_match_nothing_are_all_named(bench: Bench, sizes: Partition) -> None:
    with pytest.raises(InputError) as error:
        plan(bench, sizes, ("featuers", "float"), ("whole", "float"), ("/head/*", "w8a8"))
    assert len(error.value.faults) == 2
    assert str(error.value.faults[0]) == (
        "precision.exceptions.0.match: 'featuers' matches no segment and no node, did you mean 'features'?"
    )
    assert error.value.faults[1].where == "precision.exceptions.2.match"


def test_an_engine_without_int8_keeps_its_best_float(bench: Bench, sizes: Partition) -> None:
    found = plan(bench, sizes, schemes=("float16", "float32"))
    assert set(found.scheme_of().values()) == {"float16"}
    assert reasons(found)["heat"] == "The engine npu has no w8a8 (wanted: the default scheme is w8a8)."
    assert set(types(found).values()) == {"float16"}


def test_an_exception_that_the_engine_cannot_meet_is_said(bench: Bench, sizes: Partition) -> None:
    found = plan(bench, sizes, ("heat", "float32"))
    assert found.scheme_of()["heat"] == "float16"
    assert found.notices == ("1 nodes keep another scheme than the exceptions ask for: heat",)


def test_integers_and_shapes_are_left_alone(bench: Bench) -> None:
    text = """g (float[2,3] x) => (float[3,2] y)
<int64[1] last = {-1}, int64[1] zero = {0}, int64 at = {1}>
{
    shape = Shape (x)
    size = Gather (shape, at)
    row = Unsqueeze (size, zero)
    whole_shape = Concat <axis = 0> (row, last)
    y = Reshape (x, whole_shape)
}"""
    found = plan(bench, bench.whole(bench.model(text)))
    kept = [node.node for node in found.nodes if node.reason.startswith("Works on integers")]
    assert kept == ["size", "row", "whole_shape"]
    assert reasons(found)["shape"] == "Has no integer kernel."
    assert types(found)["whole_shape"] == "int64"


def test_a_learned_offset_stops_at_the_features(bench: Bench) -> None:
    text = """g (float[1,4,8,8] x) => (float[1,4,8,8] y)
{
    features = Conv <pads = [1, 1, 1, 1]> (x, w)
    offsets = Conv <pads = [1, 1, 1, 1]> (features, v)
    moved = Transpose <perm = [0, 2, 3, 1]> (offsets)
    y = GridSample (features, moved)
}"""
    proto = bench.model(text, w=ones(4, 4, 3, 3), v=ones(2, 4, 3, 3))
    assert plan(bench, bench.whole(proto)).scheme_of() == {
        "features": "w8a8",
        "offsets": "float16",
        "moved": "float16",
        "y": "float16",
    }


def test_a_sum_in_front_of_a_normalisation_stays_float(bench: Bench) -> None:
    """The residual path of a transformer; the product beside it and a sum that is read otherwise do not."""
    weights = {name: numpy.ones(8, numpy.float32) for name in ("g", "b")}
    text = """g (float[4,8] x) => (float[4,8] y)
    { p = MatMul (x, w)
      s = Add (x, p)
      n = LayerNormalization (s, g, b)
      y = Add (n, p) }"""
    net = bench.whole(bench.model(text, w=numpy.eye(8, dtype=numpy.float32), **weights))
    plan = plan_precision(net, bench.costs(net), profile=bench.profile(), params=PrecisionParams())
    assert plan.scheme_of() == {"p": "w8a8", "s": "float16", "n": "float16", "y": "w8a8"}
    assert next(node.reason for node in plan.nodes if node.node == "s").startswith("Is a sum that")


def test_a_4_bit_plan_keeps_8_bits_where_they_cost_little(bench: Bench) -> None:
    """The first layer has 16 of 592 weights, the last more than 40 %: it has 4 bits."""
    text = """g (float[1,4,8,8] x) => (float[1,32,8,8] y)
    { a = Conv (x, u)
      b = Conv (a, v)
      y = Conv (b, w) }"""
    whole = bench.whole(
        bench.model(text, u=ones(4, 4, 1, 1), v=ones(16, 4, 1, 1), w=ones(32, 16, 1, 1)), state=[]
    )
    costs = bench.costs(whole, "w4a8", "w8a8", "float16")
    params = PrecisionParams(scheme="w4a8")
    found = plan_precision(whole, costs, profile=bench.profile("w4a8", "w8a8", "float16"), params=params)
    assert found.scheme_of() == {"a": "w8a8", "b": "w4a8", "y": "w4a8"}


def test_a_layer_behind_a_float_sum_and_scores_of_a_softmax_are_written_unrounded(bench: Bench) -> None:
    """The residual's layer and the product of query and key hand their sums over; their operands stay int8."""
    weights: dict[str, NDArray[numpy.float32]] = {
        name: numpy.ones(8, numpy.float32) for name in ("g", "b", "bias")
    }
    weights |= {name: numpy.eye(8, dtype=numpy.float32) for name in ("w", "v")}
    text = """g (float[4,8] x, float[4,4] mask) => (float[4,8] y)
    <int64[2] shape = {4, 8}, float root = {2.0}>
    { q = MatMul (x, w)
      k = Transpose <perm = [1, 0]> (q)
      product = MatMul (q, k)
      scores = Div (product, root)
      masked = Add (scores, mask)
      weights = Softmax (masked)
      mixed = MatMul (weights, q)
      plain = MatMul (mixed, v)
      sum = Add (plain, bias)
      moved = Reshape (sum, shape)
      s = Add (x, moved)
      y = LayerNormalization (s, g, b) }"""
    net = bench.whole(bench.model(text, **weights))
    plan = plan_precision(net, bench.costs(net), profile=bench.profile(), params=PrecisionParams())
    floats = {node for node, scheme in plan.scheme_of().items() if scheme == "float16"}
    assert floats == {"scores", "masked", "weights", "moved", "s", "y"}
    stored = {item.tensor: item.dtype for item in plan.tensors}
    unrounded = {name for name, dtype in stored.items() if not dtype.startswith("int")}
    assert unrounded == {"x", "mask", "product", "scores", "masked", "sum", "moved", "s", "y"}
    assert stored["weights"] == "int8"  # a product reads it, so it is rounded once


def test_a_sum_between_a_normalisation_and_a_mean_stays_float(bench: Bench) -> None:
    """A sentence's vector is the mean over its words; the same product behind a layer is int8."""
    weights = {name: numpy.ones(8, numpy.float32) for name in ("g", "b")}
    text = """g (float[4,8] x, float[4,1] mask) => (float[8] y, float[4,8] z)
    <int64[1] zero = {0}>
    { n = LayerNormalization (x, g, b)
      column = Identity (mask)
      masked = Mul (n, column)
      y = ReduceSum <keepdims = 0> (masked, zero)
      p = MatMul (n, w)
      z = Mul (p, mask) }"""
    net = bench.whole(bench.model(text, w=numpy.eye(8, dtype=numpy.float32), **weights))
    plan = plan_precision(net, bench.costs(net), profile=bench.profile(), params=PrecisionParams())
    schemes = plan.scheme_of()
    assert (schemes["column"], schemes["masked"], schemes["y"]) == ("float16", "float16", "float16")
    assert (schemes["p"], schemes["z"]) == ("w8a8", "w8a8")
