"""In which type each activation is stored, from the precision of the nodes around it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from deploykit.analysis.flow import NetworkFlow
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.precision import Scheme, TensorPrecision

FLOAT_STORAGE: dict[Scheme, str] = {"float32": "float", "float16": "float16"}


def storage_types(
    flow: NetworkFlow, schemes: Mapping[str, Scheme], float_tensors: Collection[str] = ()
) -> tuple[TensorPrecision, ...]:
    """Give the storage type of every activation, in execution order.

    - What holds no real numbers keeps its type.
    - An int8 node writes int8, unless the tensor is one of `float_tensors` (it then writes its sums
      unrounded).
    - What a float node writes, or what enters the network, is stored int8 where all its readers work on
      int8: rounded once, when written. Otherwise it is float, and an int8 reader rounds for itself.
    - A state pair is one tensor: its output and its input have one type.
    """
    found = {}
    for name in flow.activations:
        found[name] = _storage(flow, name, schemes, float_tensors)
    for state_input, output in flow.state_output.items():
        if output in found:
            found[state_input] = found[output]
    return tuple(TensorPrecision(name, dtype) for name, dtype in found.items())


def _storage(
    flow: NetworkFlow, name: str, schemes: Mapping[str, Scheme], float_tensors: Collection[str]
) -> str:
    info = flow.tensor(name)
    if info.dtype != "float":
        return info.dtype
    later = [state_input for state_input, output in flow.state_output.items() if output == name]
    readers = [node for tensor in (name, *later) for node in flow.readers.get(tensor, ())]
    reader_schemes = [schemes[node.id] for node in readers]
    producer: NodeInfo | None = flow.producer.get(name)
    needs_float = name in float_tensors or any(tensor in float_tensors for tensor in later)
    if not needs_float:
        written_int8 = producer is not None and schemes[producer.id] == "w8a8"
        read_int8 = bool(readers) and all(scheme == "w8a8" for scheme in reader_schemes)
        if written_int8 or read_int8:
            return "int8"
    makers = [schemes[producer.id]] if producer is not None else []
    return next((FLOAT_STORAGE[scheme] for scheme in (*makers, *reader_schemes) if scheme != "w8a8"), "float")
