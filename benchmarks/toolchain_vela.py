"""Predicted time and order of layers beside Arm's Vela, after a fit to Vela's figures of other networks.

    python -m benchmarks.toolchain_vela [--chips ethos-u55-256 ethos-u65-512] [--calibration resnet18 ...]

The networks of `benchmarks/whole_networks.py` (random weights) calibrate: Vela's time of each, and of its
single layers. Judged are the shipped ones, which the fit has not seen: the BEV detector, PP-OCRv4's detector,
direction classifier and recogniser (extra `[ocr]`), and the digits. Printed: whole time predicted over
Vela's, Spearman's rank correlation over layers, and the same ratio of each calibration network by a fit to
the others. Segments for the CPU are left out on both sides; Vela does not time layers that it leaves there.
It has to be installed. The last line is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import onnx

from benchmarks.whole_networks import NETWORKS, build
from deploykit.analysis.calibration.layer_measurements import MeasuredLayer
from deploykit.analysis.calibration.measurements import Measurement
from deploykit.analysis.graph_work import graph_works
from deploykit.analysis.layer_kinds import kind_of
from deploykit.analysis.layer_rows import USUALLY_FUSED, fused_layers, layer_rows
from deploykit.analysis.op_costs.work import known_size
from deploykit.artifacts.binaries import Binary, BinarySet
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.layer_table import LayerRow
from deploykit.artifacts.results import NetworkResults
from deploykit.core.errors import DeploykitError
from deploykit.core.packages import package_file
from deploykit.core.profile import ChipProfile, load_profile
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.reports.views.cross_check import cross_check_view
from deploykit.reports.views.nouns.cross_check import CheckedLayer, CrossCheckView
from deploykit.reports.views.numbers import rank_correlation
from deploykit.stages.analyze import AnalyzeParams, analyze_costs
from deploykit.stages.export import ExportParams, export_model
from deploykit.stages.fit_profile import SchemeFit, fit_profile
from deploykit.stages.precision import PrecisionParams, plan_precision
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.stages.split import SplitParams, split_model
from deploykit.tasks.protocol import Clip
from deploykit.toolchains import load_toolchain
from deploykit.toolchains.environments import ready_environment, toolchain_root
from deploykit.toolchains.jobs import make_job

ROOT = Path(__file__).resolve().parents[1]
PROFILES = {"ethos-u55-256": "ethos-u55-256", "ethos-u65-512": "ethos-u65"}
CALIBRATION = (
    "detector",
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3",
    "resnet18",
    "resnet50",
    "squeezenet",
    "unet",
)
QUICK = QuantizeParams(calibration="minmax", weight_scales="max", rounding="nearest", bias_correction=False)
"""Vela's times do not depend on the values."""

BEV_GROUPS = {
    "backbone": ("/backbone/*", "/neck/*"),
    "view": ("/view/*",),
    "fusion": ("/encoder/*", "/fusion/*"),
    "head": ("/head/*",),
}


@dataclass(frozen=True)
class Source:
    """A network to compile."""

    name: str
    file: Path
    shapes: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def main() -> None:
    """Compile, fit, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chips", nargs="*", default=list(PROFILES), choices=list(PROFILES))
    parser.add_argument("--calibration", nargs="*", default=list(CALIBRATION), choices=list(NETWORKS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {chip: figures(chip, options.calibration, Path(folder) / chip) for chip in options.chips}
    print(json.dumps(found))


def figures(chip: str, calibration: Sequence[str], folder: Path) -> dict[str, object]:
    """Give one chip's figures."""
    folder.mkdir()
    profile, _ = load_profile(PROFILES[chip])
    known = [compiled(source, chip, profile, folder) for source in made(calibration, folder)]
    fit = fitted(profile, [results for results in known if results])
    calibrated = dataclasses.replace(profile, calibration=(fit.calibration,))
    rows: dict[str, dict[str, float | None]] = {}
    layers: list[CheckedLayer] = []
    print(f"{chip:<22}{'predicted':>12}{'Vela':>12}{'ratio':>8}{'rank corr.':>12}{'layers':>8}")
    for source in shipped():
        judged = compiled(source, chip, profile, folder)
        view = predicted(judged, calibrated) if judged else None
        if view is None or not view.theirs_s:
            print(f"{source.name:<22}not compiled")
            continue
        rows[source.name] = {
            "ratio": round(view.ours_s / view.theirs_s, 3),
            "rank_correlation": None if view.correlation is None else round(view.correlation, 3),
        }
        layers += [row for segment in view.segments for row in segment.layers if row.theirs_cycles]
        times = f"{view.ours_s * 1e3:9.2f} ms{view.theirs_s * 1e3:9.2f} ms"
        order = "" if view.correlation is None else f"{view.correlation:12.2f}"
        print(f"{source.name:<22}{times}{view.ours_s / view.theirs_s:8.2f}{order:>12}{view.compared:8}")
    order_of_all = rank_correlation([row.ours_s for row in layers], [row.theirs_s or 0 for row in layers])
    held = {name: round(float(error), 3) for name, error in held_out(profile, known)}
    print(f"{'all layers':<22}{'':32}{order_of_all or 0:12.2f}{len(layers):8}")
    print("calibration networks, each from the others:", held)
    return {
        "judged": rows,
        "layers": len(layers),
        "rank_correlation": None if order_of_all is None else round(order_of_all, 3),
        "held_out_ratio": held,
    }


def made(names: Sequence[str], folder: Path) -> Iterator[Source]:
    """Write the networks of random weights."""
    for name in names:
        file = folder / f"{name}.onnx"
        onnx.save(build(name), str(file))
        yield Source(name, file)


def shipped() -> Iterator[Source]:
    """Give the networks that are judged."""
    yield Source("digits", ROOT / "benchmarks" / "digits.onnx")
    yield Source("bev", ROOT / "pipelines" / "models" / "bev.onnx", groups=BEV_GROUPS)
    for name, file, shape in (
        ("det", "ch_PP-OCRv4_det_infer.onnx", (1, 3, 480, 640)),
        ("cls", "ch_ppocr_mobile_v2.0_cls_infer.onnx", (1, 3, 48, 192)),
        ("rec", "ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 320)),
    ):
        yield Source(
            name, package_file(f"package:rapidocr_onnxruntime/models/{file}", name), shapes={"x": shape}
        )


def compiled(source: Source, chip: str, profile: ChipProfile, folder: Path) -> NetworkResults | None:
    """Quantize and compile what is for the NPU; None where nothing is compiled."""
    workspace = Workspace(Store(folder / "store"))
    own = source.file.parent == folder
    model = export_model(
        source.file,
        (),
        network=source.name,
        params=ExportParams(proof_frames=0 if own else 1, shapes=source.shapes),
        workspace=workspace,
    )
    split = SplitParams(auto=True, proof_frames=1, groups=source.groups)
    partition = split_model(model, (), profile=profile, params=split, workspace=workspace)
    costs = analyze_costs(partition, profile=profile, params=AnalyzeParams())
    plan = plan_precision(partition, costs, profile=profile, params=PrecisionParams(scheme="w8a8"))
    random = numpy.random.default_rng(0)
    frame = {
        name: random.standard_normal(known_size(partition.tensor[name]) or ()).astype(numpy.float32)
        for name in partition.inputs
    }
    result = quantize(partition, plan, [Clip("random", (frame,))], params=QUICK, workspace=workspace)
    vela = load_toolchain("vela")
    environment = ready_environment(vela, toolchain_root())
    binaries = []
    for segment in partition.segments:
        if segment.engine == "cpu" or vela.check(segment, chip=chip, schemes=plan.scheme_of()):
            continue
        job = make_job(
            segment,
            plan,
            result,
            workspace,
            chip=chip,
            calibration=None,
            folder=folder / "jobs" / source.name / segment.name,
            options={},
            time_limit_s=600.0,
        )
        try:
            binaries.append(Binary(segment.name, (), vela.compile(job, environment).report, 0.0))
        except DeploykitError as error:
            print(f"{source.name}: {error}"[:300])
    found = BinarySet(source.name, "vela", "", chip, tuple(binaries))
    if not binaries:
        return None
    return NetworkResults(source.name, partition=partition, costs=costs, plan=plan, binaries=found)


def predicted(results: NetworkResults, profile: ChipProfile) -> CrossCheckView | None:
    """Compare with what a calibrated profile predicts."""
    assert results.partition is not None
    costs = analyze_costs(results.partition, profile=profile, params=AnalyzeParams())
    return cross_check_view(dataclasses.replace(results, costs=costs))


def fitted(profile: ChipProfile, known: Sequence[NetworkResults]) -> SchemeFit:
    """Fit the chip's rates to Vela's times of networks and of their layers."""
    measurements = [
        Measurement(item.network, item.network, "", 1, "w8a8", vela_s(item), item.network) for item in known
    ]
    tables = [tuple(rows(item)) for item in known]
    alone = [layer for item in known for layer in single_layers(item)]
    (fit,) = fit_profile(profile, measurements, tables, source="ethos-u-vela 5.2.0", alone=alone)
    return fit


def held_out(profile: ChipProfile, known: Sequence[NetworkResults | None]) -> Iterator[tuple[str, float]]:
    """Predict each calibration network from a fit to the others; gives predicted over Vela's time."""
    there = [item for item in known if item]
    for item in there:
        fit = fitted(profile, [other for other in there if other is not item])
        view = predicted(item, dataclasses.replace(profile, calibration=(fit.calibration,)))
        if view and view.theirs_s:
            yield item.network, view.ours_s / view.theirs_s


def vela_s(item: NetworkResults) -> float:
    """Give Vela's time of all segments."""
    assert item.binaries is not None
    return sum(binary.report.time_s or 0.0 for binary in item.binaries.binaries)


def compiled_graphs(item: NetworkResults) -> Iterator[GraphInfo]:
    """Give the graphs that Vela compiled."""
    assert item.partition is not None
    assert item.binaries is not None
    names = {binary.segment for binary in item.binaries.binaries}
    yield from (segment.graph for segment in item.partition.segments if segment.name in names)


def rows(item: NetworkResults) -> Iterator[LayerRow]:
    """Give a network's layers."""
    for graph in compiled_graphs(item):
        works = dict(zip((node.id for node in graph.nodes), graph_works(graph), strict=True))
        yield from layer_rows(graph, works)


def single_layers(item: NetworkResults) -> Iterator[MeasuredLayer]:
    """Give the layers whose nodes are just those of some of Vela's."""
    view = cross_check_view(item)
    assert view is not None
    checked = [row for segment in view.segments for row in segment.layers if row.theirs_s]
    for graph in compiled_graphs(item):
        works = dict(zip((node.id for node in graph.nodes), graph_works(graph), strict=True))
        for layer in fused_layers(graph, works, fuses=USUALLY_FUSED):
            nodes = {node.id for node in layer.nodes}
            own = [row for row in checked if nodes.intersection(row.nodes)]
            kind = kind_of(layer.head, graph.tensor, works[layer.head.id])
            if not own or kind is None or not all(nodes.issuperset(row.nodes) for row in own):
                continue
            work = layer.work
            row = LayerRow(
                kind,
                work.macs,
                work.vector_ops,
                work.read_elements,
                work.weight_elements,
                work.write_elements,
                special_ops=work.special_ops,
            )
            yield MeasuredLayer(row, sum(checked_row.theirs_s or 0.0 for checked_row in own))


if __name__ == "__main__":
    main()
