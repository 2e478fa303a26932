"""Whether chips can run networks: the first answer of a project, before anything is compiled."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.artifacts.advice import Advice, Headroom
from deploykit.artifacts.costs import Bound


@dataclass(frozen=True)
class Footprint:
    """Memory of one network at one scheme.

    `activation_bytes` is the peak of all activations and state; `on_chip_bytes` is what of it fits on the
    chip, the rest lies in DRAM beside the weights. `unsized` counts tensors of unknown size, which are left
    out.
    """

    weight_bytes: int
    activation_bytes: int
    on_chip_bytes: int
    unsized: int = 0

    @property
    def dram_bytes(self) -> int:
        """Weights, and the activations that do not fit on the chip."""
        return self.weight_bytes + self.activation_bytes - self.on_chip_bytes


@dataclass(frozen=True)
class SchemeFigures:
    """One network with every node at one scheme, unless a rule or its engine keeps it at another.

    `time_s` is the predicted latency of one run, alone on the chip, its nodes one after another; `low_s` and
    `high_s` enclose it where the cost report gives an interval (its reasons are among the notices);
    `roofline_s` is the time by the data sheet's roofline, the same where no measured networks tell better.
    `peak_ops_per_s` is that of one main engine, `engines` how many the chip has. `runs_per_s` is 1 / latency,
    `most_runs_per_s` the bound with all engines busy at once and the memory full. `macs` are those on the
    main engine. `kept` counts nodes with MACs at another scheme.
    """

    scheme: str
    time_s: float
    roofline_s: float
    low_s: float | None
    high_s: float | None
    bound_s: tuple[tuple[Bound, float], ...]
    macs: int
    traffic_bytes: int
    peak_ops_per_s: float | None
    engines: int
    most_runs_per_s: float
    memory: Footprint
    kept: int
    energy_j: float | None = None

    @property
    def runs_per_s(self) -> float:
        """Runs per second, one at a time."""
        return 1 / self.time_s if self.time_s > 0 else 0.0

    @property
    def bound(self) -> Bound:
        """What bounds most of the time."""
        return max(self.bound_s, key=lambda item: item[1])[0]

    @property
    def utilisation(self) -> float | None:
        """Share of the nominal speed of all main engines that one run at a time uses: 2 x MACs / time."""
        if self.peak_ops_per_s is None or self.time_s <= 0:
            return None
        return 2 * self.macs / (self.time_s * self.peak_ops_per_s * self.engines)


@dataclass(frozen=True)
class OffEngine:
    """The nodes of one operator that do not run on the main engine; `custom`: no operator of ONNX."""

    op: str
    engine: str
    nodes: int
    macs: int
    time_s: float
    reason: str
    custom: bool


@dataclass(frozen=True)
class ToolchainCoverage:
    """What a toolchain takes of a network's `nodes`: operators, with their count of nodes, that it leaves to
    the chip's CPU, and those that it refuses. `source` says where its list comes from."""

    toolchain: str
    version: str
    nodes: int
    on_cpu: tuple[tuple[str, int], ...]
    refused: tuple[tuple[str, int], ...]
    source: str


@dataclass(frozen=True)
class Coverage:
    """What the main engine runs of a network, at its first figures' scheme.

    `handovers` are tensors that pass from one engine to another, `handover_s` the time that the memory takes
    to write and read them (part of the latency). `ideal_s` is the latency if the main engine ran every
    operator. `special` names convolutions that toolchains often refuse, by sentence. `toolchains` are those
    that have the chip.
    """

    engine: str
    nodes: int
    nodes_on_engine: int
    macs: int
    macs_on_engine: int
    off_engine: tuple[OffEngine, ...]
    handovers: int
    handover_bytes: int
    handover_s: float
    ideal_s: float
    special: tuple[tuple[str, tuple[str, ...]], ...] = ()
    toolchains: tuple[ToolchainCoverage, ...] = ()


@dataclass(frozen=True)
class NetworkAssessment:
    """One network with its sizes bound on one chip. `figures[0]` is the scheme that the answer is about.

    `variant` tells apart the sizes that one network was read with ("N=6"; "" where there are no others).
    `advice` and `headrooms` are empty unless they were asked for.
    """

    network: str
    variant: str
    sizes: tuple[tuple[str, int], ...]
    figures: tuple[SchemeFigures, ...]
    coverage: Coverage
    notices: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    headrooms: tuple[Headroom, ...] = ()

    @property
    def label(self) -> str:
        """The network's name, with its variant."""
        return f"{self.network} {self.variant}".rstrip()


@dataclass(frozen=True)
class Refusal:
    """Why a network could not be assessed on a chip."""

    network: str
    reason: str


@dataclass(frozen=True)
class Sharing:
    """Several networks at their rates on one chip.

    `rates_hz` by network label. `demand` is the share of its time that each group of engines needs (above 1:
    too much). `feasible` is the schedule's answer: no frame late in the period that it covers.
    """

    rates_hz: tuple[tuple[str, float], ...]
    demand: tuple[tuple[str, float], ...]
    feasible: bool
    method: str
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class OrderCost:
    """What `item` (chip, module, board) costs: the price for the largest quantity that the order reaches."""

    orders: int
    item: str
    unit_price: float
    currency: str
    source: str


@dataclass(frozen=True)
class ChipAssessment:
    """One chip's answer; `reasons` say what decides its place.

    `orders` is the volume that was asked about (0: none), `costs` what the profile knows for it. `power` are
    the chip's modes with their watts.
    """

    chip: str
    title: str
    networks: tuple[NetworkAssessment, ...]
    refused: tuple[Refusal, ...] = ()
    sharing: tuple[Sharing, ...] = ()
    dram_size_bytes: int | None = None
    orders: int = 0
    costs: tuple[OrderCost, ...] = ()
    power: tuple[tuple[str, float], ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def latency_s(self) -> float:
        """Sum of the networks' latencies: what the ranking orders by, where all else is equal."""
        return sum(network.figures[0].time_s for network in self.networks)

    @property
    def dram_bytes(self) -> int:
        """What all networks need together, each at its largest sizes."""
        largest: dict[str, int] = {}
        for item in self.networks:
            needed = item.figures[0].memory.dram_bytes
            largest[item.network] = max(needed, largest.get(item.network, 0))
        return sum(largest.values())

    @property
    def fits(self) -> bool | None:
        """Whether all networks run, hold their rates and lie in the memory; None where the memory's size is
        unknown and nothing else speaks against it."""
        if self.refused or not all(sharing.feasible for sharing in self.sharing):
            return False
        if self.dram_size_bytes is None:
            return None
        return self.dram_bytes <= self.dram_size_bytes


@dataclass(frozen=True)
class Assessment:
    """All chips, the best first."""

    chips: tuple[ChipAssessment, ...]
