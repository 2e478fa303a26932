"""A measured host becomes a profile that reads back as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from deploykit.analysis.calibration.chip_fit import Measured, fit_chip
from deploykit.analysis.calibration.prior import prior_for
from deploykit.analysis.time_model import layer_columns
from deploykit.artifacts.layer_table import LayerRow
from deploykit.core.errors import InputError
from deploykit.core.profile import host_profile_file, load_profile
from deploykit.stages.host import HostMeasurement
from deploykit.stages.host.profile import host_profile, write_profile


@pytest.fixture
def measurement() -> HostMeasurement:
    """Twelve networks of one convolution each, that run at half of 100 GOPS."""
    macs = [count * 10**7 for count in range(1, 13)]
    rows = [LayerRow("conv", count, 0, count // 900, 900, count // 900) for count in macs]
    measured = Measured(
        tuple(f"n{index}" for index in range(12)),
        tuple(f"f{index % 4}" for index in range(12)),
        layer_columns([[row] for row in rows], weight_bits=32, activation_bits=32),
        numpy.array([2 * count / 50e9 for count in macs]),
    )
    fit = fit_chip(measured, prior_for(100e9, 10e9), spec_bandwidth=10e9)
    return HostMeasurement(100e9, 10e9, fit)


def test_the_profile_reads_back_and_is_complete(
    measurement: HostMeasurement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    write_profile(host_profile(measurement), host_profile_file())
    profile, path = load_profile("host")
    assert path == tmp_path / "deploykit" / "hw_profiles" / "host.yaml"
    assert [file.name for file in path.parent.iterdir()] == ["host.yaml"]
    assert profile.missing == ()
    peak = profile.engines[0].peak_ops_per_s["float32"]
    assert (peak.value, peak.status) == (100e9, "measured")
    (calibration,) = profile.calibration
    assert calibration.rates.efficiency["conv"] == pytest.approx(0.5, rel=0.1)
    assert calibration.held_out == tuple(
        replace(
            held,
            mean_error=float(f"{held.mean_error:.6g}"),
            median_error=float(f"{held.median_error:.6g}"),
            spec_mean_error=float(f"{held.spec_mean_error:.6g}"),
        )
        for held in measurement.fit.held_out
    )


def test_a_host_that_was_not_measured_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="has not been measured; run `deploykit profile measure-host` first"):
        load_profile("host")
