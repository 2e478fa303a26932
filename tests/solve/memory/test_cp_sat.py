"""CP-SAT beside the search: it answers what the search left open, and agrees with it."""

from __future__ import annotations

import importlib.util

import pytest

from deploykit.solve.memory.cp_sat import fit_by_cp_sat, pack_beside
from deploykit.solve.memory.problem import PackingProblem, Rectangle
from deploykit.solve.memory.validate import packing_faults

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ortools") is None, reason="ortools is an extra")

UNEVEN = PackingProblem(
    tuple(
        Rectangle(*item)
        for item in (
            (3, 0, 3), (3, 0, 4), (1, 3, 7), (2, 3, 6), (1, 4, 6), (2, 4, 5), (1, 5, 6), (1, 5, 7), (4, 6, 8),
            (2, 7, 8),
        )
    )
)  # fmt: skip
"""6 bytes are alive at every time, and 7 are needed: see test_pack.py."""


def test_it_finds_packings_and_rules_them_out() -> None:
    assert fit_by_cp_sat(UNEVEN, 6, work=10).status == "none"
    assert fit_by_cp_sat(UNEVEN, 2, work=10).status == "none"
    outcome = fit_by_cp_sat(UNEVEN, 7, work=10)
    assert outcome.status == "found"
    assert packing_faults(UNEVEN, outcome.offsets) == ()


def test_it_decides_where_the_search_has_no_nodes() -> None:
    packing = pack_beside(UNEVEN, node_limit=0, capacity=6)

    assert (packing.bound.status, packing.bound.lower_bound) == ("infeasible", 7)


def test_the_search_alone_is_enough_where_it_decides() -> None:
    packing = pack_beside(UNEVEN, node_limit=1000, capacity=7)

    assert packing.bound.objective == 7
    assert packing_faults(UNEVEN, packing.offsets) == ()
