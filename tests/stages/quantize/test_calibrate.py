"""Ranges from data: what a percentile leaves out, and data that gives none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import pytest

from deploykit.artifacts.model import Partition
from deploykit.core.errors import InputError
from deploykit.stages.precision import SchemeException
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork
from tests.stages.quantize.planned import clips_of, proto_of, quantized, weights_of
from tests.stages.quantize.test_narrow import Array, noise

if TYPE_CHECKING:
    from tests.stages.conftest import Bench


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
