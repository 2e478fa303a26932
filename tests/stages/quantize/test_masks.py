"""A mask of the lowest float in front of a Softmax, in a model below opset 13."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy

from deploykit.stages.precision import PrecisionParams, plan_precision
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork
from tests.stages.quantize.test_narrow import Array, noise, proto_of, quantized

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

ATTENTION = """g (float[4,8] x, float[1,4] seen) => (float[4,8] y)
<float one = {1.0}, float lowest = {-3.4028235e38}>
{
    key = Transpose <perm = [1, 0]> (x)
    scores = MatMul (x, key)
    hidden = Sub (one, seen)
    mask = Mul (hidden, lowest)
    masked = Add (scores, mask)
    weights = Softmax <axis = 1> (masked)
    mixed = MatMul (weights, x)
    y = MatMul (mixed, w)
}"""


def test_masked_positions_stay_suppressed_and_per_channel_weights_load(bench: Bench) -> None:
    weights: dict[str, Array] = {"w": noise(8, 8)}
    proto = bench.model(ATTENTION, **weights)
    proto.opset_import[0].version = 12
    net = bench.whole(proto)
    plan = plan_precision(net, bench.costs(net), profile=bench.profile(), params=PrecisionParams())
    seen = numpy.array([[1, 1, 1, 0]], numpy.float32)
    frames = tuple({"x": noise(4, 8, seed=seed), "seen": seen} for seed in range(8))
    result = quantized(bench, net, plan, Clip("clip", frames))
    assert proto_of(bench, result).opset_import[0].version >= 13
    network = ReferenceNetwork(result, bench.workspace)
    exact = ReferenceNetwork(net, bench.workspace)
    error = numpy.abs(network(frames[0])["y"] - exact(frames[0])["y"]).max()
    assert error < 0.05 * numpy.abs(exact(frames[0])["y"]).max()
    other = {**frames[0], "x": frames[0]["x"].copy()}
    other["x"][3] *= 0.5  # the masked position: what the others see of it is nothing
    assert numpy.allclose(network(other)["y"][:3], network(frames[0])["y"][:3], atol=1e-6)
