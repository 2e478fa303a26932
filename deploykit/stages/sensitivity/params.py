"""The options of the sensitivity stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deploykit.artifacts.precision import Scheme
from deploykit.artifacts.sensitivity import Measure


@dataclass(frozen=True)
class SensitivityParams:
    """Options of the sensitivity stage.

    `mode` "auto": "measured" where the precision policy is `budget`, else "off". "off": nothing is measured.
    "measured": one layer after the other is quantized. "restored": all are quantized, one layer after the
    other is not. "estimated": as "measured" by a quick second-order estimate.
    `metric` is a function of yours (`package.module:function`, beside the pipeline or installed) for the
    measure "metric": it takes a frame's true outputs and the others, by name, and gives an error from 0 up.
    `schemes` are tried on every layer. `measure` compares outputs; `outputs` are those that matter (empty:
    all real ones). `frames` at most are used (of the calibration clips). `executor` is empty for processes on
    this machine, or the address of a dask scheduler (`tcp://...`) whose workers see the same folders.
    """

    mode: Literal["auto", "off", "measured", "estimated", "restored"] = "auto"
    schemes: tuple[Scheme, ...] = ("w8a8", "w8a16", "w4a16", "w4a8")
    measure: Measure = "noise"
    outputs: tuple[str, ...] = ()
    frames: int = 32
    executor: str = ""
    metric: str = ""
