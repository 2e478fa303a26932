"""Blanks of a profile, filled with what the chip's class allows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from deploykit.core.chip_classes import CHIP_CLASSES, CPU_SCHEME_SPEED, SCHEME_SPEED, At, ChipClass, Span
from deploykit.core.profile import ChipProfile, EngineProfile, Quantity


@dataclass(frozen=True)
class FilledBlank:
    """A blank that was filled: its key in the profile, its engine ("" where all need it), its range."""

    key: str
    engine: str
    span: Span

    def __str__(self) -> str:
        """Say what is blank, what counts instead, and what to do."""
        low, typical, high = (self.span.value(at) for at in ("low", "typical", "high"))
        counts = f"{low:.3g} to {high:.3g} counts, typically {typical:.3g}"
        return f"{self.key} is blank; {counts} ({self.span.source}); fill it in"


@dataclass(frozen=True)
class FilledProfile:
    """A profile that predictions can use, and which of its numbers stand in for blanks."""

    profile: ChipProfile
    blanks: tuple[FilledBlank, ...]

    def needed(self, engines: Collection[str]) -> tuple[FilledBlank, ...]:
        """Give the blanks that costs at the first scheme of these engines stand on."""
        first: dict[str, FilledBlank] = {}
        for blank in self.blanks:
            if not blank.engine or blank.engine in engines:
                first.setdefault(blank.engine, blank)
        return tuple(first.values())


def fill_blanks(profile: ChipProfile, *, at: At) -> FilledProfile:
    """Fill what predictions cannot do without: the bandwidth, and the peaks of engines that have none.

    `at` chooses the slow end of every range, its geometric mean, or its fast end. Without a class, a blank
    stays blank, except a bandwidth that the kind of memory bounds.
    """
    blanks = tuple(_blanks(profile))
    spans = {blank.key: blank.span for blank in blanks}
    engines = tuple(_filled_engine(engine, spans, at) for engine in profile.engines)
    dram = profile.dram
    if (span := spans.get(BANDWIDTH)) is not None:
        dram = replace(dram, bandwidth_bytes_per_s=_quantity(span, at))
    return FilledProfile(replace(profile, engines=engines, dram=dram), blanks)


BANDWIDTH = "dram.bandwidth_bytes_per_s"


def _blanks(profile: ChipProfile) -> Iterator[FilledBlank]:
    found = CHIP_CLASSES.get(profile.chip_class)
    if profile.dram.bandwidth_bytes_per_s.value is None:
        span = profile.dram.bounds or (found.bandwidth_bytes_per_s if found else None)
        if span is not None:
            yield FilledBlank(BANDWIDTH, "", span)
    for engine in profile.engines:
        if found is None or any(peak.value is not None for peak in engine.peak_ops_per_s.values()):
            continue
        for scheme in engine.peak_ops_per_s:
            yield FilledBlank(_peak_key(engine, scheme), engine.name, _peak_span(engine, scheme, found))


def _peak_span(engine: EngineProfile, scheme: str, found: ChipClass) -> Span:
    span, speed = found.accelerator_ops_per_s, SCHEME_SPEED[scheme]
    if engine.kind == "cpu":
        span, speed = found.cpu_ops_per_s, CPU_SCHEME_SPEED.get(scheme, 1.0)
    return Span(span.low * speed, span.high * speed, span.source)


def _filled_engine(engine: EngineProfile, spans: dict[str, Span], at: At) -> EngineProfile:
    peaks = {
        scheme: _quantity(span, at) if (span := spans.get(_peak_key(engine, scheme))) else peak
        for scheme, peak in engine.peak_ops_per_s.items()
    }
    return replace(engine, peak_ops_per_s=peaks)


def _peak_key(engine: EngineProfile, scheme: str) -> str:
    return f"engines.{engine.name}.peak_ops_per_s.{scheme}"


def _quantity(span: Span, at: At) -> Quantity:
    said = f"blank; what the class allows is {span.low:g} to {span.high:g} ({span.source})"
    return Quantity(span.value(at), said, "derived")
