"""The options of the export step."""

from __future__ import annotations

from dataclasses import dataclass, field

from deploykit.artifacts.model import StatePair


@dataclass(frozen=True)
class ExportParams:
    """How a network is read and brought into normal form.

    torch: `package.module:function`; it returns the module and its example inputs (a tuple, or a dict by
        input name), and as a third value, where wanted, the outputs' names. Instead of an ONNX file.
    sizes: values of free sizes by symbol, such as `N: 1`.
    shapes: whole shapes by input name, such as `x: [1, 3, 48, 320]`.
    state: tensors that leave the network and enter it again in the next frame.
    simplify: run onnxsim, and keep its result where it is equal to the source.
    growth_cap: how much larger simplifying may make the file (0.1: a tenth).
    opset: the version of ONNX's operators to write. Empty: models below 13 become 17 where that is proved
        equal, others stay. A lower one than the model's is refused with the first operator that stands in the
        way.
    freeze: weights that the file lists as inputs become fixed; otherwise they stay overridable.
    rewrite: operators to write in others where that is equal within 1e-5, for compilers that lack them:
        GridSample (with a constant grid: Gather), HardSwish, LayerNormalization.
    proof_frames: how many frames the proof runs, with state carried from one to the next. 0: no proof.
    tolerance: the largest accepted difference from the source, relative to the largest output (at least 1).
    seed: of the random inputs, where there are no clips.
    """

    torch: str = ""
    sizes: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    state: tuple[StatePair, ...] = ()
    simplify: bool = True
    growth_cap: float = 0.1
    opset: int | None = None
    freeze: bool = True
    rewrite: tuple[str, ...] = ()
    proof_frames: int = 6
    tolerance: float = 1e-3
    seed: int = 0
