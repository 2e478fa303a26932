"""`deploykit profile`: the chip profiles."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deploykit.cli.options import format_option
from deploykit.cli.profile_host import measure
from deploykit.cli.profile_text import list_line, profile_lines
from deploykit.core.codec import to_plain
from deploykit.core.profile import load_profile, profile_names


@click.group("profile")
def command() -> None:
    """Show the chip profiles, calibrate one on measured networks, measure this machine."""


@command.command("list")
def list_profiles() -> None:
    """List the chips that are found from here, with their class and what is blank.

    Profiles beside a pipeline in this folder go first, then the shipped ones.
    """
    for name in profile_names(beside=Path.cwd()):
        profile, _ = load_profile(name, beside=Path.cwd())
        print(list_line(profile))


command.add_command(measure)


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
    for line in profile_lines(profile):
        print(line)


@command.command("networks")
def networks() -> None:
    """List the networks whose layers are known, for `profile fit`."""
    from deploykit.analysis.network_tables import table_names

    for name in table_names():
        print(name)


@command.command("fit")
@click.argument("chip")
@click.argument("measurements", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the profile here."
)
@click.option("--engine", help="The engine that was measured.", show_default="the chip's first")
@click.option(
    "--layers",
    "layer_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Layers that a profiler measured, a CSV file: kind, latency_us, macs, read_elements ...",
)
@click.option("--source", help="What the measurements are.", show_default="their file's name")
def fit(
    chip: str,
    measurements: Path,
    output: Path | None,
    engine: str | None,
    layer_file: Path | None,
    source: str | None,
) -> None:
    """Calibrate CHIP (a name, or a YAML file) on the networks measured in MEASUREMENTS, a CSV file.

    Columns: model (a network of `deploykit profile networks`, or an ONNX file), input_shape, batch,
    precision, latency_ms or fps. The profile's section `calibration` is written anew; a shipped profile is
    copied into the current folder for it.
    """
    from deploykit.analysis.calibration.layer_measurements import read_layers
    from deploykit.analysis.calibration.measurements import read_measurements
    from deploykit.cli.profile_fit import fit_lines
    from deploykit.stages.fit_profile import fit_profile
    from deploykit.stages.fit_profile.networks import layers_of, network_faults
    from deploykit.stages.fit_profile.section import write_calibration

    profile, path = load_profile(chip, beside=Path.cwd())
    folder = measurements.parent
    rows = read_measurements(measurements, check=lambda row: network_faults(row, folder))
    layers = layers_of(rows, folder)
    alone = read_layers(layer_file) if layer_file else ()
    said = source or measurements.name
    results = fit_profile(profile, rows, layers, source=said, engine=engine, alone=alone)
    for result in results:
        print("\n".join(fit_lines(result)))
    own = path if path.resolve().is_relative_to(Path.cwd()) else Path.cwd() / path.name
    target = output or own
    write_calibration(path, target, profile, [result.calibration for result in results])
    print(f"\nwritten: {target}")
