"""From an ONNX file to what assessments start from: normal form, sizes bound, shapes known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploykit.analysis.summary import summarise
from deploykit.artifacts.graph import GraphInfo
from deploykit.core.errors import Fault, InputError
from deploykit.core.graph.dims import bind, symbols
from deploykit.core.graph.foreign import check_foreign
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.refine import refine_shapes
from deploykit.core.graph.runtime_types import complete_types
from deploykit.core.graph.shapes import infer_shapes


@dataclass(frozen=True)
class ReadNetwork:
    """A network with its sizes bound; `rate_hz` is None where it runs when it can.

    `free` are the names of all sizes that the file leaves free, `plain` the model before they were bound.
    """

    network: str
    sizes: tuple[tuple[str, int], ...]
    rate_hz: float | None
    free: tuple[str, ...]
    plain: OnnxModel
    model: OnnxModel
    graph: GraphInfo


def read_network(
    path: Path, *, network: str, rate_hz: float | None, bindings: tuple[Mapping[str, int], ...]
) -> tuple[ReadNetwork, ...]:
    """Read a model once for every binding of its free sizes; names that it does not have are left out.

    Raises:
        InputError: the file cannot be read, or free sizes stay without a value; all at once.
    """
    plain = normalise(load_model(path))
    free = symbols(plain.proto.graph)
    found: dict[tuple[tuple[str, int], ...], ReadNetwork] = {}
    faults: list[Fault] = []
    for binding in bindings or ({},):
        sizes = tuple((name, size) for name, size in binding.items() if name in free)
        open_names = [name for name in free if name not in binding]
        if open_names:
            fix = f"bind each: {','.join(f'{name}=SIZE' for name in open_names)}"
            faults.append(Fault(str(path), f"sizes are free: {', '.join(open_names)}", fix))
        elif sizes not in found:
            found[sizes] = _bound(plain, network, sizes, rate_hz)
    if faults:
        raise InputError(*dict.fromkeys(faults))
    return tuple(found.values())


def _bound(
    plain: OnnxModel, network: str, sizes: tuple[tuple[str, int], ...], rate_hz: float | None
) -> ReadNetwork:
    model = plain.copy()
    bind(model, dict(sizes), {})
    infer_shapes(model)
    complete_types(model)
    check_foreign(model)
    refine_shapes(model)
    free = symbols(plain.proto.graph)
    return ReadNetwork(network, sizes, rate_hz, free, plain, model, summarise(model))


def larger_batch(network: ReadNetwork, factor: int) -> ReadNetwork | None:
    """Give the network with a batch that is so many times larger; None where the file fixes it.

    The batch is the first axis of the first input.
    """
    inputs = network.plain.proto.graph.input
    shape = inputs[0].type.tensor_type.shape.dim if inputs else []
    symbol = shape[0].dim_param if shape else ""
    sizes = tuple((name, size * factor if name == symbol else size) for name, size in network.sizes)
    if sizes == network.sizes:
        return None
    return _bound(network.plain, network.network, sizes, network.rate_hz)
