"""Probes and measurements of this machine: their layers by hand, and that times are times."""

from __future__ import annotations

import numpy
import onnx
import pytest

from deploykit.analysis.time_model import CLASS_OF, CLASSES
from deploykit.core.graph.sketch import Sketch
from deploykit.core.runtime import open_session
from deploykit.stages.host import table_of
from deploykit.stages.host.measure import measure_latency_s
from deploykit.stages.host.probes import probes


def test_probes_are_valid_networks_that_cover_every_class_of_layers() -> None:
    seen: set[str] = set()
    names = []
    for probe in probes():
        onnx.checker.check_model(probe.model)
        names.append(probe.name)
        seen |= {CLASS_OF[row.kind] for row in table_of(probe.model).rows}
    assert len(set(names)) == len(names) > 60
    assert seen == set(CLASSES)


def test_a_sketch_has_the_layers_and_shapes_that_it_says() -> None:
    sketch = Sketch("toy")
    x = sketch.input(1, 3, 32, 32)
    y = sketch.conv(x, 16, stride=2)
    y = sketch.concat(y, sketch.pool(y, 3, stride=1))
    y = sketch.upsample(sketch.conv(y, 32, groups=32))
    y = sketch.multiply(y, sketch.conv(sketch.average(y), 32, 1, act="Sigmoid"))
    model = sketch.model(sketch.dense(sketch.reshape(sketch.average(y), 1, 32), 10))
    table = table_of(model)
    # 16 x 16 x 16 x 27, 16 x 16 x 32 x 9, 32 x 32, 32 x 10
    assert table.macs == 110_592 + 73_728 + 1024 + 320
    assert table.parameters == 16 * 28 + 32 * 10 + 32 * 33 + 10 * 33 + 4  # four scales of the Resize
    session = open_session(model.SerializeToString())
    (result,) = session.run(None, {"input_0": numpy.ones((1, 3, 32, 32), numpy.float32)})
    assert result.shape == (1, 10)
    assert numpy.isfinite(result).all()


def test_attention_is_softmax_of_scaled_products() -> None:
    sketch = Sketch("attention")
    x = sketch.input(1, 6, 8)
    model = sketch.model(sketch.attention(x, 2))
    weights = {
        tensor.name: onnx.numpy_helper.to_array(tensor).astype(numpy.float64)
        for tensor in model.graph.initializer
    }
    matrices = [value for value in weights.values() if value.shape == (8, 8)]
    values = numpy.random.default_rng(1).standard_normal((6, 8))
    queries, keys, contents = (
        (values @ matrix).reshape(6, 2, 4).transpose(1, 0, 2) for matrix in matrices[:3]
    )
    scores = numpy.exp(queries @ keys.transpose(0, 2, 1) / 2)
    mixed = (scores / scores.sum(-1, keepdims=True)) @ contents
    wanted = mixed.transpose(1, 0, 2).reshape(6, 8) @ matrices[3]
    session = open_session(model.SerializeToString())
    (found,) = session.run(None, {"input_0": values[None].astype(numpy.float32)})
    assert found[0] == pytest.approx(wanted, abs=1e-4)


def test_more_work_takes_longer() -> None:
    times = []
    for width in (16, 256):
        sketch = Sketch("products")
        x = sketch.input(256, width)
        for _ in range(4):
            x = sketch.dense(x, width)
        times.append(measure_latency_s(sketch.model(x), budget_s=0.02))
    assert 0 < times[0] < times[1]  # 256 times the MACs
