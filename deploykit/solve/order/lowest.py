"""Orders of a low peak: every set of finished nodes once where they are few, a beam where they are many."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploykit.core.bounds import SolveBound
from deploykit.solve.order.problem import OrderProblem, Running, peak, running, working_set_bound

WIDEST = 64
"""How many partial orders the beam keeps at most."""


@dataclass(frozen=True)
class Ordering:
    """An order of all nodes. The bound is on the peak of any order, in the bytes of the problem."""

    order: tuple[int, ...]
    bound: SolveBound


@dataclass(frozen=True)
class _State:
    """The nodes that are done (bits), what is alive after them, the peak so far, those that may run now, and
    the way here."""

    done: int
    alive: int
    peak: int
    ready: tuple[int, ...]
    node: int = -1
    before: _State | None = None

    def order(self) -> tuple[int, ...]:
        """Give the nodes in the order in which they were done."""
        found = []
        state: _State | None = self
        while state is not None and state.node >= 0:
            found.append(state.node)
            state = state.before
        return tuple(reversed(found))


def lowest_order(problem: OrderProblem, given: Sequence[int], *, step_limit: int) -> Ordering:
    """Give an order whose peak is never above that of `given`, which must be valid.

    Where looking at every set of finished nodes takes at most `step_limit` steps, no order has a lower peak;
    otherwise the beam takes about as many again. Work is counted, so that the same inputs give the same
    order.
    """
    floor, height = working_set_bound(problem), peak(problem, given)
    if height <= floor:
        return Ordering(tuple(given), SolveBound("optimal", height, floor, "the given order"))
    found, steps, proved = _exact(problem, height, step_limit)
    if proved and found is not None:
        return Ordering(found.order(), SolveBound("optimal", found.peak, found.peak, "all orders", steps))
    if proved:
        bound = SolveBound("optimal", height, height, "the given order, all others looked at", steps)
        return Ordering(tuple(given), bound)
    beam = _beam(problem, step_limit)
    if beam is not None and beam.peak < height:
        at_bound = beam.peak == floor
        bound = SolveBound("optimal" if at_bound else "feasible", beam.peak, floor, "beam", steps)
        return Ordering(beam.order(), bound)
    return Ordering(tuple(given), SolveBound("feasible", height, floor, "the given order", steps))


def _exact(problem: OrderProblem, below: int, limit: int) -> tuple[_State | None, int, bool]:
    """Search the sets of finished nodes, lowest peak first, for an order below a peak.

    Gives the order's end, the steps taken, and whether nothing was left out.
    """
    every = (1 << len(problem.waits)) - 1
    start, steps = _settled(problem, _start(problem))
    heap = [(start.peak, -start.done.bit_count(), 0, start)]
    best = {start.done: start.peak}
    pushed = 0
    while heap:
        _, _, _, state = heapq.heappop(heap)
        if state.done == every:
            return state, steps, True
        if best[state.done] < state.peak:
            continue
        for after in _successors(problem, state):
            settled, more = _settled(problem, after)
            steps += more + 1
            if steps > limit:
                return None, steps, False
            if settled.peak < below and settled.peak < best.get(settled.done, below):
                best[settled.done] = settled.peak
                pushed += 1
                heapq.heappush(heap, (settled.peak, -settled.done.bit_count(), pushed, settled))
    return None, steps, True


def _settled(problem: OrderProblem, state: _State) -> tuple[_State, int]:
    """Run what never hurts: nodes that leave no more alive and need no more than the peak so far.

    Doing such a node first raises nothing in any order: all that runs later finds as much or less alive, and
    what dies at a later node dies there still. Gives the steps taken, too.
    """
    moved, steps = True, 0
    while moved:
        moved = False
        for node in state.ready:
            step = running(problem, state.done, state.alive, node)
            steps += 1
            if step.after <= state.alive and step.during <= state.peak:
                state, moved = _after(problem, state, node, step), True
                break
    return state, steps


def _start(problem: OrderProblem) -> _State:
    ready = tuple(node for node, waits in enumerate(problem.waits) if not waits)
    return _State(0, problem.start_bytes, problem.start_bytes, ready)


def _successors(problem: OrderProblem, state: _State) -> Iterator[_State]:
    for node in state.ready:
        yield _after(problem, state, node, running(problem, state.done, state.alive, node))


def _after(problem: OrderProblem, state: _State, node: int, step: Running) -> _State:
    done = state.done | 1 << node
    others = [other for other in state.ready if other != node]
    fresh = [other for other in problem.followers[node] if not problem.wait_masks[other] & ~done]
    return _State(done, step.after, max(state.peak, step.during), (*others, *fresh), node, state)


def _beam(problem: OrderProblem, step_limit: int) -> _State | None:
    """Grow some partial orders at once, a node at a time; keep the lowest peaks, then the fewest bytes."""
    count = len(problem.waits)
    states, share = [_start(problem)], step_limit // max(count, 1)
    for _ in range(count if share else 0):
        found: dict[int, _State] = {}
        steps = 0
        for state in states:  # the best first: at least one, then as many as the share of steps allows
            if steps > share:
                break
            for after in _successors(problem, state):
                steps += 1
                known = found.get(after.done)
                if known is None or (after.peak, after.alive) < (known.peak, known.alive):
                    found[after.done] = after
        states = heapq.nsmallest(WIDEST, found.values(), key=lambda item: (item.peak, item.alive, item.done))
    return states[0] if share else None
