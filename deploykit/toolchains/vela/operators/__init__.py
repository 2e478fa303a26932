"""How each ONNX operator is written in TensorFlow Lite."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from deploykit.toolchains.vela.lowering import Lowering
from deploykit.toolchains.vela.operators import layers, maps, moves, pointwise
from deploykit.toolchains.vela.qdq import Node

Emitter: TypeAlias = Callable[[Lowering, Node], None]

EMITTERS: dict[str, Emitter] = {
    "Abs": pointwise.lookup,
    "Add": pointwise.binary,
    "AveragePool": maps.pool,
    "Clip": pointwise.clip,
    "Concat": moves.concat,
    "Conv": layers.conv,
    "ConvTranspose": layers.conv_transpose,
    "Div": pointwise.binary,
    "Dropout": moves.identity,
    "Elu": pointwise.lookup,
    "Exp": pointwise.lookup,
    "Expand": moves.tile,
    "Flatten": moves.reshape,
    "Gather": moves.gather,
    "Gelu": pointwise.lookup,
    "Gemm": layers.gemm,
    "GlobalAveragePool": maps.mean,
    "GlobalMaxPool": maps.global_max,
    "HardSigmoid": pointwise.hard_sigmoid,
    "HardSwish": pointwise.hard_swish,
    "Identity": moves.identity,
    "LeakyRelu": pointwise.lookup,
    "MatMul": layers.matmul,
    "Max": pointwise.binary,
    "MaxPool": maps.pool,
    "Min": pointwise.binary,
    "Mul": pointwise.binary,
    "Neg": pointwise.lookup,
    "PRelu": pointwise.prelu,
    "Pad": moves.pad,
    "ReduceMean": maps.mean,
    "Relu": pointwise.clip,
    "Reshape": moves.reshape,
    "Resize": maps.resize,
    "Sigmoid": pointwise.lookup,
    "Slice": moves.slices,
    "Softmax": pointwise.softmax,
    "Split": moves.split,
    "Squeeze": moves.reshape,
    "Sub": pointwise.binary,
    "Tanh": pointwise.lookup,
    "Tile": moves.tile,
    "Transpose": moves.transpose,
    "Unsqueeze": moves.reshape,
}
"""By ONNX operator."""
