"""From a float partition and its precision plan to QDQ segments."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from deploykit.analysis.affine import Affine, Array, affine_for_range, code_type
from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.peaks import peak_tensors
from deploykit.analysis.summary import summarise
from deploykit.artifacts.model import Partition, Segment, SharedWeight
from deploykit.artifacts.precision import Calibration, PrecisionPlan
from deploykit.core.errors import input_error
from deploykit.core.graph.model import OnnxModel, tensor_bytes
from deploykit.core.graph.save import save_model
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.runtime import open_session
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize.calibrate import calibrate
from deploykit.stages.quantize.concats import concats_apart
from deploykit.stages.quantize.emit import Emitter
from deploykit.stages.quantize.equalise import Equalised, equalise, rename, saved_factors
from deploykit.stages.quantize.float16 import with_float16
from deploykit.stages.quantize.folding import fold_channel_factors
from deploykit.stages.quantize.layers import WeightUse, find_layers
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.stages.quantize.placement import Placement, place
from deploykit.stages.quantize.prepare import PreparedSegment, prepare
from deploykit.stages.quantize.refine import Refined, hold_frames, refine
from deploykit.stages.quantize.smooth import Smoothed, smooth
from deploykit.stages.quantize.statistics import input_statistics
from deploykit.stages.quantize.weights import RoundedWeight, round_weights
from deploykit.tasks.protocol import Clip


def quantize_network(
    partition: Partition,
    plan: PrecisionPlan,
    clips: Iterable[Clip],
    *,
    params: QuantizeParams,
    workspace: Workspace,
) -> Partition:
    """See `deploykit.stages.quantize.network`."""
    if not 50 < params.percentile <= 100:
        raise input_error(
            "quantize.percentile", f"{params.percentile:g} is no share above 50 and up to 100", "try 99.999"
        )
    schemes = plan.scheme_of()
    granularities = plan.granularity_of()
    folded = [fold_channel_factors(segment, schemes) for segment in prepare(partition, plan, workspace)]
    prepared = [each.segment for each in folded]
    for new, old in (pair for each in folded for pair in each.ids.items()):
        schemes[new], granularities[new] = schemes[old], granularities[old]
    equalised = Equalised(partition, tuple(prepared), (), {}, ())
    if params.equalisation and params.per_channel:
        equalised = equalise(partition, prepared, schemes, granularities, clips, workspace=workspace)
    partition, prepared = equalised.partition, list(equalised.prepared)
    fused = plan.fused if params.fusion else ()
    smoothed = Smoothed(partition, tuple(prepared), plan, frozenset(), ())
    if params.smoothing and params.per_channel:
        smoothed = smooth(
            partition, prepared, plan, schemes, granularities, clips, fused=fused, workspace=workspace
        )
    partition, prepared, plan = smoothed.partition, list(smoothed.prepared), smoothed.plan
    schemes |= plan.scheme_of()
    placement = place(partition, plan, schemes, prepared, fused=fused, kept_float=smoothed.unrounded)
    wanted = [name for name in placement.widths if name not in placement.fixed_ranges]
    whole = peak_tensors(NetworkFlow(partition))
    calibration = calibrate(
        partition,
        wanted,
        clips,
        method=params.calibration,
        percent=params.percentile,
        whole=whole,
        workspace=workspace,
    )
    apart = concats_apart(partition, placement, calibration, schemes)
    if apart.nodes:
        schemes |= dict.fromkeys(apart.nodes, "float32")
        nodes = (
            dataclasses.replace(node, scheme="float32") if node.node in apart.nodes else node
            for node in plan.nodes
        )
        plan = dataclasses.replace(plan, nodes=tuple(nodes))
        kept_float = smoothed.unrounded | apart.tensors
        placement = place(partition, plan, schemes, prepared, fused=fused, kept_float=kept_float)
    parameters = shared_parameters(placement, calibration, params.activation_type)
    layers = find_layers(prepared, schemes, granularities, per_channel=params.per_channel)
    statistics = {}
    uses = [layer.use for layer in layers]
    if params.rounding != "nearest":
        shared = [layer for layer in layers if uses.count(layer.use) > 1]
        statistics = input_statistics(partition, shared, clips, parameters, placement, workspace=workspace)
    weights = round_weights(layers, statistics, parameters, placement, params=params)

    def emit(weights: Mapping[WeightUse, RoundedWeight], corrections: Mapping[str, Array]) -> list[OnnxModel]:
        return [
            Emitter(
                segment,
                placement,
                parameters,
                [layer for layer in layers if layer.segment is segment],
                weights,
                corrections,
                schemes,
                activation_type=params.activation_type,
            ).model()
            for segment in prepared
        ]

    models = emit(weights, {})
    refined = Refined(weights, {})
    if layers and (params.bias_correction or params.rounding != "nearest"):
        frames = hold_frames(partition, clips, count=calibration.frames, workspace=workspace)
        refined = refine(prepared, models, layers, frames, weights, parameters, placement, params=params)
        models = emit(refined.weights, refined.corrections)
    models, halved = with_float16(models, partition, plan, clips, workspace=workspace)
    rename(models, {name for site in equalised.sites for name in site.tensors})
    segments = _save(prepared, models, workspace)
    return dataclasses.replace(
        partition,
        segments=segments,
        equality=None,
        shared_weights=_shared(segments, models),
        equalised=equalised.sites,
        factors=saved_factors(equalised.factors, workspace),
        notices=(
            *partition.notices,
            f"calibrated on {calibration.frames} frames of {calibration.source}",
            *apart.notices,
            *(notice for each in folded for notice in each.notices),
            *equalised.notices,
            *smoothed.notices,
            *refined.notices,
            *halved,
        ),
    )


def shared_parameters(
    placement: Placement, calibration: Calibration, activation_type: Literal["int8", "uint8"]
) -> dict[tuple[str, int], Affine]:
    """Give each rounded tensor's scale and zero point at each width: those of the joint range of its group.

    16 bits have codes to spare, so that they cover all that was seen.
    """
    ranges = {
        8: {seen.tensor: (seen.low, seen.high) for seen in calibration.ranges} | placement.fixed_ranges,
        16: {seen.tensor: (seen.lowest, seen.highest) for seen in calibration.ranges}
        | placement.fixed_ranges,
    }
    found = {}
    for group in placement.groups:
        for bits in dict.fromkeys(bits for name in group for bits in placement.widths[name]):
            known = [ranges[bits][name] for name in group if name in ranges[bits]] or [(0.0, 0.0)]
            low, high = min(low for low, _ in known), max(high for _, high in known)
            affine = affine_for_range(low, high, code_type(activation_type, bits))
            found.update({(name, bits): affine for name in group if bits in placement.widths[name]})
    return found


def _save(
    prepared: Sequence[PreparedSegment], models: Sequence[OnnxModel], workspace: Workspace
) -> tuple[Segment, ...]:
    """Write the segments, see that onnxruntime takes them, and summarise them."""
    segments = []
    for source, model in zip(prepared, models, strict=True):
        infer_shapes(model)
        name = source.segment.name
        with workspace.scratch() as folder:
            files = save_model(model, folder, name)
            open_session(files[0], name=f"quantized segment {name!r}")
            blobs = tuple(workspace.keep(file) for file in files)
        segments.append(dataclasses.replace(source.segment, files=blobs, graph=summarise(model)))
    return tuple(segments)


def _shared(segments: Sequence[Segment], models: Sequence[OnnxModel]) -> tuple[SharedWeight, ...]:
    """Find the weights that several segments hold."""
    holders: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for segment, model in zip(segments, models, strict=True):
        for tensor in model.proto.graph.initializer:
            holders.setdefault(tensor.name, []).append(segment.name)
            sizes[tensor.name] = tensor_bytes(tensor)
    shared = {name: names for name, names in holders.items() if len(names) > 1 and sizes[name] > 64}
    return tuple(SharedWeight(name, sizes[name], tuple(names)) for name, names in shared.items())
