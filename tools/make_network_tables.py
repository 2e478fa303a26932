"""Rebuild the networks behind published latencies, and write a layer table for each.

    python -m tools.make_network_tables [PATTERN ...] [--again]

Reads `tools/networks.csv` (table, builder, input shape) and writes `hw_profiles/networks/TABLE.csv` where
there is none yet. Needs torch, torchvision, timm and ultralytics. Weights are random, since only shapes
count; no ONNX file is kept.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import io
import sys
import time
import warnings
from pathlib import Path

import onnx
import torch

from deploykit.analysis.layer_rows import network_table
from deploykit.analysis.layer_table_file import write_table
from deploykit.analysis.summary import summarise
from deploykit.artifacts.layer_table import NetworkTable
from deploykit.core.errors import InputError
from deploykit.core.graph.model import OnnxModel, model_from_proto
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.graph.simplify import simplified
from tools.network_builders import build

LIST = Path(__file__).with_name("networks.csv")
TABLES = Path(__file__).resolve().parents[1] / "hw_profiles" / "networks"
OPSET = 20
GROWTH_CAP = 1.0
"""Windowed attention folds its position biases into constants."""

_FINAL = """
    Add AveragePool BatchNormalization Clip Concat Conv ConvTranspose Div Erf Expand Flatten Gather Gelu Gemm
    GlobalAveragePool HardSigmoid HardSwish LayerNormalization LeakyRelu MatMul MaxPool Mul
    ReduceMean ReduceSum Relu Reshape Resize Sigmoid Softmax Split Squeeze Sub Transpose
    Unsqueeze
"""
FINAL = frozenset(_FINAL.split())
"""A graph of these alone is as simple as it gets (the exporter folds batch norms); onnxsim takes seconds.
Without Shape, what is gathered or reshaped are activations."""

_SIZE_FREE = """
    Add AveragePool BatchNormalization Clip Concat Constant Conv ConvTranspose Flatten Gemm GlobalAveragePool
    HardSigmoid HardSwish LeakyRelu MaxPool Mul ReduceMean ReduceSum Relu Resize Sigmoid Slice Softmax Split
"""
SIZE_FREE = frozenset(_SIZE_FREE.split())
TRACED_SIZE = 64
"""Tracing computes, so a network without attention is traced with a small image; shapes are inferred."""


def main() -> int:
    """Write the tables; 1 where a network could not be rebuilt."""
    parser = argparse.ArgumentParser(description="Rebuild networks and write their layer tables.")
    parser.add_argument("patterns", nargs="*", default=["*"], help="names of tables, with * and ?")
    parser.add_argument("--again", action="store_true", help="also those that are there already")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    failed = 0
    with LIST.open(newline="") as file:
        for row in csv.DictReader(file):
            target = TABLES / f"{row['table']}.csv"
            wanted = any(fnmatch.fnmatch(row["table"], pattern) for pattern in options.patterns)
            if wanted and (options.again or not target.exists()):
                failed += not _make(row, target)
    return 1 if failed else 0


def _make(row: dict[str, str], target: Path) -> bool:
    start = time.perf_counter()
    try:
        shape = tuple(int(dim) for dim in row["shape"].split("x"))
        table = rebuild(row["table"], row["builder"], shape)
    except (InputError, RuntimeError, ValueError, KeyError, AttributeError, TypeError, OSError) as error:
        print(f"{row['table']}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr, flush=True)
        return False
    target.write_text(write_table(table))
    print(
        f"{row['table']}: {table.macs / 1e9:.3f} GMACs, {table.parameters / 1e6:.3f} M parameters, "
        f"{table.layers} layers, {time.perf_counter() - start:.1f} s",
        flush=True,
    )
    return True


def rebuild(name: str, builder: str, shape: tuple[int, ...]) -> NetworkTable:
    """Build, export, normalise and simplify a network, and count its layers."""
    model, origin = exported(name, builder, shape)
    return network_table(summarise(model), name=name, source=origin)


def exported(name: str, builder: str, shape: tuple[int, ...]) -> tuple[OnnxModel, str]:
    """Build, export, normalise and simplify a network; say also where it is from."""
    module, origin = build(builder)
    _spread(module)
    scales = _may_scale(module) and not builder.startswith("timm:")
    proto = _export(module, (*shape[:2], TRACED_SIZE, TRACED_SIZE)) if scales else None
    if proto is not None and _is_size_free(proto):
        _set_input(proto, shape)
    else:
        proto = _export(module, shape)
    del module
    return _simple(normalise(model_from_proto(proto, name))), origin


def _export(module: torch.nn.Module, shape: tuple[int, ...]) -> onnx.ModelProto:
    content = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(module, (torch.zeros(shape),), content, opset_version=OPSET, dynamo=False)
    proto: onnx.ModelProto = onnx.ModelProto.FromString(content.getvalue())
    return proto


def _may_scale(module: torch.nn.Module) -> bool:
    """Say whether a network takes other image sizes: no tokens, no pool of a fixed size above 1."""
    return not any(
        isinstance(inner, torch.nn.LayerNorm)
        or (isinstance(inner, torch.nn.AdaptiveAvgPool2d) and inner.output_size not in (1, (1, 1)))
        for inner in module.modules()
    )


def _is_size_free(proto: onnx.ModelProto) -> bool:
    """Say whether nothing in the graph depends on the size of the image that it was traced with."""
    sized = (node for node in proto.graph.node if node.op_type == "Resize" and len(node.input) > 3)
    return {node.op_type for node in proto.graph.node} <= SIZE_FREE and not any(sized)


def _set_input(proto: onnx.ModelProto, shape: tuple[int, ...]) -> None:
    """Give the graph another input size; all other shapes are inferred anew."""
    for dim, size in zip(proto.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size
    del proto.graph.value_info[:]
    for output in proto.graph.output:
        for dim in output.type.tensor_type.shape.dim:
            dim.Clear()


def _spread(module: torch.nn.Module) -> None:
    """Make vectors unlike each other: the exporter stores equal ones (biases of zero) once."""
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.ndim == 1 and tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)


def _simple(model: OnnxModel) -> OnnxModel:
    """Give the model simplified by onnxsim where that can change it."""
    if {node.op_type for node in model.proto.graph.node} <= FINAL:
        infer_shapes(model)
        return model
    simple = simplified(model, GROWTH_CAP)
    if isinstance(simple, str):
        raise RuntimeError(f"not simplified: {simple}")
    return simple


if __name__ == "__main__":
    sys.exit(main())
