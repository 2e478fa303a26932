"""Layer tables go to CSV and back."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.analysis.layer_table_file import read_table, write_table
from deploykit.artifacts.layer_table import LayerKind, LayerRow, NetworkTable
from deploykit.core.errors import InputError

number = st.integers(0, 10**12)
rows = st.builds(
    LayerRow, st.sampled_from(get_args(LayerKind)), number, number, number, number, number, st.integers(1, 99)
)


@given(st.lists(rows, max_size=5))
def test_a_table_comes_back(tmp_path_factory: pytest.TempPathFactory, found: list[LayerRow]) -> None:
    table = NetworkTable("yolo: n", "a 1.0, b: c", (2, 3, 640, 640), 2, 17, tuple(found))
    path = tmp_path_factory.mktemp("tables") / "t.csv"
    path.write_text(write_table(table))
    assert read_table(path) == table


def test_the_file_is_for_people(tmp_path: Path) -> None:
    table = NetworkTable("toy", "test", (1, 8), 1, 32, (LayerRow("fully_connected", 32, 0, 8, 32, 4, 2),))
    assert write_table(table).splitlines() == [
        "# name: toy",
        "# source: test",
        "# input_shape: 1x8",
        "# batch: 1",
        "# parameters: 32",
        "kind,macs,vector_ops,read_elements,weight_elements,write_elements,count,special_ops",
        "fully_connected,32,0,8,32,4,2,0",
    ]


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "# name: a\n# batch: one\n# input_shape: 1x3\n# parameters: 1\n"
        "kind,macs,vector_ops,read_elements,weight_elements,write_elements,count\n"
        "depthwize,1,1,1,1,1,1\nconv,1,-1,1,1,x,1\nconv,1\n"
    )
    with pytest.raises(InputError) as error:
        read_table(path)
    assert [str(fault).removeprefix(str(tmp_path)) for fault in error.value.faults] == [
        "/t.csv:6: no layer kind 'depthwize', did you mean 'depthwise'?",
        "/t.csv:7: vector_ops is '-1'; a whole number, 0 or more",
        "/t.csv:7: write_elements is 'x'; a whole number, 0 or more",
        "/t.csv:8: 2 cells where 7 belong",
        "/t.csv: has no line '# source: ...'",
    ]


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="the columns are not those of a layer table"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(InputError, match="can't be read: No such file"):
        read_table(tmp_path / "none.csv")
