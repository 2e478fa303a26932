"""The section `calibration` in a profile's YAML, written anew without touching the rest of the file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploykit.core.calibration import Calibration
from deploykit.core.errors import EnvironmentFault
from deploykit.core.profile import ChipProfile

OPENING = "calibration:"
HEADER = "# Written by `deploykit profile fit`: rates that measured networks tell, every one of them fitted."


def write_calibration(source: Path, target: Path, profile: ChipProfile, items: Sequence[Calibration]) -> None:
    """Write a profile's file with new calibrations; those of other engines and schemes stay.

    The file's name is the chip's: a target of another name makes a chip of that name.
    """
    text = source.read_text(encoding="utf-8")
    if target.stem != profile.name:
        text = re.sub(r"^name:.*$", f"name: {target.stem}", text, count=1, flags=re.MULTILINE)
    text = with_calibration(text, merged(profile.calibration, items))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.new")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, target)  # a reader sees the old file or the new one, never half of one
    except OSError as error:
        raise EnvironmentFault(f"{target}: can't be written: {error.strerror}") from None


def with_calibration(text: str, items: Sequence[Calibration]) -> str:
    """Give a profile's text with these calibrations as its section, in place of the one that it has."""
    kept = _without_section(text.splitlines())
    return "\n".join([*kept, "", HEADER, *section_lines(items)]) + "\n"


def merged(old: Sequence[Calibration], new: Sequence[Calibration]) -> tuple[Calibration, ...]:
    """Give the new calibrations, and the old ones of other engines and schemes before them."""
    fresh = {(item.engine, item.scheme) for item in new}
    return (*(item for item in old if (item.engine, item.scheme) not in fresh), *new)


def section_lines(items: Sequence[Calibration]) -> Iterator[str]:
    """Write the section, three digits a number."""
    yield OPENING
    for item in items:
        rates, spread = item.rates, item.spread
        yield f"  - engine: {item.engine}"
        yield f"    scheme: {item.scheme}"
        yield f"    source: {_quoted(item.source)}"
        yield f"    peak_ops_per_s: {_number(item.peak_ops_per_s)}"
        yield "    rates:"
        yield f"      efficiency: {_mapping(rates.efficiency)}"
        yield f"      bandwidth_bytes_per_s: {_number(rates.bandwidth_bytes_per_s)}"
        yield f"      resident_bytes: {_number(rates.resident_bytes)}"
        yield f"      vector_bytes_per_s: {_mapping(rates.vector_bytes_per_s)}"
        yield f"      layer_overhead_s: {_number(rates.layer_overhead_s)}"
        yield f"      network_overhead_s: {_number(rates.network_overhead_s)}"
        if rates.rereads_tiles:
            yield "      rereads_tiles: true"
        yield "    spread:"
        yield f"      log_width: {_number(spread.log_width)}"
        yield f"      per_outside: {_number(spread.per_outside)}"
        yield f"      seen_share: {_mapping(spread.seen_share)}"
        yield "    held_out:" if item.held_out else "    held_out: []"
        for one in item.held_out:
            yield f"      - method: {one.method}"
            yield f"        networks: {one.networks}"
            yield f"        mean_error: {_number(one.mean_error)}"
            yield f"        median_error: {_number(one.median_error)}"
            yield f"        spec_mean_error: {_number(one.spec_mean_error)}"


def _without_section(lines: Sequence[str]) -> list[str]:
    """Drop the section and its header; it ends before the next line that is not indented."""
    kept: list[str] = []
    inside = False
    for line in lines:
        if line.startswith(OPENING):
            inside = True
        elif inside and line and not line[0].isspace() and line[0] != "#":
            inside = False
        if not inside and line != HEADER:
            kept.append(line)
    while kept and not kept[-1].strip():
        kept.pop()
    return kept


def _number(value: float) -> str:
    """Write a number so that YAML reads a float: 3.14e+12 has its dot and sign, 0.52 and 0.0 their dot."""
    text = f"{value:.3g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+d}"
    return text if "." in text else f"{text}.0"


def _mapping(values: Mapping[Any, float]) -> str:
    return "{" + ", ".join(f"{name}: {_number(value)}" for name, value in values.items()) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
