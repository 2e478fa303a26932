"""What quantizing costs a text recogniser: ours in every scheme, onnxruntime's static quantization beside it.

    python -m benchmarks.quantization [--lines 504] [--calibration 48] [--schemes w8a8 w4a16 w4a8]
        [--without rounding]

PP-OCRv4's recogniser from the package rapidocr-onnxruntime reads rendered lines. Calibration lines and
measured ones have no word in common. In 4-bit plans, depthwise layers, small ones, the first and the last
one keep 8 bits. `--without` switches off parts of ours (`rounding`, `refit`, `weight_scales`,
`bias_correction`, `fusion`), each by itself, and reports them too. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (  # type: ignore[import-untyped]  # it ships no types
    CalibrationDataReader,
    QuantFormat,
    quantize_static,
)

from deploykit.analysis import storage_types
from deploykit.analysis.float_rules import FLOAT_RULES
from deploykit.analysis.flow import NetworkFlow, all_nodes
from deploykit.analysis.fusion import fused_tensors
from deploykit.analysis.weight_rules import EIGHT_BITS, eight_bit_layers
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import NodePrecision, PrecisionPlan, Scheme
from deploykit.core.packages import package_file
from deploykit.core.profile import load_profile
from deploykit.core.runtime import open_session
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.pipeline.config import load_config
from deploykit.stages.export import ExportParams, export_model
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.stages.split import SplitParams, split_model
from deploykit.tasks import make_task
from deploykit.tasks.ocr.reading import decode_text
from deploykit.tasks.ocr.scoring import edit_distance
from deploykit.tasks.ocr.task import OcrTask, Split, line_crop
from deploykit.tasks.preprocess import to_tensor
from deploykit.tasks.protocol import Array, Clip, Network
from deploykit.toolchains.reference import ReferenceNetwork

PIPELINE = Path(__file__).parents[1] / "pipelines" / "ocr.yaml"
OFF: dict[str, dict[str, Any]] = {
    "rounding": {"rounding": "nearest"},
    "weight_scales": {"weight_scales": "max"},
    "bias_correction": {"bias_correction": False},
    "equalisation": {"equalisation": False},
    "fusion": {"fusion": False},
    "smoothing": {"smoothing": False},
    "refit": {"refit": False},
}


@dataclasses.dataclass(frozen=True)
class Figures:
    """Errors in percent of characters, exact lines in percent, signal to noise at the output in dB."""

    cer: float
    lines: float
    sqnr_db: float | None
    """None where nothing differs."""
    size_bytes: int
    cpu_s: float
    four_bit_share: float


class OrtNetwork:
    """A file in plain onnxruntime, exact, with the interface of `ReferenceNetwork`."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, exact=True)
        self._outputs = [output.name for output in self._session.get_outputs()]

    def reset(self) -> None:
        """Do nothing: the network has no state."""

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one line."""
        return dict(zip(self._outputs, self._session.run(self._outputs, dict(inputs)), strict=True))


class Lines(CalibrationDataReader):  # type: ignore[misc]  # it ships no types
    """Calibration lines for onnxruntime."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._frames = (dict(clip.frames[0]) for clip in clips)

    def get_next(self) -> dict[str, Array] | None:
        """Give the next line, or None at the end."""
        return next(self._frames, None)


def main() -> None:
    """Measure, print a table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=504)
    parser.add_argument("--calibration", type=int, default=48)
    parser.add_argument("--schemes", nargs="*", default=["w8a8", "w8a16", "w4a16", "w4a8"])
    parser.add_argument("--ranges", default=QuantizeParams.calibration, help="how ranges are chosen")
    parser.add_argument("--without", nargs="*", default=[], choices=sorted(OFF))
    parser.add_argument("--no-peer", action="store_true", help="leave onnxruntime's own quantization out")
    options = parser.parse_args()
    task = ocr_task()
    measured = list(lines(task, "validation", options.lines))
    calibration = [clip for clip, _ in lines(task, "calibration", options.calibration)]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Store(Path(folder) / "store"))
        network = recogniser(workspace)
        exact = [read(ReferenceNetwork(network, workspace, exact=True), measured)][0]
        rows = {"float32": figures(task, measured, exact, exact, size=size_of(network), cpu_s=0.0, share=0.0)}
        show("float32", rows["float32"])
        for scheme in options.schemes:
            for without in ("", *options.without):
                label = f"{scheme} without {without}" if without else scheme
                params = QuantizeParams(calibration=options.ranges, **OFF.get(without, {}))
                rows[label] = ours(task, network, scheme, params, calibration, measured, exact, workspace)
                show(label, rows[label])
        if not options.no_peer:
            label = "onnxruntime w8a8"
            rows[label] = peer(task, network, calibration, measured, exact, workspace, Path(folder))
            show(label, rows[label])
    found = {label: dataclasses.asdict(row) for label, row in rows.items()}
    print(json.dumps({"lines": options.lines, "ranges": options.ranges, "recogniser": found}))


def ocr_task() -> OcrTask:
    """Give the task of pipelines/ocr.yaml."""
    config, _ = load_config(PIPELINE)
    contracts = {name: network.core.contracts for name, network in config.networks.items()}
    options = {name: value for name, value in config.core.task.items() if name != "kind"}
    task = make_task("ocr", options, contracts, PIPELINE.parent)
    assert isinstance(task, OcrTask)
    return task


def lines(task: OcrTask, split: Split, count: int) -> Iterator[tuple[Clip, str]]:
    """Give upright lines and what they say; each page is drawn once."""
    contract = dataclasses.replace(task.context.of("rec")[0], raw_colour="rgb")
    for index in range(-(-count // task.look.lines)):
        page = task.page(split, index)
        for line in page.lines[: count - index * task.look.lines]:
            values = to_tensor(line_crop(page, line, upright=True), contract)
            yield Clip(f"{split} {index}", ({contract.name: values},)), line.text


def recogniser(workspace: Workspace) -> Partition:
    """Export the recogniser as one segment."""
    source = package_file("package:rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", "rec")
    export = ExportParams(shapes={"x": (1, 3, 48, 320)}, proof_frames=1)
    model = export_model(source, (), network="rec", params=export, workspace=workspace)
    profile, _ = load_profile("rk3588")
    return split_model(model, (), profile=profile, params=SplitParams(proof_frames=1), workspace=workspace)


def plan_of(network: Partition, scheme: Scheme, *, chip: str = "rk3588") -> tuple[PrecisionPlan, float]:
    """Give every node the scheme that no rule speaks against, and the share of 4-bit weights.

    What is computed as one is what the compiler of `chip` computes so; RK3588 itself has w8a8 alone.
    """
    flow = NetworkFlow(network)
    floats = {node for rule in FLOAT_RULES for node in rule(flow).nodes}
    eight = eight_bit_layers(flow) if scheme in EIGHT_BITS else {}
    nodes = []
    for node in (node for segment in network.segments for node in all_nodes(segment.graph)):
        chosen: Scheme = EIGHT_BITS[scheme] if node.id in eight else scheme
        nodes.append(NodePrecision(node.id, "float32" if node.id in floats else chosen, ""))
    engine = load_profile(chip)[0].engines[0]
    fused = fused_tensors(network, {node.node: engine for node in nodes})
    plan = dataclasses.replace(storage_types.plan_of(flow, tuple(nodes)), fused=fused)
    return plan, four_bit_share(flow, plan.scheme_of())


def four_bit_share(flow: NetworkFlow, schemes: Mapping[str, Scheme]) -> float:
    """Give the share of the elements of layers' weights that lie in 4 bits."""
    total = four = 0
    for node in flow.nodes:
        if node.op in ("Conv", "Gemm", "MatMul") and flow.is_weight(node.inputs[1]):
            shape = flow.tensor(node.inputs[1]).shape or ()
            count = math.prod(size for size in shape if isinstance(size, int))
            total += count
            four += count if schemes[node.id] in EIGHT_BITS else 0
    return four / total


def ours(
    task: OcrTask,
    network: Partition,
    scheme: Scheme,
    params: QuantizeParams,
    calibration: Sequence[Clip],
    measured: Sequence[tuple[Clip, str]],
    exact: Sequence[Array],
    workspace: Workspace,
) -> Figures:
    """Quantize and read all lines."""
    plan, share = plan_of(network, scheme)
    start = time.process_time()
    result = quantize(network, plan, calibration, params=params, workspace=workspace)
    cpu_s = time.process_time() - start
    outputs = read(ReferenceNetwork(result, workspace, exact=True), measured)
    return figures(task, measured, exact, outputs, size=size_of(result), cpu_s=cpu_s, share=share)


def peer(
    task: OcrTask,
    network: Partition,
    calibration: Sequence[Clip],
    measured: Sequence[tuple[Clip, str]],
    exact: Sequence[Array],
    workspace: Workspace,
    folder: Path,
) -> Figures:
    """Let onnxruntime quantize the network: per channel, minmax, Conv and products only (its best)."""
    files = network.segments[0].files
    proto = onnx.load(workspace.folder(files) / files[0].name)
    source, target = folder / "source.onnx", folder / "peer.onnx"
    onnx.save(onnx.version_converter.convert_version(proto, 17), source)
    start = time.process_time()
    quantize_static(
        str(source),
        str(target),
        Lines(calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
    )
    cpu_s = time.process_time() - start
    outputs = read(OrtNetwork(target), measured)
    size = target.stat().st_size
    return figures(task, measured, exact, outputs, size=size, cpu_s=cpu_s, share=0.0)


def read(network: Network, measured: Sequence[tuple[Clip, str]]) -> list[Array]:
    """Give the network's output on each line."""
    return [next(iter(network(clip.frames[0]).values())) for clip, _ in measured]


def figures(
    task: OcrTask,
    measured: Sequence[tuple[Clip, str]],
    exact: Sequence[Array],
    outputs: Sequence[Array],
    *,
    size: int,
    cpu_s: float,
    share: float,
) -> Figures:
    """Score what was read."""
    characters = task.character_list
    texts = [decode_text(values.reshape(values.shape[-2:]), characters) for values in outputs]
    truth = [text for _, text in measured]
    edits = sum(edit_distance(said, seen) for said, seen in zip(truth, texts, strict=True))
    signal = sum(float((values.astype(np.float64) ** 2).sum()) for values in exact)
    pairs = zip(exact, outputs, strict=True)
    error = sum(float(((left.astype(np.float64) - right) ** 2).sum()) for left, right in pairs)
    return Figures(
        cer=100 * edits / sum(map(len, truth)),
        lines=100 * sum(map(str.__eq__, truth, texts)) / len(truth),
        sqnr_db=10 * math.log10(signal / error) if error else None,
        size_bytes=size,
        cpu_s=cpu_s,
        four_bit_share=share,
    )


def size_of(network: Partition) -> int:
    """Give the bytes of all files."""
    return sum(blob.size_bytes for segment in network.segments for blob in segment.files)


def show(label: str, row: Figures) -> None:
    """Print one row."""
    ratio = "     -" if row.sqnr_db is None else f"{row.sqnr_db:6.1f}"
    print(
        f"{label:32} CER {row.cer:6.3f} %  lines {row.lines:6.2f} %  {ratio} dB  "
        f"{row.size_bytes / 1e6:6.2f} MB  {row.four_bit_share:4.0%} in 4 bits  {row.cpu_s:5.0f} CPU s",
        flush=True,
    )


if __name__ == "__main__":
    main()
