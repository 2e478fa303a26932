"""Vendors' plan files of a run's networks, segment by segment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploykit.artifacts.results import NetworkResults, RunResults
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.store import Reader, Store, disk_faults
from deploykit.toolchains.plan_files import PLAN_FILES, PlanFiles, SegmentPlan


@dataclass(frozen=True)
class Written:
    """The files that were written, and sentences for the user."""

    paths: tuple[Path, ...]
    notices: tuple[str, ...]


def write_plan_files(results: RunResults, store: Store, kind: str, folder: Path) -> Written:
    """Write `FOLDER/NETWORK/SEGMENT...` for each segment that a chip's compiler takes.

    Nothing is written where a layer has a scheme that the format has no word for.

    Raises:
        InputError: every such layer of every network.
    """
    made: list[tuple[Path, str]] = []
    notices: list[str] = []
    faults: list[Fault] = []
    for network in results.networks:
        for name, content in _segments(network, store, kind, faults, notices):
            made += [(folder / network.network / f"{name}{end}", text) for end, text in content.files]
            notices += [f"{network.network}, segment {name}: {notice}" for notice in content.notices]
    if faults:
        raise InputError(*faults)
    with disk_faults(folder):
        for path, text in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return Written(tuple(path for path, _ in made), tuple(notices))


def _segments(
    network: NetworkResults, reader: Reader, kind: str, faults: list[Fault], notices: list[str]
) -> list[tuple[str, PlanFiles]]:
    from deploykit.toolchains.plan_files.encodings import read_encodings  # pulls onnx in

    if network.partition is None or network.plan is None or network.quantized is None:
        raise input_error(network.network, "it has not been quantized", "run the step quantize")
    found = []
    for segment, quantized in zip(network.partition.segments, network.quantized.segments, strict=True):
        if segment.engine == "cpu":
            notices.append(f"{network.network}, segment {segment.name} runs on the cpu: no file")
            continue
        encodings = read_encodings(quantized, segment.graph.tensor, reader)
        plan = SegmentPlan(segment, network.plan.scheme_of(), encodings)
        try:
            found.append((segment.name, PLAN_FILES[kind](plan)))
        except InputError as error:
            faults += error.faults
    return found
