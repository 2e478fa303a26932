"""`deploykit pack`: offsets, certificates and faults of a table of lifetimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploykit.cli.main import run

# Three buffers: a and b meet at time 1, b and c at time 2; 120 + 60 = 180 bytes are alive at most.
TABLE = "id,lower,upper,size\na,0,2,120\nb,1,3,60\nc,2,4,120\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "buffers.csv"
    path.write_text(TABLE)
    return path


def test_it_packs_and_writes_offsets(table: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    output = tmp_path / "packed.csv"

    assert run(["pack", str(table), "--capacity", "180", "-o", str(output)]) == 0

    assert "optimal: 180 bytes of 180" in capsys.readouterr().out
    assert output.read_text() == "id,lower,upper,size,offset\na,0,2,120,0\nb,1,3,60,120\nc,2,4,120,0\n"


def test_offsets_that_cannot_be_written_are_an_error(
    table: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["pack", str(table), "-o", str(tmp_path / "missing" / "packed.csv")]) == 2
    assert "packed.csv: can't be written" in capsys.readouterr().err


def test_what_does_not_fit_is_named(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pack", str(table), "--capacity", "150"]) == 1

    said = capsys.readouterr().out
    assert "infeasible: needs 30 bytes more than 150. At time 1 180 bytes are alive:" in said
    assert "  a: 120 bytes\n  b: 60 bytes\n" in said


def test_alignment_counts(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pack", str(table), "--alignment", "128"]) == 0
    assert "optimal: 256 bytes" in capsys.readouterr().out

    assert run(["pack", str(table), "--alignment", "100"]) == 2
    assert "--alignment 100 is no power of two" in capsys.readouterr().err


def test_all_faults_of_a_table_come_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("id,lower,upper,size\na,0,2,0\na,3,3,5\nb,1,x,5\nc,1\n")

    assert run(["pack", str(path)]) == 2

    said = capsys.readouterr().err
    assert f"{path}:2" in said
    assert "buffer 'a' takes 0 bytes" in said
    assert "lives from 3 to 3, which is no time" in said
    assert "upper is 'x', which is no whole number" in said
    assert "2 cells where the first line has 4 columns" in said


def test_numbers_that_64_bits_cannot_hold_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "large.csv"
    path.write_text(f"id,lower,upper,size\na,0,{1 << 63},5\nb,0,1,{1 << 64}\n")

    assert run(["pack", str(path)]) == 2

    said = capsys.readouterr().err
    assert f"{path}:2: upper is {1 << 63}; numbers go from" in said
    assert f"{path}:3: size is {1 << 64}" in said
    path.write_text(f"id,lower,upper,size\na,0,1,{1 << 62}\nb,1,2,1\n")
    assert run(["pack", str(path)]) == 2
    assert f"its buffers take {(1 << 62) + 1} bytes together" in capsys.readouterr().err


def test_columns_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("id,lower,uper,size\na,0,2,1\n")

    assert run(["pack", str(path)]) == 2

    said = capsys.readouterr().err
    assert "no column 'uper', did you mean 'upper'?" in said
    assert "the column 'upper' is missing" in said
