"""The work of the export step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from deploykit.analysis.summary import summarise
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.model import Equality, Model
from deploykit.core.errors import Fault, FindingError, InputError, input_error
from deploykit.core.graph.bounds import upper_bounds
from deploykit.core.graph.dims import bind, symbols
from deploykit.core.graph.foreign import check_foreign, cut_foreign
from deploykit.core.graph.hazards import hazards
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.opset import with_opset
from deploykit.core.graph.refine import refine_shapes
from deploykit.core.graph.rewrites import REWRITES, rewritten
from deploykit.core.graph.runtime_types import complete_types
from deploykit.core.graph.save import save_model
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.graph.simplify import simplified
from deploykit.core.names import did_you_mean
from deploykit.core.workspace import Workspace
from deploykit.stages.export.params import ExportParams
from deploykit.stages.export.state import check_state
from deploykit.stages.proof.compare import NotRunnable, ProofPlan, Recorded, measure, record
from deploykit.stages.proof.data import zero_state
from deploykit.stages.proof.networks import WholeNetwork, open_model, proof_graph
from deploykit.tasks.protocol import Clip, Network

OLD_OPSET, PLAIN_OPSET = 13, 17
"""Models below the first are written in the second, which quantization and all chips' tools know."""

REWRITE_TOLERANCE = 1e-5
"""The largest difference that writing operators in others may make, relative as `tolerance` is."""


def export_network(
    source: Path | None,
    clips: Iterable[Clip],
    *,
    network: str,
    params: ExportParams,
    workspace: Workspace,
    folder: Path,
) -> Model:
    """See `export_model`."""
    _check_rewrites(params)
    with workspace.scratch() as scratch:
        file, author = _open_source(source, params, folder, scratch, network)
        loaded = load_model(file)
        model = normalise(loaded, freeze=params.freeze)
        bind(model, params.sizes, params.shapes)
        infer_shapes(model)
        complete_types(model)
        check_foreign(model)
        graph = summarise(model)
        check_state(graph, params.state)
        recorded = None
        if params.proof_frames:
            recorded = _record(model, author or file, clips, params, scratch)
        else:
            model.notices.append("not proved equal to its source: `proof_frames` is 0")
        model, equality = _improve(model, recorded, params, scratch)
        refine_shapes(model)
        model.notices += _remarks(model)
        files = save_model(model, scratch, network)
        return Model(
            network=network,
            files=tuple(workspace.keep(written) for written in files),
            graph=summarise(model),
            state=params.state,
            equality=equality,
            notices=tuple(dict.fromkeys(model.notices)),
        )


def _open_source(
    source: Path | None, params: ExportParams, folder: Path, scratch: Path, network: str
) -> tuple[Path, Network | None]:
    """Give the ONNX file, and the network that it came from where that is no ONNX file."""
    if params.torch and source is not None:
        raise input_error(network, "both an ONNX file and `torch:` are given", "give one of the two")
    if params.torch:
        from deploykit.stages.export.from_torch import export_torch

        return export_torch(params, folder, scratch)
    if source is None:
        raise input_error(
            network, "no model is given", "give an ONNX file, or `torch: package.module:function`"
        )
    return source, None


def _record(
    model: OnnxModel, author: Path | Network, clips: Iterable[Clip], params: ExportParams, scratch: Path
) -> Recorded | None:
    """Run the source; a source that cannot run is no fault of the model's form, so it is a notice."""
    graph, holes = proof_graph(model), cut_foreign(model)
    plan = ProofPlan(params.proof_frames, params.seed, params.state)
    try:
        network = _open_author(model, author, graph, params, scratch) if isinstance(author, Path) else author
    except InputError as error:
        model.notices.append(f"not proved equal to its source, which does not run here: {error}")
        return None
    try:
        recorded = record(network, graph, clips, plan, holes.made if holes else ())
    except NotRunnable as error:
        model.notices.append(f"not proved equal to its source, which does not run on random inputs: {error}")
        return None
    if holes:
        model.notices.append(
            "proved equal to its source without the operators that only the chip's side can run"
        )
    if recorded.random:
        model.notices.append(
            f"proved equal to its source on random inputs (seed {params.seed}), as no data was given"
        )
    return recorded


def _open_author(
    model: OnnxModel, file: Path, graph: GraphInfo, params: ExportParams, scratch: Path
) -> Network:
    """Open the source file itself, or its repaired form where onnxruntime refuses the file."""
    if cut_foreign(model) is None:
        try:
            return WholeNetwork(file, graph.outputs, params.state, zero_state(graph, params.state, 1))
        except InputError as error:
            model.notices.append(f"the proof compares with the repaired file, since as it is {error}")
    repaired = normalise(load_model(file), freeze=params.freeze)
    infer_shapes(repaired)
    return open_model(repaired, scratch, "source", params.state)


def _improve(
    model: OnnxModel, recorded: Recorded | None, params: ExportParams, scratch: Path
) -> tuple[OnnxModel, Equality | None]:
    """Change the opset and simplify, each kept only where its result is equal to the source."""
    equality = None
    if recorded:
        equality = measure(model, recorded, scratch, "bound")
        if not recorded.accepts(equality, params.tolerance):
            raise FindingError(
                f"{model.name}: the normalised network differs from its source by {equality.max_abs:g} "
                f"at {equality.where}"
            )
    target = params.opset or (PLAIN_OPSET if model.opset < OLD_OPSET else model.opset)
    if target != model.opset:
        must = params.opset is not None
        model, equality = _try(
            model, with_opset(model, target), f"opset {target}", recorded, equality, params, scratch, must
        )
    if params.simplify:
        changed = simplified(model, params.growth_cap)
        model, equality = _try(model, changed, "simplified form", recorded, equality, params, scratch, False)
    if params.rewrite:
        written, kept = rewritten(model, params.rewrite)
        infer_shapes(written)
        exact = replace(params, tolerance=min(params.tolerance, REWRITE_TOLERANCE))
        model.notices += kept
        written.notices += kept
        model, equality = _try(model, written, "rewritten form", recorded, equality, exact, scratch, False)
    return model, equality


def _check_rewrites(params: ExportParams) -> None:
    unknown = [op for op in params.rewrite if op not in REWRITES]
    if unknown:
        raise InputError(
            *(Fault("export.rewrite", f"no rule for {op!r}{did_you_mean(op, REWRITES)}") for op in unknown)
        )


def _try(
    model: OnnxModel,
    changed: OnnxModel | str,
    label: str,
    recorded: Recorded | None,
    equality: Equality | None,
    params: ExportParams,
    scratch: Path,
    must: bool,
) -> tuple[OnnxModel, Equality | None]:
    """Take the changed form where it is proved equal enough; otherwise stay, with the reason as a notice."""
    if isinstance(changed, str):
        refused = changed
    elif recorded is None:
        refused = "" if must else "it could not be proved equal"
        if must:
            return changed, None
    else:
        try:
            measured = measure(changed, recorded, scratch, label.replace(" ", "_"))
            if recorded.accepts(measured, params.tolerance):
                return changed, measured
            refused = f"it differs from the source by {measured.max_abs:g} at {measured.where}"
        except InputError as error:
            refused = str(error)
    if must:
        raise input_error(
            model.name, f"cannot be written in {label}: {refused}", "leave `opset` out, or change the model"
        )
    model.notices.append(f"kept without its {label}: {refused}")
    return model, equality


def _remarks(model: OnnxModel) -> list[str]:
    remarks = hazards(model)
    free = symbols(model.proto.graph)
    if free:
        remarks.append(f"sizes stay free: {', '.join(free)}; bind them under `export:` for memory and time")
    bounds = upper_bounds(model.proto)
    if bounds:
        shown = ", ".join(f"{name} (at most {list(shape)})" for name, shape in list(bounds.items())[:5])
        remarks.append(f"the data decides how large these get: {shown}; plans use the bound")
    return remarks
