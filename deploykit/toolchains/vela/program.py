"""A TensorFlow Lite graph as plain values; `driver.py` writes it as a flatbuffer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Layout: TypeAlias = Literal["nchw", "nhwc"]
"""How a tensor of four axes lies; every other one lies as ONNX has it, which is called "nchw" too."""

OptionValue: TypeAlias = int | float | bool

NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3
"""The schema's ActivationFunctionType."""

VIEWS = "views.json"

SAME, VALID = 0, 1
"""The schema's Padding."""


@dataclass(frozen=True)
class Tensor:
    """`scales` is empty for a tensor without codes; several lie along `axis`. `data` makes it a constant."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    data: Array | None = None


@dataclass(frozen=True)
class Operator:
    """One builtin operator: `code` is the schema's BuiltinOperator, `options` the class of its options
    without the "T", `values` their fields. "" is an absent input."""

    code: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: str = ""
    values: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """Where a tensor of the network is in the program, and how it lies there."""

    tensor: str
    layout: Layout


@dataclass
class Program:
    """A graph in execution order. `views` are by the float network's names; inputs and outputs are such names
    too. It is to be run once for each of `batch` images."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    operators: list[Operator] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    batch: int = 1


def save_program(program: Program, folder: Path) -> None:
    """Write `program.json` and `constants.npz` for the driver, `views.json` for us; constants by number."""
    folder.mkdir(parents=True, exist_ok=True)
    number = {name: index for index, name in enumerate(program.tensors)}
    tensors = [
        {
            "name": tensor.name,
            "shape": list(tensor.shape),
            "dtype": tensor.dtype,
            "scales": list(tensor.scales),
            "zero_points": list(tensor.zero_points),
            "axis": tensor.axis,
        }
        for tensor in program.tensors.values()
    ]
    operators = [
        {
            "code": operator.code,
            "inputs": [number[name] if name else -1 for name in operator.inputs],
            "outputs": [number[name] for name in operator.outputs],
            "options": operator.options,
            "values": dict(operator.values),
        }
        for operator in program.operators
    ]
    document = {
        "tensors": tensors,
        "operators": operators,
        "inputs": [number[program.views[name].tensor] for name in program.inputs],
        "outputs": [number[program.views[name].tensor] for name in program.outputs],
    }
    (folder / "program.json").write_text(json.dumps(document), encoding="utf-8")
    views = {name: {"tensor": view.tensor, "layout": view.layout} for name, view in program.views.items()}
    ends = {"inputs": program.inputs, "outputs": program.outputs, "batch": program.batch}
    (folder / VIEWS).write_text(json.dumps({"views": views, **ends}), encoding="utf-8")
    constants = {
        f"t{number[tensor.name]}": tensor.data
        for tensor in program.tensors.values()
        if tensor.data is not None
    }
    numpy.savez(folder / "constants.npz", allow_pickle=False, **constants)
