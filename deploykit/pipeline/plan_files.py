"""Vendors' plan files of a run's networks, segment by segment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploykit.artifacts.results import NetworkResults, RunResults
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.store import Reader, Store, disk_faults
from deploykit.toolchains.plan_files import PLAN_FILES, PlanFiles, SegmentPlan, rknn


@dataclass(frozen=True)
class Written:
    """The files that were written, and sentences for the user."""

    paths: tuple[Path, ...]
    notices: tuple[str, ...]


def write_plan_files(
    results: RunResults, store: Store, kind: str, folder: Path, *, step1: Path | None = None
) -> Written:
    """Write `FOLDER/NETWORK/SEGMENT...` for each segment that a chip's compiler takes.

    Nothing is written where a layer has a scheme that the format has no word for. `step1` is the folder with
    the files that RKNN's own first step wrote for the segments.

    Raises:
        InputError: every such layer of every network; files of step 1 that are missing.
    """
    made: list[tuple[Path, str]] = []
    said: dict[tuple[str, str], list[str]] = {}
    faults: list[Fault] = []
    for network in results.networks:
        for name, content in _segments(network, store, kind, step1, faults, said):
            made += [(folder / network.network / f"{name}{end}", text) for end, text in content.files]
            for notice in content.notices:
                said.setdefault((network.network, notice), []).append(name)
    if faults:
        raise InputError(*faults)
    with disk_faults(folder):
        for path, text in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    notices = (f"{network}, {', '.join(names)}: {notice}" for (network, notice), names in said.items())
    return Written(tuple(path for path, _ in made), tuple(notices))


def _segments(
    network: NetworkResults,
    reader: Reader,
    kind: str,
    step1: Path | None,
    faults: list[Fault],
    said: dict[tuple[str, str], list[str]],
) -> list[tuple[str, PlanFiles]]:
    from deploykit.toolchains.plan_files.encodings import read_encodings  # pulls onnx in

    if network.partition is None or network.plan is None or network.quantized is None:
        raise input_error(network.network, "it has not been quantized", "run the step quantize")
    found = []
    for segment, quantized in zip(network.partition.segments, network.quantized.segments, strict=True):
        if segment.engine == "cpu":
            said.setdefault((network.network, "on the cpu, no file"), []).append(segment.name)
            continue
        encodings = read_encodings(quantized, segment.graph.tensor, reader)
        try:
            before = None if step1 is None else _before(step1, segment.name)
            plan = SegmentPlan(segment, network.plan.scheme_of(), encodings, before)
            found.append((segment.name, PLAN_FILES[kind](plan)))
        except InputError as error:
            faults += error.faults
    return found


def _before(folder: Path, segment: str) -> str:
    path = folder / f"{segment}{rknn.END}"
    try:
        return path.read_text()
    except OSError:
        raise input_error(
            str(path), "it cannot be read", "run hybrid_quantization_step1 for this segment first"
        ) from None
