"""From an ONNX file to what assessments start from: normal form, sizes bound, shapes known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploykit.analysis.summary import summarise
from deploykit.artifacts.graph import GraphInfo
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.graph.dims import bind, dims_of, symbols
from deploykit.core.graph.foreign import check_foreign
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.refine import refine_shapes
from deploykit.core.graph.runtime_types import complete_types
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.graph.simplify import simplified
from deploykit.stages.export.params import ExportParams


@dataclass(frozen=True)
class Binding:
    """Values for what a model leaves free: sizes by their names, whole shapes by input; `text` names it."""

    text: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ReadNetwork:
    """A network with its sizes bound; `rate_hz` is None where it runs when it can.

    `variant` is the binding's text where the network is read with several. `free` are the names of all sizes
    that the file leaves free, `inputs` those of its inputs, `plain` the model before they were bound.
    `notices` say what could not be done to it; `trip_counts` how often a Loop runs at most, by node id.
    """

    network: str
    variant: str
    sizes: tuple[tuple[str, int], ...]
    rate_hz: float | None
    free: tuple[str, ...]
    inputs: tuple[str, ...]
    plain: OnnxModel
    model: OnnxModel
    graph: GraphInfo
    simplify: bool
    notices: tuple[str, ...] = ()
    trip_counts: tuple[tuple[str, int], ...] = ()


def read_network(
    path: Path,
    *,
    network: str,
    rate_hz: float | None = None,
    bindings: Sequence[Binding] = (),
    simplify: bool = True,
) -> tuple[ReadNetwork, ...]:
    """Read a model once for every binding of its free sizes; names that it does not have are left out.

    `simplify` folds what is constant once sizes are bound, as the export step does by default.

    Raises:
        InputError: the file cannot be read, sizes stay free, or a shape does not fit; all at once.
    """
    plain = normalise(load_model(path))
    found: dict[tuple[tuple[str, int], ...], ReadNetwork] = {}
    faults: list[Fault] = []
    for binding in bindings or (Binding(),):
        try:
            sizes = _resolved(plain, binding, path)
            if sizes not in found:
                found[sizes] = _bound(plain, network, binding.text, sizes, rate_hz, simplify)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(*dict.fromkeys(faults))
    variants = tuple(found.values())
    return variants if len(variants) > 1 else tuple(replace(only, variant="") for only in variants)


def _resolved(plain: OnnxModel, binding: Binding, path: Path) -> tuple[tuple[str, int], ...]:
    """Give a value to every free size. Raises InputError."""
    trial = plain.copy()
    inputs = {value.name for value in plain.proto.graph.input}
    free = symbols(plain.proto.graph)
    bind(
        trial,
        {name: size for name, size in binding.sizes.items() if name in free},
        {name: shape for name, shape in binding.shapes.items() if name in inputs},
    )
    left = symbols(trial.proto.graph)
    if left:
        fix = f"bind each: {','.join(f'{name}=SIZE' for name in left)}"
        raise input_error(
            str(path), f"sizes are free: {', '.join(left)}", f"{fix}, or an input's whole shape"
        )
    pairs = zip(plain.proto.graph.input, trial.proto.graph.input, strict=True)
    sizes = {
        dim.dim_param: size.dim_value
        for before, after in pairs
        for dim, size in zip(dims_of(before), dims_of(after), strict=False)
        if dim.dim_param
    }
    return tuple(sizes.items())


def _bound(
    plain: OnnxModel,
    network: str,
    variant: str,
    sizes: tuple[tuple[str, int], ...],
    rate_hz: float | None,
    simplify: bool,
) -> ReadNetwork:
    model = plain.copy()
    bind(model, dict(sizes), {})
    infer_shapes(model)
    complete_types(model)
    check_foreign(model)
    notices: tuple[str, ...] = ()
    if simplify:
        changed = simplified(model, ExportParams().growth_cap)
        if isinstance(changed, str):
            notices = (f"assessed without its simplified form: {changed}",)
        else:
            model = changed
    refine_shapes(model)
    return ReadNetwork(
        network=network,
        variant=variant,
        sizes=sizes,
        rate_hz=rate_hz,
        free=symbols(plain.proto.graph),
        inputs=tuple(value.name for value in plain.proto.graph.input),
        plain=plain,
        model=model,
        graph=summarise(model),
        simplify=simplify,
        notices=notices,
    )


def larger_batch(network: ReadNetwork, factor: int) -> ReadNetwork | None:
    """Give the network with a batch that is so many times larger; None where the file fixes it.

    The batch is the first axis of the first input.
    """
    inputs = network.plain.proto.graph.input
    shape = dims_of(inputs[0]) if inputs else []
    symbol = shape[0].dim_param if shape else ""
    sizes = tuple((name, size * factor if name == symbol else size) for name, size in network.sizes)
    if sizes == network.sizes:
        return None
    return _bound(network.plain, network.network, network.variant, sizes, network.rate_hz, network.simplify)
