"""Networks quantized as the precision stage plans them, and what is asked of the result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import onnx
from onnx import ModelProto, numpy_helper

from deploykit.artifacts.model import Partition
from deploykit.stages.precision import PrecisionParams, SchemeException, plan_precision
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork
from tests.stages.quantize.test_narrow import Array, noise

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

PLAIN = QuantizeParams()


def clips_of(*shape: int, count: int = 2, frames: int = 6, seed: int = 0) -> list[Clip]:
    """Give clips of noise, other ones for each `seed`."""
    return [
        Clip(
            f"clip {index}",
            tuple({"x": noise(*shape, seed=1000 * seed + 100 * index + at + 1)} for at in range(frames)),
        )
        for index in range(count)
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
