"""RKNN-Toolkit2 itself, where it is installed: chips and precisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploykit.artifacts.precision import Scheme
from deploykit.stages.compile.smoke import smoke_test
from deploykit.toolchains import load_toolchain
from deploykit.toolchains.environments import installed, toolchain_root

CASES: tuple[tuple[str, Scheme], ...] = (
    ("rk3588", "float16"),
    ("rk3588", "w8a16"),
    ("rk3576", "w4a16"),
    ("rk3566", "w8a8"),
    ("rk3562", "w8a16"),
    ("rv1106", "w8a8"),
    ("rv1126b", "w4a16"),
)


@pytest.mark.toolchain
@pytest.mark.parametrize(("chip", "scheme"), CASES)
def test_a_convolution_is_compiled_and_simulated(chip: str, scheme: Scheme, tmp_path: Path) -> None:
    if installed("rknn", toolchain_root()) is None:
        pytest.skip("not installed: deploykit toolchain install rknn")
    assert smoke_test(load_toolchain("rknn"), tmp_path, toolchain_root(), chip=chip, scheme=scheme) > 0
