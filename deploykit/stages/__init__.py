"""The verbs: one file each. `STAGES` lists them; a new stage is a file and an entry here.

This module stays light, because the command line reads it for its help: a stage's module is imported when the
stage is needed. Such a module offers `PARAMS` (its options' class), `GIVES` (its artifact's class) and `run`,
which hands the parts of a `StageCall` to the stage's function.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

if TYPE_CHECKING:
    from deploykit.stages.call import StageCall


class StageModule(Protocol):
    """What a stage's module offers."""

    PARAMS: type[Any]
    GIVES: type[Any]

    @staticmethod
    def run(call: StageCall) -> Any:
        """Compute the artifact."""


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline: what it reads, and where its code is.

    `reads` are earlier steps, of the same network for `scope` "network", of every network for "pipeline".
    `section` names the options' place in the YAML. `version` rises when the same inputs give another result.
    `data` tells which clips the stage is handed, and so whether the task is a part of its key.
    """

    module: str
    doc: str
    version: int
    reads: tuple[str, ...] = ()
    scope: Literal["network", "pipeline"] = "network"
    section: str = ""
    data: Literal["none", "calibration", "validation", "task"] = "none"
    uses_profile: bool = False
    uses_source: bool = False

    def load(self) -> StageModule:
        """Import the stage's module."""
        return cast("StageModule", importlib.import_module(f"deploykit.stages.{self.module}"))


STAGES: dict[str, Stage] = {
    "export": Stage(
        "export",
        "Load, bind shapes, simplify, and prove equal to the source.",
        version=1,
        section="export",
        data="calibration",
        uses_source=True,
    ),
    "split": Stage(
        "split",
        "Cut into segments, and prove the chain equal to the whole.",
        version=2,
        reads=("export",),
        section="split",
        data="calibration",
        uses_profile=True,
    ),
    "analyze": Stage(
        "analyze",
        "Count MACs and bytes, and predict each node's time on the chip.",
        version=5,
        reads=("split",),
        section="analyze",
        uses_profile=True,
    ),
    "sensitivity": Stage(
        "sensitivity",
        "Measure how far the outputs move with one layer on fewer bits, if asked.",
        version=2,
        reads=("split",),
        section="sensitivity",
        data="calibration",
    ),
    "precision": Stage(
        "precision",
        "Choose each node's precision, with a reason.",
        version=4,
        reads=("split", "analyze", "sensitivity"),
        section="precision",
        data="calibration",
        uses_profile=True,
    ),
    "quantize": Stage(
        "quantize",
        "Calibrate, and emit QDQ ONNX.",
        version=9,
        reads=("split", "precision"),
        section="quantize",
        data="calibration",
    ),
    "memory": Stage(
        "memory",
        "Place every tensor: arenas, shared blocks, state buffers.",
        version=7,
        reads=("split", "precision"),
        section="memory",
        uses_profile=True,
    ),
    "memory_replay": Stage(
        "memory_replay",
        "Run the network inside its planned memory, and prove the outputs bit-equal to the plain run.",
        version=1,
        reads=("split", "precision", "memory"),
        section="memory_replay",
        data="validation",
    ),
    "dump": Stage(
        "dump",
        "Dump every layer of the float network.",
        version=1,
        reads=("split",),
        section="dump",
        data="validation",
    ),
    "dump_quantized": Stage(
        "dump",
        "Dump every layer of the quantized network.",
        version=1,
        reads=("quantize",),
        section="dump",
        data="validation",
    ),
    "compare": Stage(
        "compare",
        "Compare the two dumps, layer by layer.",
        version=1,
        reads=("dump", "dump_quantized"),
        section="compare",
    ),
    "compile": Stage(
        "compile",
        "Compile the segments with a vendor's toolchain, if asked.",
        version=2,
        reads=("split", "precision", "quantize"),
        section="compile",
        data="calibration",
    ),
    "simulate": Stage(
        "simulate",
        "Dump every layer of the compiled network, as the vendor's simulator computes it.",
        version=2,
        reads=("split", "precision", "quantize", "compile"),
        section="dump",
        data="validation",
    ),
    "check_simulation": Stage(
        "check_simulation",
        "Compare the simulator with the float and the quantized network: which step broke.",
        version=2,
        reads=("split", "dump", "dump_quantized", "compile", "simulate"),
        section="compare",
    ),
    "schedule": Stage(
        "schedule",
        "Place the segments of all networks on the chip's engines in time.",
        version=1,
        reads=("split", "analyze", "precision"),
        scope="pipeline",
        section="schedule",
        uses_profile=True,
    ),
    "memory_blocks": Stage(
        "memory_blocks",
        "List the memory of all networks as blocks for the application: shared features once, copies.",
        version=2,
        reads=("split", "precision", "memory", "quantize", "schedule"),
        scope="pipeline",
        section="memory_blocks",
        uses_profile=True,
    ),
    "evaluate": Stage(
        "evaluate",
        "Measure the task's metrics, float and quantized.",
        version=3,
        reads=("split", "quantize"),
        scope="pipeline",
        section="evaluate",
        data="task",
    ),
}
"""Every step by name, each after those that it reads."""
