"""Errors of the outputs with one layer on fewer bits."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import pytest
from numpy.typing import NDArray

from deploykit.artifacts.model import Partition, StatePair
from deploykit.artifacts.sensitivity import Sensitivity
from deploykit.core.errors import InputError
from deploykit.stages.sensitivity import SensitivityParams, measure_sensitivity
from deploykit.tasks.protocol import Clip

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

NET = """g (float[1,32,6,6] x, float[1,32,6,6] before) => (float[1,32,6,6] y, float[1,32,6,6] memory)
{
    a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, w)
    b = Relu (a)
    memory = Add (b, before)
    c = Conv (memory, u)
    y = Sigmoid (c)
}"""


def normal(seed: int, *shape: int) -> NDArray[Any]:
    return numpy.random.default_rng(seed).standard_normal(shape).astype(numpy.float32)


@pytest.fixture
def net(bench: Bench) -> Partition:
    """Give two convolutions with a memory between them."""
    proto = bench.model(NET, w=normal(1, 32, 32, 3, 3) / 17, u=normal(2, 32, 32, 1, 1) / 6)
    return bench.whole(proto, state=[StatePair("memory", "before")])


@pytest.fixture
def clips() -> tuple[Clip, ...]:
    """Give two clips of two frames."""
    return tuple(
        Clip(f"clip {n}", tuple({"x": normal(10 * n + frame, 1, 32, 6, 6)} for frame in range(2)))
        for n in range(2)
    )


def measured(bench: Bench, net: Partition, clips: tuple[Clip, ...], **changes: Any) -> Sensitivity:
    params = dataclasses.replace(SensitivityParams(mode="measured"), **changes)
    return measure_sensitivity(net, clips, params=params, workspace=bench.workspace)


def table(found: Sensitivity) -> dict[tuple[str, str], float]:
    return {(layer.layer, item.scheme): item.error for layer in found.layers for item in layer.errors}


def test_nothing_is_measured_unless_asked(bench: Bench, net: Partition) -> None:
    found = measure_sensitivity(net, (), params=SensitivityParams(), workspace=bench.workspace)
    assert (found.mode, found.layers, found.frames) == ("off", (), 0)


def test_fewer_bits_move_the_outputs_more(bench: Bench, net: Partition, clips: tuple[Clip, ...]) -> None:
    found = measured(bench, net, clips)
    assert found.frames == 4
    assert [layer.nodes for layer in found.layers] == [("a", "b", "memory"), ("c", "y")]
    errors = table(found)
    for layer in ("a", "c"):
        assert errors[layer, "w8a16"] < errors[layer, "w8a8"] < errors[layer, "w4a8"] < 0.1
        assert errors[layer, "w8a16"] < errors[layer, "w4a16"]
    # 8 bits over a range of 6 to 8 standard deviations: about 40 dB; a tenth is far off
    assert 1e-6 < errors["a", "w8a8"] < 1e-3


def test_the_errors_of_layers_add_up(bench: Bench, net: Partition, clips: tuple[Clip, ...]) -> None:
    found = measured(bench, net, clips, schemes=("w8a8", "w4a16"))
    for scheme in ("w8a8", "w4a16"):
        factor = found.additivity(scheme)
        assert factor is not None
        assert 0.5 < factor < 2


def test_a_measured_layer_is_that_of_the_quantized_network(
    bench: Bench, net: Partition, clips: tuple[Clip, ...]
) -> None:
    # With the last layer in float, what is left of the whole network's error is what the first one makes of it.
    ahead = table(measured(bench, net, clips, schemes=("w8a8",)))
    back = table(measured(bench, net, clips, schemes=("w8a8",), mode="restored"))
    assert back["c", "w8a8"] == pytest.approx(ahead["a", "w8a8"], rel=0.2)
    assert back["a", "w8a8"] == pytest.approx(ahead["c", "w8a8"], rel=0.5)


def test_the_estimate_is_near_what_is_measured(bench: Bench, net: Partition, clips: tuple[Clip, ...]) -> None:
    exact = table(measured(bench, net, clips))
    quick = table(measured(bench, net, clips, mode="estimated"))
    for key, error in exact.items():
        assert error / 2 < quick[key] < 2 * error


def test_cosine_is_about_half_the_noise(bench: Bench, net: Partition, clips: tuple[Clip, ...]) -> None:
    # |d|^2 / |a|^2 = 2 (1 - cosine) where the error is orthogonal to the output
    noise = table(measured(bench, net, clips, schemes=("w8a8",)))
    cosine = table(measured(bench, net, clips, schemes=("w8a8",), measure="cosine"))
    assert cosine["a", "w8a8"] == pytest.approx(noise["a", "w8a8"] / 2, rel=0.3)


def test_an_output_that_a_layer_does_not_reach_has_no_error(
    bench: Bench, net: Partition, clips: tuple[Clip, ...]
) -> None:
    errors = table(measured(bench, net, clips, schemes=("w8a8",), outputs=("memory",)))
    assert errors["c", "w8a8"] < 1e-12  # onnxruntime's fused and unfused sums differ in the last bit
    assert errors["a", "w8a8"] > 1e-6


def test_segments_are_measured_as_one_network(bench: Bench, clips: tuple[Clip, ...]) -> None:
    first = bench.model(
        "g (float[1,32,6,6] x) => (float[1,32,6,6] b) { a = Conv (x, u)  b = Relu (a) }",
        u=normal(2, 32, 32, 1, 1) / 6,
    )
    second = bench.model(
        "g (float[1,32,6,6] b) => (float[1,32,6,6] y) { y = Conv (b, v) }", v=normal(3, 32, 32, 1, 1) / 6
    )
    net = bench.partition({"one": first, "two": second}, inputs=["x"], outputs=["y"])
    errors = table(measured(bench, net, clips, schemes=("w8a8", "w8a16")))
    assert errors["a", "w8a16"] < errors["a", "w8a8"] < 1e-3
    assert errors["y", "w8a16"] < errors["y", "w8a8"] < 1e-3


def test_a_metric_of_the_users_own(
    bench: Bench, net: Partition, clips: tuple[Clip, ...], tmp_path: Path
) -> None:
    module = tmp_path / "own_metric_of_test.py"
    module.write_text("def largest(true, other):\n    return abs(true['y'] - other['y']).max()\n")
    params = SensitivityParams(
        "measured", ("w8a8", "w8a16"), measure="metric", metric="own_metric_of_test:largest"
    )
    found = measure_sensitivity(net, clips, params=params, workspace=bench.workspace, folder=tmp_path)
    errors = table(found)
    # y is in [0, 1]: rounding to steps of 1 / 255 moves some value by nearly half a step; 8-bit weights add to it
    assert 0.1 > errors["c", "w8a8"] > 0.4 / 255
    assert errors["c", "w8a8"] > errors["c", "w8a16"] > 0
    with pytest.raises(InputError, match="cannot load own_metric_of_test:least"):
        measure_sensitivity(
            net,
            clips,
            params=dataclasses.replace(params, metric="own_metric_of_test:least"),
            workspace=bench.workspace,
            folder=tmp_path,
        )


def test_bad_options_are_named_at_once(bench: Bench, net: Partition, clips: tuple[Clip, ...]) -> None:
    with pytest.raises(InputError) as caught:
        measured(bench, net, clips, outputs=("memry",), schemes=("float16",), frames=0)
    assert [fault.where for fault in caught.value.faults] == [
        "sensitivity.outputs",
        "sensitivity.schemes",
        "sensitivity.frames",
    ]
