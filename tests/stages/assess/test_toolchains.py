"""Toolchains of a chip, by their own lists of operators."""

from __future__ import annotations

from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.stages.assess.toolchains import toolchain_coverage


def graph(*operators: str) -> GraphInfo:
    nodes = (NodeInfo(str(at), op, "", ("x",), (f"y{at}",)) for at, op in enumerate(operators))
    return GraphInfo("g", 17, ("x",), (), (), tuple(nodes))


def test_rknn_takes_what_it_was_seen_to_take() -> None:
    net = graph("Conv", "Conv", "GridSample", "LayerNormalization", "Exp", "GridSample")
    (found,) = toolchain_coverage(net, "rk3588")
    assert (found.toolchain, found.nodes) == ("rknn", 6)
    assert found.on_cpu == (("GridSample", 2), ("Exp", 1))
    assert found.refused == (("LayerNormalization", 1),)


def test_an_operator_of_another_domain_is_refused() -> None:
    net = GraphInfo("g", 17, ("x",), (), (), (NodeInfo("0", "Conv", "my.own", ("x",), ("y",)),))
    (found,) = toolchain_coverage(net, "rk3588")
    assert found.refused == (("Conv", 1),)


def test_a_chip_without_a_toolchain_has_none() -> None:
    assert not list(toolchain_coverage(graph("Conv"), "hailo-8"))
