"""The layers behind each measured network: a shipped table, or the user's ONNX file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from deploykit.analysis.calibration.measurements import Measurement
from deploykit.analysis.network_tables import load_table, table_names
from deploykit.artifacts.layer_table import LayerRow, NetworkTable
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean

GROWTH_CAP = 1.0
"""How much larger simplification may make a file, as a share."""


def network_faults(row: Measurement, folder: Path) -> Iterator[Fault]:
    """Say what is wrong with a row's network: nobody knows it, or its file is missing."""
    try:
        _source(row, folder)
    except InputError as error:
        yield from error.faults


def layers_of(measurements: Sequence[Measurement], folder: Path = Path()) -> list[tuple[LayerRow, ...]]:
    """Give each measured network's layers at its batch; ONNX files stand relative to `folder`.

    Raises:
        InputError: networks that nobody knows, files that can't be costed, all at once.
    """
    faults: list[Fault] = []
    found = []
    for row in measurements:
        try:
            source = _source(row, folder)
            table = table_of_model(source) if isinstance(source, Path) else load_table(source)
        except InputError as error:
            faults += (replace(fault, where=_where(row, fault)) for fault in error.faults)
            continue
        found.append(at_batch(table, row.batch))
    if faults:
        raise InputError(*faults)
    return found


def at_batch(table: NetworkTable, batch: int) -> tuple[LayerRow, ...]:
    """Give a table's rows for another batch: work and activations grow with it, weights are read once."""
    if batch == table.batch:
        return table.rows
    return tuple(
        replace(
            row,
            macs=row.macs * batch // table.batch,
            vector_ops=row.vector_ops * batch // table.batch,
            read_elements=row.read_elements * batch // table.batch,
            write_elements=row.write_elements * batch // table.batch,
        )
        for row in table.rows
    )


def table_of_model(path: Path) -> NetworkTable:
    """Read an ONNX file, simplify it as an export does, and list its layers.

    Raises:
        InputError: the file is none, or a layer has no kind or no size.
    """
    from deploykit.analysis.layer_rows import network_table  # the ONNX library is slow to import
    from deploykit.analysis.summary import summarise
    from deploykit.core.graph.model import load_model
    from deploykit.core.graph.normalise import normalise
    from deploykit.core.graph.shapes import infer_shapes
    from deploykit.core.graph.simplify import simplified

    model = normalise(load_model(path))
    simple = simplified(model, GROWTH_CAP)
    if isinstance(simple, str):
        infer_shapes(model)
        simple = model
    return network_table(summarise(simple), name=path.stem, source=path.name)


def _source(row: Measurement, folder: Path) -> Path | str:
    """Give a network's ONNX file, or the name of its table."""
    if not row.model.endswith(".onnx"):
        return _known(row, table_names())
    path = folder / row.model
    if not path.is_file():
        raise InputError(Fault(row.place, f"no file {row.model}", f"paths start at {folder}"))
    return path


def _known(row: Measurement, names: Sequence[str]) -> str:
    if row.model in names:
        return row.model
    if row.input_shape and (whole := f"{row.model}_{row.input_shape}") in names:
        return whole
    sizes = [name for name in names if name.rpartition("_")[0] == row.model]
    if len(sizes) == 1 and not row.input_shape:
        return sizes[0]
    if sizes:
        fix = f"input_shape may be {', '.join(name.rpartition('_')[2] for name in sizes)}"
        given = row.input_shape or "no input_shape"
        raise InputError(Fault(row.place, f"{row.model} is not known with {given}", fix))
    plain = dict.fromkeys(name.rpartition("_")[0] for name in names)
    near = did_you_mean(row.model, plain)
    hint = near if near.startswith(", did") else ""
    fix = "name a network of `deploykit profile networks`, or an ONNX file beside this one"
    raise InputError(Fault(row.place, f"no network {row.model!r}{hint}", fix))


def _where(row: Measurement, fault: Fault) -> str:
    return row.place if fault.where.startswith(row.place) else f"{row.place}: {fault.where}"
