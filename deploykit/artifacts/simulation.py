"""How a vendor's simulator differs from the float and from the quantized network."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.artifacts.dumps import Comparison


@dataclass(frozen=True)
class StepError:
    """From one run of a network to the next: the median relative error over tensors, and how many of
    `compared` tensors miss their tolerance between these two alone."""

    before: str
    after: str
    median_error: float
    failed: tuple[str, ...]
    compared: int


@dataclass(frozen=True)
class OutputCosine:
    """One network output beside the float network's: the quantized network's cosine and the simulator's."""

    tensor: str
    quantized: float
    simulated: float


@dataclass(frozen=True)
class Simulation:
    """The simulator beside the other runs of the same frames. `toolchain` is empty where nothing was
    compiled. `steps` go from float to the simulator, `broke` says which of them broke; two more stand behind
    them where the vendor's tool dumps its own float run. `left_out` names the tensors that the simulator does
    not show."""

    network: str
    toolchain: str
    chip: str
    comparison: Comparison | None = None
    outputs: tuple[OutputCosine, ...] = ()
    steps: tuple[StepError, ...] = ()
    broke: str = ""
    left_out: tuple[str, ...] = ()
