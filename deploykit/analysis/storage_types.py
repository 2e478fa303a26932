"""In which type each activation is stored, from the precision of the nodes around it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from deploykit.analysis.float_rules import FLOAT_RULES
from deploykit.analysis.flow import NetworkFlow
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.precision import (
    ACTIVATION_BITS,
    NodePrecision,
    PrecisionPlan,
    Scheme,
    TensorPrecision,
    is_integer,
)

FLOAT_STORAGE: dict[Scheme, str] = {"float32": "float", "float16": "float16"}


def storage_types(
    flow: NetworkFlow, schemes: Mapping[str, Scheme], float_tensors: Collection[str] = ()
) -> tuple[TensorPrecision, ...]:
    """Give the storage type of every activation, in execution order.

    - What holds no real numbers keeps its type.
    - A node on 8-bit activations writes int8, one on 16-bit activations int16, unless the tensor is one of
      `float_tensors` (it then writes its sums unrounded). A reader with fewer bits rounds for itself; one
      with more takes the codes as they are.
    - What a float node writes, or what enters the network, is stored in integers where all its readers work
      on integers: rounded once, when written, to the most bits that one of them takes. Otherwise it is
      float, and such a reader rounds for itself.
    - A state pair is one tensor: its output and its input have one type.
    """
    found = {}
    for name in flow.activations:
        found[name] = _storage(flow, name, schemes, float_tensors)
    for state_input, output in flow.state_output.items():
        if output in found:
            found[state_input] = found[output]
    return tuple(TensorPrecision(name, dtype) for name, dtype in found.items())


def plan_of(
    flow: NetworkFlow, nodes: tuple[NodePrecision, ...], notices: tuple[str, ...] = ()
) -> PrecisionPlan:
    """Make a plan of nodes' schemes (all nodes', in execution order), with the storage types that follow."""
    schemes = {node.node: node.scheme for node in nodes}
    unrounded = [
        name
        for rule in FLOAT_RULES
        for name, owner in rule(flow).tensors.items()
        if not is_integer(schemes[owner])
    ]
    return PrecisionPlan(flow.partition.network, nodes, storage_types(flow, schemes, unrounded), notices)


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
        if producer is not None and is_integer(schemes[producer.id]):
            return code_type(schemes[producer.id])
        if readers and all(map(is_integer, reader_schemes)):
            return code_type(max(reader_schemes, key=ACTIVATION_BITS.__getitem__))
    makers = [schemes[producer.id]] if producer is not None else []
    floats = (FLOAT_STORAGE[scheme] for scheme in (*makers, *reader_schemes) if not is_integer(scheme))
    return next(floats, "float")


def code_type(scheme: Scheme) -> str:
    """Give the type of the activations that a node of an integer scheme writes."""
    return f"int{ACTIVATION_BITS[scheme]}"
