"""`deploykit profile`: what is blank, and every number with its source, within 100 columns."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from deploykit.cli.profile import command
from deploykit.core.profile import profile_names


def shown(*arguments: str) -> list[str]:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_the_list_has_the_class_and_what_is_blank() -> None:
    lines = {line.split()[0]: line for line in shown("list")}
    assert set(profile_names()) <= set(lines)
    assert lines["rk3588"].split()[1:] == ["embedded", "Rockchip", "RK3588", "complete"]
    assert lines["sa8775p"].endswith("blank: peak, bandwidth")
    assert max(map(len, lines.values())) <= 100


@pytest.mark.parametrize("name", [*profile_names(), "template"])
def test_a_profile_fits_a_terminal(name: str) -> None:
    _, *lines = shown("show", name)  # the first line has the path
    assert max(map(len, lines)) <= 100
    assert not any(line.rstrip().endswith("[") for line in lines)


def test_a_number_has_its_status_and_the_number_of_its_source() -> None:
    lines = shown("show", "orin-agx")
    peak = next(line for line in lines if "peak w8a8" in line)
    assert peak == "    peak w8a8        85.5 T operations/s each  [derived 1]"
    assert any(line.startswith("     1 171 TOPS int8 sparse (NVIDIA/Deep-Learning") for line in lines)
    assert any(line.startswith("  pva: runs no network; ") for line in lines)
    assert any("275 T operations/s int8, 2:4 sparse: gpu + 2 x dla" in line for line in lines)


def test_what_is_blank_is_said_with_what_follows() -> None:
    blank = "dram.bandwidth_bytes_per_s; predictions"
    assert any(f"blank: {blank} give an interval" in line for line in shown("show", "stm32mp257"))
    assert any(f"blank: {blank} stop, for want of a chip_class" in line for line in shown("show", "hailo-8"))
