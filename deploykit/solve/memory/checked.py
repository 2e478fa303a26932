"""Packs, and has the independent validator look at what came out: what the stages call."""

from __future__ import annotations

from deploykit.solve.memory.pack import pack
from deploykit.solve.memory.problem import PackingProblem
from deploykit.solve.memory.solution import Packing
from deploykit.solve.memory.validate import packing_faults


def checked_pack(problem: PackingProblem, *, node_limit: int = 8000) -> Packing:
    """Pack as `pack` does, without a capacity.

    Raises:
        AssertionError: the packing breaks the rules, which is a fault of ours; it never gets further.
    """
    packing = pack(problem, node_limit=node_limit)
    faults = packing_faults(problem, packing.offsets, height=packing.bound.objective)
    if faults:
        raise AssertionError("; ".join(faults))
    return packing
