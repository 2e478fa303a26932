"""`deploykit profile`: the chip profiles."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deploykit.cli.options import format_option
from deploykit.core.codec import to_plain
from deploykit.core.profile import ChipProfile, Quantity, load_profile, profile_names


@click.group("profile")
def command() -> None:
    """Show the chip profiles."""


@command.command("list")
def list_profiles() -> None:
    """List the chips that are found from here: beside a pipeline in this folder, then the shipped ones."""
    for name in profile_names(beside=Path.cwd()):
        profile, path = load_profile(name, beside=Path.cwd())
        print(f"{name:<16} {profile.title:<44} {path}")


@command.command("show")
@click.argument("chip")
@format_option
def show(chip: str, form: str) -> None:
    """Show CHIP (a name, or a YAML file): every number with its source."""
    profile, path = load_profile(chip, beside=Path.cwd())
    if form == "json":
        print(json.dumps({"file": str(path), **to_plain(profile)}, indent=2))
        return
    print(f"{profile.title} ({path})")
    for line in _lines(profile):
        print(line)


def _lines(profile: ChipProfile) -> list[str]:
    lines = []
    for engine in profile.engines:
        role = (
            "main" if engine is profile.engines[0] else "fallback" if engine.name == profile.fallback else ""
        )
        known = "every operator" if "*" in engine.operators else f"{len(engine.operators)} operators"
        lines.append(
            f"  {engine.name} x {engine.count} ({engine.kind}{', ' + role if role else ''}): {known}"
        )
        for scheme, peak in engine.peak_ops_per_s.items():
            lines.append(_line(f"peak {scheme}", peak, 1e12, "T operations/s each"))
        lines.append(_line("node overhead", engine.node_overhead_s, 1e-6, "us"))
    lines.append("  memory")
    lines.append(_line("DRAM bandwidth", profile.dram.bandwidth_bytes_per_s, 1e9, "GB/s"))
    lines.append(_line("DRAM size", profile.dram.size_bytes, 1e9, "GB"))
    lines.append(_line("on-chip size", profile.on_chip.size_bytes, 1e3, "KB"))
    return lines


def _line(name: str, quantity: Quantity, unit: float, unit_name: str) -> str:
    if quantity.value is None:
        return f"    {name:<16} unknown  {quantity.source}".rstrip()
    return f"    {name:<16} {quantity.value / unit:g} {unit_name}  [{quantity.status}] {quantity.source}"
