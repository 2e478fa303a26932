"""A PyTorch module as the source: built by the user's function, exported, and run for the proof."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploykit.artifacts.model import StatePair
from deploykit.core.errors import input_error
from deploykit.core.python_code import load_function
from deploykit.stages.export.params import ExportParams
from deploykit.tasks.protocol import Array, Network

OPSET = 17


@dataclass(frozen=True)
class Built:
    """What the user's function gave: a module in evaluation mode, example inputs by name, output names."""

    module: Any
    inputs: Mapping[str, Any]
    outputs: tuple[str, ...]


def export_torch(params: ExportParams, folder: Path, scratch: Path) -> tuple[Path, Network]:
    """Export the module to an ONNX file; gives that and the module as a network to compare with.

    `folder` is the pipeline's. Raises InputError where torch is missing, the function cannot be found or
    fails, or the export does.
    """
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        fix = "install it with `pip install 'deploykit[torch]'`"
        raise input_error("export: torch", "PyTorch is not installed", fix) from error
    built = _build(params.torch, folder, torch)
    target = scratch / "from_torch.onnx"
    opset = params.opset or OPSET
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of each value that it traces as a constant
            torch.onnx.export(
                built.module,
                tuple(built.inputs.values()),
                str(target),
                input_names=list(built.inputs),
                output_names=list(built.outputs),
                opset_version=max(opset, OPSET),
                dynamo=False,  # the newer exporter needs a further package, and writes opset 18 and up only
            )
    except Exception as error:  # anything the user's module raises while it is traced
        raise input_error(params.torch, f"PyTorch cannot export it: {_first_line(error)}") from error
    return target, TorchNetwork(built, torch, params.state)


def _build(spec: str, folder: Path, torch: Any) -> Built:
    function = load_function(spec, folder, "export.torch")
    try:
        result = function()
    except Exception as error:  # the user's own code
        raise input_error(spec, f"the function fails: {_first_line(error)}") from error
    if not isinstance(result, tuple) or len(result) not in (2, 3):
        raise input_error(
            spec, "it has to return (module, example inputs) or (module, example inputs, output names)"
        )
    module, inputs = result[0].eval(), result[1]
    if not isinstance(inputs, Mapping):
        inputs = {
            f"input{at}": value for at, value in enumerate(inputs if isinstance(inputs, tuple) else (inputs,))
        }
    with torch.no_grad():
        count = len(_as_tuple(module(*inputs.values())))
    names = tuple(result[2]) if len(result) == 3 else tuple(f"output{at}" for at in range(count))
    if len(names) != count:
        raise input_error(spec, f"{len(names)} output names are given, the module gives {count} outputs")
    return Built(module, inputs, names)


class TorchNetwork:
    """A PyTorch module as a `Network`: frame by frame, with its state pairs."""

    def __init__(self, built: Built, torch: Any, state: Sequence[StatePair]) -> None:
        self._built, self._torch, self._pairs = built, torch, tuple(state)
        self._state: dict[str, Array] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the state."""
        names = (pair.input for pair in self._pairs)
        self._state = {
            name: self._built.inputs[name].numpy() * 0 for name in names if name in self._built.inputs
        }

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one frame."""
        values = {**self._state, **inputs}
        given = [self._torch.from_numpy(values[name].copy()) for name in self._built.inputs]
        with self._torch.no_grad():
            results = [tensor.numpy() for tensor in _as_tuple(self._built.module(*given))]
        outputs = dict(zip(self._built.outputs, results, strict=True))
        self._state = {pair.input: outputs[pair.output] for pair in self._pairs}
        return outputs


def _as_tuple(outputs: Any) -> tuple[Any, ...]:
    if isinstance(outputs, Mapping):
        return tuple(outputs.values())
    return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error).strip() else ''}"
