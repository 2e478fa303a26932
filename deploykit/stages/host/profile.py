"""The measured host as a chip profile, like those of `hw_profiles/`."""

from __future__ import annotations

import io
import os
import platform
from pathlib import Path
from typing import Any

import onnxruntime  # type: ignore[import-untyped]  # it ships no types
from ruamel.yaml import YAML

from deploykit.core.calibration import Calibration
from deploykit.core.codec import to_plain
from deploykit.core.profile import HOST, OnChipProfile, Quantity
from deploykit.core.profile_form import DramEntry, EngineEntry, ProfileFile
from deploykit.stages.host import FUSES, HostMeasurement

HEAD = """\
# This machine, measured by `deploykit profile measure-host`: one network on one core, in float32.
# Measured, so never part of a repository; measure again after a change of hardware or onnxruntime.
"""


def host_profile(found: HostMeasurement) -> ProfileFile:
    """Give the profile: one core of the CPU as the engine, with rates fitted to the probes."""
    engine = EngineEntry(
        name="cpu",
        kind="cpu",
        count=os.cpu_count() or 1,
        operators=("*",),
        peak_ops_per_s={"float32": Quantity(found.peak_ops_per_s, "product", "measured")},
        fuses=FUSES,
    )
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    version = f"onnxruntime {onnxruntime.__version__}"
    return ProfileFile(
        name=HOST,
        title=f"This machine ({_processor()})",
        engines=(engine,),
        fallback="cpu",
        dram=DramEntry(
            Quantity(found.bandwidth_bytes_per_s, "addition", "measured"),
            size_bytes=Quantity(float(size), "system", "read"),
        ),
        on_chip=OnChipProfile(Quantity(None)),
        sources={
            "product": f"processor time of a product of two square matrices, one thread, {version}",
            "addition": f"processor time of an addition of two tensors of 64 MiB, one thread, {version}",
            "system": "the operating system",
            "fuses": f"operators that {version} computes with a convolution",
        },
        calibration=(
            Calibration(
                "cpu",
                "float32",
                f"{len(found.fit.networks)} small networks on one thread, {version}",
                found.peak_ops_per_s,
                found.fit.rates,
                found.fit.spread,
                found.fit.held_out,
            ),
        ),
    )


def profile_text(profile: ProfileFile) -> str:
    """Write a profile as YAML, without the keys that hold nothing."""
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 110
    yaml.dump(_filled(to_plain(profile)), stream)
    return HEAD + stream.getvalue()


def write_profile(profile: ProfileFile, path: Path) -> None:
    """Write a profile; a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(profile_text(profile), encoding="utf-8")
    os.replace(beside, path)


def _filled(value: Any) -> Any:
    """Leave out keys without content, and round numbers to what is measured; blanks stay as blanks."""
    if isinstance(value, dict):
        filled = {key: _filled(item) for key, item in value.items()}
        kept = {key: item for key, item in filled.items() if item not in (None, "", [], {})}
        return {"value": None} if set(kept) == {"status"} else kept
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return [_filled(item) for item in value] if isinstance(value, list) else value


def _processor() -> str:
    """Name the processor as Linux does, or else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(named), platform.processor() or platform.machine())
