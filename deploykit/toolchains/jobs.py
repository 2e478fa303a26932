"""Make a toolchain's job of a segment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploykit.artifacts.model import Partition, Segment
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.core.store import Reader
from deploykit.toolchains.plan_files.encodings import read_encodings
from deploykit.toolchains.plan_files.source import SegmentPlan
from deploykit.toolchains.protocol import Job


def make_job(
    segment: Segment,
    plan: PrecisionPlan,
    quantized: Partition,
    reader: Reader,
    *,
    chip: str,
    calibration: Path | None,
    folder: Path,
    options: Mapping[str, str],
    time_limit_s: float,
) -> Job:
    """Give the job of one segment of the float network; `folder` is made."""
    folder.mkdir(parents=True)
    same = next(item for item in quantized.segments if item.name == segment.name)
    encodings = read_encodings(same, segment.graph.tensor, reader)
    return Job(
        name=segment.name,
        segment=segment,
        model=reader.folder(segment.files) / segment.files[0].name,
        quantized=reader.folder(same.files) / same.files[0].name,
        plan=SegmentPlan(segment, plan.scheme_of(), encodings),
        chip=chip,
        calibration=calibration,
        folder=folder,
        options=options,
        time_limit_s=time_limit_s,
    )
