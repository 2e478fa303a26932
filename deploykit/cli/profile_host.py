"""`deploykit profile measure-host`: this machine as a chip."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deploykit.core.profile import host_profile_file


@click.command("measure-host")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The YAML file to write.  [default: the user's cache, where `--chip host` finds it]",
)
def measure(output: Path | None) -> None:
    """Measure this machine's CPU with small networks in onnxruntime, so that `host` can be a chip.

    One network on one core, float32; about a minute. Programs that run beside it make the figures worse.
    """
    from deploykit.core.store import disk_faults
    from deploykit.stages.host import measure_host
    from deploykit.stages.host.profile import host_profile, write_profile

    path = output or host_profile_file()
    found = measure_host(progress=_progress)
    _progress("")
    with disk_faults(path):
        write_profile(host_profile(found), path)
    held = found.fit.held_out[-1]
    print(f"peak        {found.peak_ops_per_s / 1e9:.1f} GOPS in float32, one core")
    print(f"bandwidth   {found.bandwidth_bytes_per_s / 1e9:.1f} GB/s, one core")
    print(
        f"fit         {held.networks} probes, each predicted without its family: median error "
        f"{100 * held.median_error:.0f} %, roofline {100 * held.spec_mean_error:.0f} % in the mean"
    )
    print(path)


def _progress(name: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{name:<60}\r", end="", file=sys.stderr, flush=True)
