"""Give channels of very different size factors: in what makes them, and in the layers that read them."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy
from onnx import numpy_helper

from deploykit.analysis.affine import Array
from deploykit.analysis.rounding.equalisation import ChannelSpread, Reader, channel_factors
from deploykit.analysis.rounding.grid import Grid
from deploykit.artifacts.model import ChannelFactors, Partition
from deploykit.artifacts.precision import EQUALISED, Granularity, Scheme
from deploykit.core.blob import Blob
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.save import save_model
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize.layers import Layer, find_layers
from deploykit.stages.quantize.prepare import PreparedSegment
from deploykit.stages.quantize.sites import Site, find_sites
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork
from deploykit.toolchains.taps import tapped


@dataclass(frozen=True)
class Equalised:
    """A float network that computes the same, as files and as graphs.

    `sites` are the tensors whose channels have factors; these are in `factors` by key.
    """

    partition: Partition
    prepared: tuple[PreparedSegment, ...]
    sites: tuple[ChannelFactors, ...]
    factors: dict[str, Array]
    notices: tuple[str, ...]


def equalise(
    partition: Partition,
    prepared: Sequence[PreparedSegment],
    schemes: Mapping[str, Scheme],
    granularities: Mapping[str, Granularity],
    clips: Iterable[Clip],
    *,
    workspace: Workspace,
) -> Equalised:
    """Scale channels where it makes the readers' predicted error smaller; exact but for float32's rounding.

    From the last tensor to the first, so that a layer's rows have their factors when its columns get theirs.
    """
    layers = find_layers(prepared, schemes, granularities, per_channel=True)
    sites = find_sites(partition, prepared, layers)
    if not sites:
        return Equalised(partition, tuple(prepared), (), {}, ())
    seen = spreads(partition, sites, clips, workspace)
    values: dict[str, Array] = {}
    changed: list[tuple[Site, Array]] = []
    for site in reversed(sites):
        factors = None
        if site.source in seen:
            readers = [layer_reader(layer, site, values) for layer in site.readers]
            factors = channel_factors(seen[site.source], readers, site.limit)
        if factors is not None:
            apply_factors(site, factors, values)
            changed.append((site, factors))
    after = tuple(with_weights(segment, values) for segment in prepared)
    segments = tuple(
        segment if old is new else dataclasses.replace(segment, files=saved(new, workspace))
        for segment, old, new in zip(partition.segments, prepared, after, strict=True)
    )
    numbered = {str(number): pair for number, pair in enumerate(reversed(changed))}
    return Equalised(
        dataclasses.replace(partition, segments=segments),
        after,
        tuple(ChannelFactors(site.tensors, site.axis, key) for key, (site, _) in numbered.items()),
        {key: factors for key, (_, factors) in numbered.items()},
        tuple(_notice(site, factors) for site, factors in numbered.values()),
    )


def _notice(site: Site, factors: Array) -> str:
    spread = factors.max() / factors.min()
    return (
        f"the channels of {site.source} differ: factors up to {spread:.3g}-fold even them out ({EQUALISED})"
    )


def layer_reader(layer: Layer, site: Site, values: Mapping[str, Array]) -> Reader:
    use, form = layer.use, layer.use.form
    weights = values.get(use.name)
    weights = layer.segment.array(use.name) if weights is None else weights
    channels = form.shape[form.inputs_at]
    kernel = len(form.blocks(None)) // channels
    columns = numpy.repeat(numpy.arange(channels), kernel)
    channel_of = columns + channels * numpy.arange(form.groups)[:, None]
    grid = Grid(use.bits, form.blocks(use.block))
    return Reader(form.matrix(weights.astype(numpy.float64)), channel_of, grid, layer.operands.bits)


def apply_factors(site: Site, factors: Array, values: dict[str, Array]) -> None:
    """Multiply what makes the channels, divide what weighs them."""

    def value(name: str) -> Array:
        found = values.get(name)
        return site.segment.array(name).astype(numpy.float64) if found is None else found

    for name, axis in site.makers:
        array = value(name)
        shape = [-1 if at == axis % array.ndim else 1 for at in range(array.ndim)]
        values[name] = array * factors.reshape(shape)
    for layer in site.readers:
        form = layer.use.form
        columns = layer_reader(layer, site, values).channel_of
        values[layer.use.name] = form.unfold(
            form.matrix(value(layer.use.name)) / factors[columns][:, None, :]
        )


def with_weights(segment: PreparedSegment, values: Mapping[str, Array]) -> PreparedSegment:
    own = {name: values[name] for name in segment.weights if name in values}
    if not own:
        return segment
    model = segment.model.copy()
    for tensor in model.proto.graph.initializer:
        if tensor.name in own:
            tensor.CopyFrom(numpy_helper.from_array(own[tensor.name].astype(numpy.float32), tensor.name))
    return dataclasses.replace(segment, model=model)


def saved(segment: PreparedSegment, workspace: Workspace) -> tuple[Blob, ...]:
    with workspace.scratch() as folder:
        files = save_model(segment.model, folder, segment.segment.name)
        return tuple(workspace.keep(file) for file in files)


def spreads(
    partition: Partition, sites: Sequence[Site], clips: Iterable[Clip], workspace: Workspace
) -> dict[str, ChannelSpread]:
    """Run the float network over the clips and see how large each channel gets."""
    found: dict[str, ChannelSpread] = {}
    frames = 0
    with workspace.scratch() as folder:
        inside, files = tapped(partition, workspace, [site.source for site in sites], folder)
        network = ReferenceNetwork(inside, files, exact=True)
        for clip in workspace.track(clips, "watching channels"):
            network.reset()
            for frame in clip.frames:
                values = network(frame)
                frames += 1
                for site in sites:
                    found[site.source] = _joined(found.get(site.source), values[site.source], site.axis)
    return {name: dataclasses.replace(spread, power=spread.power / frames) for name, spread in found.items()}


def _joined(before: ChannelSpread | None, values: Array, axis: int) -> ChannelSpread:
    rows = numpy.moveaxis(values, axis, 0).reshape(values.shape[axis], -1).astype(numpy.float64)
    seen = ChannelSpread(rows.min(axis=1), rows.max(axis=1), (rows**2).mean(axis=1))
    if before is None:
        return seen
    return ChannelSpread(
        numpy.minimum(before.low, seen.low), numpy.maximum(before.high, seen.high), before.power + seen.power
    )


def saved_factors(factors: Mapping[str, Array], workspace: Workspace) -> Blob | None:
    """Keep factors as one npz file; None where there are none."""
    if not factors:
        return None
    with workspace.scratch() as folder:
        file = folder / "factors.npz"
        with zipfile.ZipFile(file, "w") as archive:  # numpy.savez takes names as keywords only
            for key, values in factors.items():
                content = io.BytesIO()
                numpy.save(content, values.astype(numpy.float32))
                archive.writestr(zipfile.ZipInfo(f"{key}.npy"), content.getvalue())
        return workspace.keep(file)


def rename(models: Sequence[OnnxModel], names: Collection[str]) -> None:
    """Give equalised tensors, and what belongs to them, names of their own."""

    def new(name: str) -> str:
        stem, mark, rest = name.partition("::")
        return f"{stem}{EQUALISED}{mark}{rest}" if stem in names else name

    for model in models if names else ():
        graph = model.proto.graph
        for node in graph.node:
            for side in (node.input, node.output):
                side[:] = [new(name) for name in side]
        for item in (*graph.initializer, *graph.value_info):
            item.name = new(item.name)
