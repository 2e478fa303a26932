"""What a vendor toolchain is to deploykit: a module that satisfies `Toolchain`, and a recipe to install it.

A toolchain's own packages are never imported here. A module writes a job into a folder, runs
`driver.py` (or the vendor's command) with the Python of the toolchain's environment, and reads what
came back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploykit.artifacts.binaries import CompileReport
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.errors import Fault
from deploykit.toolchains.plan_files.source import SegmentPlan


@dataclass(frozen=True)
class Licence:
    """A vendor's terms: shown and asked for once. `summary` is one or two sentences in our words."""

    name: str
    url: str
    summary: str


@dataclass(frozen=True)
class Recipe:
    """How the environment is made: pip's arguments in order, then files.

    `python` are the minor versions that work, the best first. `steps` are lists of requirements, each
    installed by one pip call; `bare` ones with `--no-deps`. `torch_placeholder` puts an empty `torch`
    there, where the tool imports it without using it for ONNX. `set_aside` are files of the environment
    (patterns below site-packages) that break on this system and are renamed; `doctor` names them.
    """

    version: str
    python: tuple[str, ...]
    steps: tuple[tuple[str, ...], ...]
    licence: Licence
    size_bytes: int
    bare: tuple[str, ...] = ()
    torch_placeholder: bool = False
    set_aside: tuple[str, ...] = ()


@dataclass(frozen=True)
class OperatorSupport:
    """An ONNX operator on a chip: `limits` are sentences ("kernel up to 31x31"), empty: none known. `on_cpu`:
    the toolchain takes it, and runs it on the chip's CPU."""

    op: str
    limits: tuple[str, ...] = ()
    on_cpu: bool = False


@dataclass(frozen=True)
class Capabilities:
    """What a toolchain can do: chips with their base schemes, schemes that single layers may have beside
    them, operators. `source` says where the operator list comes from."""

    chips: Mapping[str, tuple[Scheme, ...]]
    per_layer: Mapping[str, tuple[Scheme, ...]]
    operators: tuple[OperatorSupport, ...]
    source: str
    simulates: bool = True
    dumps_layers: bool = True


@dataclass(frozen=True)
class Environment:
    """An installed toolchain: its interpreter and the folder of it all."""

    folder: Path
    python: Path


@dataclass(frozen=True)
class Job:
    """One segment to compile.

    `model` is the float ONNX with static shapes, `quantized` the QDQ file of the same segment. `plan` has
    each node's scheme and the encodings. `calibration` is a folder of one `.npz` a frame (`0000.npz` ...,
    keys = the segment's inputs, float32 in the network's own layout); `compile` needs it, `simulate` gets
    None. `folder` is the job's own, for `compile` an empty one; its files stay until the caller has read
    them.
    """

    name: str
    segment: Segment
    model: Path
    quantized: Path | None
    plan: SegmentPlan
    chip: str
    calibration: Path | None
    folder: Path
    options: Mapping[str, str]
    time_limit_s: float = 1800.0


@dataclass(frozen=True)
class Compiled:
    """What a compiler made: `files[0]` is what the runtime loads, the others are what `simulate` needs
    besides. They lie in the job's folder, there too."""

    files: tuple[Path, ...]
    report: CompileReport
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Simulated:
    """A simulator's results: a folder of one `.npz` a frame, keys = the float network's tensor names (NCHW,
    float32, dequantised). `layers` tells that inner tensors are among them. `renamed` maps the vendor's
    names that no tensor of ours matches to a sentence. `golden` is a folder of the same layers as the
    toolchain's own float run gave them, where it dumps one."""

    frames: Path
    layers: bool
    renamed: Mapping[str, str]
    golden: Path | None = None


class Toolchain(Protocol):
    """A vendor's compiler and simulator. Errors are InputError with its last lines and what to try."""

    @property
    def name(self) -> str:
        """The name that users write."""

    @property
    def recipe(self) -> Recipe | None:
        """How to install it; None where there is nothing to install."""

    def capabilities(self) -> Capabilities:
        """Say what it can do; needs nothing installed."""

    def check(self, segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
        """Name what the compiler would refuse, or leave to the CPU, before it is started."""

    def version(self, environment: Environment) -> str:
        """Ask the installed tool for its version."""

    def compile(self, job: Job, environment: Environment) -> Compiled:
        """Compile one segment."""

    def simulate(
        self,
        job: Job,
        compiled: Compiled,
        frames: Path,
        environment: Environment,
        *,
        tensors: Sequence[str] = (),
    ) -> Simulated:
        """Run frames through the simulator; `tensors` are inner ones to dump, () for the outputs alone."""

    def parse_report(self, text: str) -> CompileReport:
        """Read the tool's log or report; needs nothing installed."""
