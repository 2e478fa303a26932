"""Turn a quantized segment into a TensorFlow Lite program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploykit.artifacts.graph import TensorInfo
from deploykit.core.errors import Fault, InputError
from deploykit.toolchains.vela.chains import derive_chain_codes, fold_hard_swish
from deploykit.toolchains.vela.lowering import Lowering, arranged
from deploykit.toolchains.vela.operators import EMITTERS
from deploykit.toolchains.vela.operators.pointwise import derive_codes
from deploykit.toolchains.vela.program import Layout, Program, View
from deploykit.toolchains.vela.qdq import QdqNetwork, read_network


def convert(quantized: Path, known: Mapping[str, TensorInfo], *, longest_stride: int = 3) -> Program:
    """Read a QDQ file and write its program; `known` are the float segment's tensors.

    Convolutions whose strides exceed `longest_stride` run over blocks.

    Raises:
        InputError: every operator that has no TensorFlow Lite form.
    """
    return convert_network(read_network(quantized), known, longest_stride=longest_stride)


def convert_network(
    network: QdqNetwork, known: Mapping[str, TensorInfo], *, longest_stride: int = 3
) -> Program:
    """Write a network's program."""
    unknown = sorted({node.op for node in network.nodes} - EMITTERS.keys())
    if unknown:
        where = {op: [node.name for node in network.nodes if node.op == op] for op in unknown}
        raise InputError(
            *(
                Fault(
                    f"nodes {', '.join(names)}",
                    f"TensorFlow Lite has no operator for {op}",
                    "let the CPU have it",
                )
                for op, names in where.items()
            )
        )
    fold_hard_swish(network)
    low = Lowering(network, known, longest_stride=longest_stride)
    derive_chain_codes(low)
    for node in network.nodes:
        derive_codes(low, node)
    _inputs(low)
    for node in network.nodes:
        EMITTERS[node.op](low, node)
    _outputs(low)
    return low.program


def _inputs(low: Lowering) -> None:
    for name in low.network.inputs:
        shape = low.shape(name)
        layout: Layout = "nhwc" if len(shape) == 4 else "nchw"
        wanted = low.network.codes_of.get(name)
        codes = wanted[0] if wanted else None
        tensor = low.tensor(name, arranged(shape, layout), codes.dtype if codes else "float32", codes)
        low.made(name, tensor, codes, layout)
        low.program.inputs.append(name)


def _outputs(low: Lowering) -> None:
    for name, read in low.network.outputs:
        layout = low.layout_of(read)
        tensor = low.get(read.root, low.codes_read(read) or low.codes_written(read.root), layout)
        low.program.views.setdefault(name, View(tensor, layout))
        low.program.outputs.append(name)
