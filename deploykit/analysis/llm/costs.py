"""A language model on a chip: each operator on the roofline, then the phases, the memory and the speed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from deploykit.analysis.blanks import fill_blanks
from deploykit.analysis.llm.config import Layer, LlmConfig
from deploykit.analysis.llm.memory import LlmMemory, plan_memory
from deploykit.analysis.llm.operators import LlmOperator, Pass, layer_operators, outer_operators
from deploykit.analysis.llm.params import LlmParams, Phase
from deploykit.analysis.llm.published import check_published, published_operators
from deploykit.analysis.llm.shard import shard
from deploykit.analysis.roofline import bandwidth_of, find_engine, known_peaks, place
from deploykit.artifacts.costs import Bound, TimeInterval
from deploykit.core.calibration import DecodeRate
from deploykit.core.errors import input_error
from deploykit.core.profile import ChipProfile

DECODE_SAMPLES = 33
"""Decode steps that are costed to average over all: a step's time is all but linear in its context."""


@dataclass(frozen=True)
class Roofline:
    """The numbers of a chip that an operator is put on."""

    scheme: str
    peak_ops_per_s: float
    bandwidth_bytes_per_s: float
    overhead_s: float = 0.0
    link_bytes_per_s: float | None = None


@dataclass(frozen=True)
class OperatorCost:
    """One operator on the roofline. `attainable_ops_per_s` = min(peak, bandwidth x intensity)."""

    operator: LlmOperator
    intensity_ops_per_byte: float
    attainable_ops_per_s: float
    bound: Bound
    time_s: float


@dataclass(frozen=True)
class Block:
    """Operators that run `count` times in a pass: one kind of layer, or what is around the layers (once)."""

    name: str
    count: int
    operators: tuple[OperatorCost, ...]

    @property
    def time_s(self) -> float:
        """Give the time of one of them."""
        return sum(cost.time_s for cost in self.operators)

    def total(self, field: str) -> int:
        """Sum up a field or property of the operators of one of them, such as `kv_read_bytes`."""
        return sum(int(getattr(cost.operator, field)) for cost in self.operators)


@dataclass(frozen=True)
class PhaseCost:
    """One pass through the whole network."""

    phase: Phase
    blocks: tuple[Block, ...]

    @property
    def time_s(self) -> float:
        """Give the time of the pass."""
        return sum(block.count * block.time_s for block in self.blocks)

    def total(self, field: str) -> int:
        """Sum up a field or property of all operators."""
        return sum(block.count * block.total(field) for block in self.blocks)

    def time_by_bound(self) -> dict[Bound, float]:
        """Give the time that each bound takes, the longest first."""
        times: dict[Bound, float] = {}
        for block in self.blocks:
            for cost in block.operators:
                times[cost.bound] = times.get(cost.bound, 0.0) + block.count * cost.time_s
        return dict(sorted(times.items(), key=lambda entry: -entry[1]))


@dataclass(frozen=True)
class LlmCost:
    """A model on a chip. `decode` is the first step after the prompt; `decode_time_s` that of all steps.

    `decode_time_s` follows `rate`, which the profile has from measured models; without one, and for several
    chips together, it is the roofline's `spec_decode_time_s`. `interval` bounds the time of prompt and
    decoding together where the profile has blanks.
    """

    config: LlmConfig
    chip: str
    engine: str
    roofline: Roofline
    params: LlmParams
    prefill: PhaseCost
    decode: PhaseCost
    decode_time_s: float
    spec_decode_time_s: float
    memory: LlmMemory
    rate: DecodeRate | None = None
    interval: TimeInterval | None = None

    @property
    def time_to_first_token_s(self) -> float:
        """Give the time of the prompt, whose last token yields the first new one."""
        return self.prefill.time_s

    @property
    def tokens_per_s(self) -> float:
        """Give the new tokens of all sequences per second of decoding, the first one left out."""
        return self.params.batch * (self.params.generate - 1) / self.decode_time_s


def cost_llm(config: LlmConfig, profile: ChipProfile, params: LlmParams, *, where: str) -> LlmCost:
    """Cost a model on a chip's main engine (one of them, or `params.tensor_parallel` such chips together).

    Raises:
        InputError: a size that does not divide over the chips, something the published accounting does not
            know, or a blank of the profile.
    """
    typical = fill_blanks(profile, at="typical")
    cost = _cost_filled(config, typical.profile, params, where=where)
    blanks = typical.needed({cost.engine})
    if not blanks:
        return cost
    slow, fast = fill_blanks(profile, at="low").profile, fill_blanks(profile, at="high").profile
    slow_s, fast_s = (
        filled.prefill.time_s + filled.decode_time_s
        for filled in (_cost_filled(config, chip, params, where=where) for chip in (slow, fast))
    )
    total_s = cost.prefill.time_s + cost.decode_time_s
    place = profile.file or profile.name
    reasons = tuple(f"{place}: {blank}" for blank in blanks)
    return replace(cost, interval=TimeInterval(fast_s / total_s, slow_s / total_s, reasons))


def _cost_filled(config: LlmConfig, profile: ChipProfile, params: LlmParams, *, where: str) -> LlmCost:
    own = shard(config, params.tensor_parallel, where)
    roofline = roofline_of(profile, params)
    run = partial(Pass, own, params=params)
    published = params.accounting == "published"
    first = Phase("decode", 1, params.prompt)
    if published:
        check_published(run(first), where)
    prefill = cost_phase(run(Phase("prefill", params.prompt, 0)), roofline)
    steps = params.generate - 1
    rate = _rate_of(profile, params)
    sampled = [
        cost_phase(run(Phase("decode", 1, params.prompt + step)), roofline) for step in _sampled(steps)
    ]
    return LlmCost(
        config=config,
        chip=profile.name,
        engine=find_engine(profile, None).name,
        roofline=roofline,
        params=params,
        prefill=prefill,
        decode=cost_phase(run(first), roofline),
        decode_time_s=steps * sum(step_time_s(step, config, rate) for step in sampled) / len(sampled),
        spec_decode_time_s=steps * sum(step.time_s for step in sampled) / len(sampled),
        memory=plan_memory(own, params),
        rate=rate,
    )


def step_time_s(step: PhaseCost, config: LlmConfig, rate: DecodeRate | None) -> float:
    """Give the time of a decode step: by measured models' rate, but no less than the roofline allows."""
    if rate is None:
        return step.time_s
    moved = sum(step.total(kind) for kind in ("weight_bytes", "kv_read_bytes", "kv_write_bytes"))
    return max(step.time_s, moved / rate.bandwidth_bytes_per_s + len(config.layers) * rate.layer_s)


def _rate_of(profile: ChipProfile, params: LlmParams) -> DecodeRate | None:
    bits = (params.weight_bits, params.activation_bits)
    if params.tensor_parallel > 1 or params.accounting == "published":
        return None
    fitting = (rate for rate in profile.decode_rates if (rate.weight_bits, rate.activation_bits) == bits)
    return next(fitting, None)


def roofline_of(profile: ChipProfile, params: LlmParams) -> Roofline:
    """Give the main engine's peak at the precision of the arithmetic, and the chip's bandwidth.

    Raises:
        InputError: the profile does not say one of them.
    """
    engine = find_engine(profile, None)
    peaks = known_peaks(profile, engine)
    scheme = params.scheme
    if scheme not in peaks:
        raise input_error(
            f"{profile.file or profile.name}: engines.{engine.name}.peak_ops_per_s.{scheme}",
            f"is blank, and weights of {params.weight_bits:g} bits with activations of "
            f"{params.activation_bits:g} bits compute in {scheme}",
            f"fill it in, or choose bits that compute in: {', '.join(peaks)}",
        )
    overhead_s = engine.node_overhead_s.value or 0.0
    return Roofline(scheme, peaks[scheme], bandwidth_of(profile), overhead_s, params.link_bytes_per_s)


def cost_phase(run: Pass, roofline: Roofline) -> PhaseCost:
    """Cost one pass: each kind of layer once, with how many there are."""
    on = partial(_place_all, roofline=roofline)
    if run.params.accounting == "published":
        layers = Block("layer", len(run.config.layers), on(published_operators(run)))
        return PhaseCost(run.phase, (layers,))
    kinds = Counter(run.config.layers)
    blocks = [
        Block(_layer_name(kind, len(kinds)), count, on(layer_operators(run, kind)))
        for kind, count in kinds.items()
    ]
    return PhaseCost(run.phase, (*blocks, Block("around the layers", 1, on(outer_operators(run)))))


def place_operator(operator: LlmOperator, roofline: Roofline) -> OperatorCost:
    """Put one operator on the roofline; an exchange between chips takes the link's time, if that is known."""
    if operator.exchange_bytes:
        link = roofline.link_bytes_per_s
        return OperatorCost(operator, 0.0, 0.0, "overhead", operator.exchange_bytes / link if link else 0.0)
    moved, bandwidth = operator.moved_bytes, roofline.bandwidth_bytes_per_s
    bound, time_s = place(
        operator.ops, moved, peak=roofline.peak_ops_per_s, bandwidth=bandwidth, overhead_s=roofline.overhead_s
    )
    intensity = operator.ops / moved
    return OperatorCost(
        operator, intensity, min(roofline.peak_ops_per_s, intensity * bandwidth), bound, time_s
    )


def _place_all(operators: Sequence[LlmOperator], roofline: Roofline) -> tuple[OperatorCost, ...]:
    return tuple(place_operator(operator, roofline) for operator in operators)


def _layer_name(kind: Layer, kinds: int) -> str:
    words = [f"window {kind.window}"] if kind.window else []
    words += ["experts"] if kind.experts else []
    name = ", ".join(words) or ("full attention" if kinds > 1 else "")
    return f"layer ({name})" if name else "layer"


def _sampled(steps: int) -> Iterator[int]:
    """Give evenly spaced decode steps, the middle of each part."""
    count = min(steps, DECODE_SAMPLES)
    for index in range(count):
        yield (2 * index + 1) * steps // (2 * count)
