"""CP-SAT beside the search, on another core: it is quick where the search is slow, and the other way round.

One interval of memory for each rectangle, and no overlap within each section of time. Needs ortools (the
extra `cp-sat`). Its work is counted in ortools' deterministic time on one worker, so that the answer depends
on its version but not on the machine's speed.
"""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.connection import Connection

from deploykit.core.bounds import SolveBound
from deploykit.core.errors import EnvironmentFault
from deploykit.solve.memory.pack import pack, status_of
from deploykit.solve.memory.problem import PackingProblem, lower_bound, peak
from deploykit.solve.memory.search import Outcome
from deploykit.solve.memory.sections import ORDERS, sections_of
from deploykit.solve.memory.solution import Packing

WORK = 60.0
"""Deterministic seconds of CP-SAT: about as many on a core of 2020."""


def pack_beside(problem: PackingProblem, *, node_limit: int, capacity: int | None = None) -> Packing:
    """Pack as `pack` does, with CP-SAT on another core at the capacity, or at the bound where there is none.

    The search's answer is taken where it decides the question; CP-SAT's where only that does.

    Raises:
        EnvironmentFault: ortools is not installed.
    """
    try:
        import ortools.sat.python.cp_model  # noqa: F401  # only the child uses it; this says early if it's missing
    except ImportError:
        raise EnvironmentFault("CP-SAT needs ortools: pip install 'deploykit[cp-sat]'") from None
    wanted = lower_bound(problem) if capacity is None else capacity
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    other = context.Process(target=_child, args=(sender, problem, wanted), daemon=True)
    other.start()
    sender.close()
    packing = pack(problem, node_limit=node_limit, capacity=capacity)
    if packing.bound.status in ("optimal", "infeasible") or packing.bound.objective <= wanted:
        other.terminate()
        outcome = Outcome("limit", (), 0)
    else:
        outcome = _received(receiver)
    other.join()
    return _better(problem, packing, outcome, wanted, capacity)


def _child(sender: Connection, problem: PackingProblem, capacity: int) -> None:
    sender.send(fit_by_cp_sat(problem, capacity, work=WORK))


def _received(receiver: Connection) -> Outcome:
    try:
        outcome: Outcome = receiver.recv()
    except EOFError:  # the other process was killed, say for want of memory
        return Outcome("limit", (), 0)
    return outcome


def _better(
    problem: PackingProblem, packing: Packing, outcome: Outcome, wanted: int, capacity: int | None
) -> Packing:
    bound, offsets = packing.bound, packing.offsets
    height, floor, method = bound.objective, bound.lower_bound, bound.method
    if outcome.status == "found":
        offsets, height, method = outcome.offsets, peak(problem, outcome.offsets), "CP-SAT"
    elif outcome.status == "none":
        floor = max(floor, wanted // problem.unit * problem.unit + problem.unit)
    status = status_of(height, floor, capacity)
    return Packing(offsets, SolveBound(status, height, floor, method, bound.steps))


def fit_by_cp_sat(problem: PackingProblem, capacity: int, *, work: float) -> Outcome:
    """Look for a packing of at most `capacity` with CP-SAT, for `work` deterministic seconds."""
    from ortools.sat.python import cp_model

    sections = sections_of(problem, ORDERS[0])
    room, sizes = capacity // sections.unit, sections.sizes.tolist()
    if max(sizes) > room:
        return Outcome("none", (), 0)
    model = cp_model.CpModel()
    offsets = [model.new_int_var(0, room - size, "") for size in sizes]
    intervals = [
        model.new_fixed_size_interval_var(offset, size, "")
        for offset, size in zip(offsets, sizes, strict=True)
    ]
    for section in range(sections.count):
        inside = (sections.first <= section) & (section <= sections.last)
        model.add_no_overlap([intervals[item] for item in inside.nonzero()[0]])
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_deterministic_time = work
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Outcome("found", sections.offsets([solver.value(offset) for offset in offsets]), 0)
    return Outcome("none" if status == cp_model.INFEASIBLE else "limit", (), 0)
