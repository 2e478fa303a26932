"""A precision plan in the words of a vendor's tool: one module a format."""

from __future__ import annotations

from deploykit.toolchains.plan_files import aimet, horizon, rknn, tensorrt, tpu_mlir
from deploykit.toolchains.plan_files.source import PlanFiles, SegmentPlan, Writer

PLAN_FILES: dict[str, Writer] = {
    "aimet": aimet.write_0_6_1,
    "aimet-2": aimet.write_2_0_0,
    "horizon": horizon.write,
    "rknn": rknn.write,
    "tensorrt": tensorrt.write,
    "tpu-mlir": tpu_mlir.write,
}
"""Every format by the name that `deploykit plan-files --format` takes."""

__all__ = ["PLAN_FILES", "PlanFiles", "SegmentPlan", "Writer"]
