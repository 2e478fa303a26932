"""Concats of values of very different size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import pytest

from deploykit.toolchains.reference import ReferenceNetwork
from tests.stages.quantize.planned import clips_of, proto_of, quantized, weights_of
from tests.stages.quantize.test_narrow import noise

if TYPE_CHECKING:
    from tests.stages.conftest import Bench


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
