"""Every artifact round-trips through the codec; unknown keys and missing ones are refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo
from deploykit.core.codec import decode, encode, to_plain
from deploykit.core.errors import InputError
from deploykit.pipeline.history import Metric

GRAPH = GraphInfo(
    "g",
    17,
    ("x",),
    ("y",),
    (TensorInfo("x", "float", (1, "N", None)), TensorInfo("y", "float", None, constant=(1, 2))),
    (
        NodeInfo(
            "n",
            "If",
            "",
            ("x",),
            ("y",),
            (("axis", 1), ("mode", "linear"), ("pads", (0, 1)), ("alpha", 0.5)),
            (("then_branch", GraphInfo("t", 17, (), ("y",), (), (), ("x",))),),
        ),
    ),
)


def test_a_graph_survives_with_its_subgraphs_and_types() -> None:
    back = decode(GraphInfo, encode(GRAPH), "here")
    assert back == GRAPH
    assert encode(back) == encode(GRAPH)
    assert back.nodes[0].attribute("alpha", 1.0) == 0.5
    assert isinstance(back.nodes[0].attribute("axis", 0), int)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e-300, 0.1])
def test_numbers_survive_to_the_last_bit(value: float) -> None:
    assert decode(Metric, encode(Metric("m", value)), "here").value == value


def test_nan_survives() -> None:
    assert math.isnan(decode(Metric, encode(Metric("m", math.nan)), "here").value)


def test_all_faults_of_a_damaged_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        decode(Metric, b'{"nam": "m", "value": "high"}', str(tmp_path))
    text = str(caught.value)
    assert len(caught.value.faults) == 3
    assert "name: Field required" in text
    assert "nam: Unexpected keyword argument" in text
    assert "value: Input should be a valid number" in text


def test_plain_values_hold_no_tuples() -> None:
    assert to_plain(Metric("m", 1.0)) == {"name": "m", "value": 1.0}
