"""Does a toolchain that was just installed work? Compile and simulate a convolution."""

from __future__ import annotations

import time
from pathlib import Path

import numpy
from onnx import parser

from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.storage_types import storage_types
from deploykit.analysis.summary import summarise
from deploykit.artifacts.model import Partition, Segment
from deploykit.artifacts.precision import WEIGHT_BITS, NodePrecision, PrecisionPlan, Scheme
from deploykit.core.errors import EnvironmentFault
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.save import save_model
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.compile import CompileParams, compile_network
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.stages.simulate.chain import simulated_chain
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.protocol import Toolchain
from deploykit.toolchains.reference import ReferenceNetwork

WEIGHTS = ",".join(str((at * 7 % 19 - 9) / 20) for at in range(8 * 3 * 3 * 3))
MODEL = f"""<ir_version: 8, opset_import: ["" : 17]> smoke (float[1,3,16,16] x) => (float[1,8,16,16] y)
<float[8,3,3,3] w = {{{WEIGHTS}}}>
{{ c = Conv<kernel_shape=[3,3], pads=[1,1,1,1]>(x, w) y = Relu(c) }}"""

LEAST_COSINE = {True: 0.99, False: 0.95}
"""By whether weights have more than 4 bits."""


def smoke_test(
    toolchain: Toolchain, folder: Path, root: Path, *, chip: str = "", scheme: Scheme | None = None
) -> float:
    """Compile and simulate a small network; gives the seconds.

    `root` is the folder of the toolchains. `chip` is the first where none is named, `scheme` its first.

    Raises:
        InputError: the compiler or the simulator fails.
        EnvironmentFault: the results are wrong.
    """
    begun = time.monotonic()
    chips = toolchain.capabilities().chips
    chip = chip or next(iter(chips))
    workspace = Workspace(Store(folder / "store"))
    partition = _partition(workspace, folder)
    plan = _plan(partition, scheme or chips[chip][0])
    clips = [_clip(seed) for seed in range(3)]
    quantized = quantize(partition, plan, clips, params=QuantizeParams(), workspace=workspace)
    params = CompileParams(toolchain.name, chip)
    binaries = compile_network(
        partition, plan, quantized, clips, params=params, workspace=workspace, root=root
    )
    chain = simulated_chain(
        partition, plan, quantized, binaries, folder=folder / "chain", workspace=workspace, root=root
    )
    held_out = _clip(99)
    (((simulated,)),) = chain.run([held_out], keep=("y",))
    exact = ReferenceNetwork(partition, workspace)(held_out.frames[0])
    a, b = simulated["y"].ravel().astype(numpy.float64), exact["y"].ravel().astype(numpy.float64)
    cosine = float(a @ b / numpy.sqrt((a @ a) * (b @ b)))
    least = LEAST_COSINE[WEIGHT_BITS[scheme or chips[chip][0]] > 4]
    if not cosine >= least:
        raise EnvironmentFault(
            f"toolchain {toolchain.name}: a convolution for {chip} gives a cosine of {cosine:.4f} to float, "
            f"{least} is the least; remove it and install it again"
        )
    return round(time.monotonic() - begun, 1)


def _partition(workspace: Workspace, folder: Path) -> Partition:
    model = normalise(OnnxModel(parser.parse_model(MODEL), "smoke"))
    infer_shapes(model)
    target = folder / "model"
    target.mkdir()
    files = tuple(workspace.keep(file) for file in save_model(model, target, "smoke"))
    segment = Segment("smoke", files, summarise(model), "npu", "the whole")
    return Partition("smoke", ("x",), ("y",), (segment,), (), None)


def _plan(partition: Partition, scheme: Scheme) -> PrecisionPlan:
    nodes = tuple(NodePrecision(node.id, scheme, "") for node in partition.segments[0].graph.nodes)
    types = storage_types(NetworkFlow(partition), {node.node: scheme for node in nodes}, [])
    return PrecisionPlan("smoke", nodes, types)


def _clip(seed: int) -> Clip:
    values = numpy.random.default_rng(seed).normal(size=(1, 3, 16, 16)).astype(numpy.float32)
    return Clip(str(seed), ({"x": values},))
