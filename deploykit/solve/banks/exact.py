"""Tries every choice that could still be better: options item by item, banks by need, offsets at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploykit.solve.banks.improve import Options
from deploykit.solve.banks.problem import BankProblem, Need
from deploykit.solve.banks.relax import SCALE, Relaxation
from deploykit.solve.banks.solution import Chosen, Stay
from deploykit.solve.memory.pack import pack
from deploykit.solve.memory.problem import PackingProblem, Rectangle

PACK_NODES = 4000


@dataclass(frozen=True)
class Outcome:
    """`chosen` is the best choice found that saves more than what was known, None where there was none.

    `complete` says that no other saves more; `steps` counts the nodes of the search.
    """

    chosen: tuple[Chosen, ...] | None
    saving: int
    complete: bool
    steps: int


def search(
    problem: BankProblem, options: Options, relaxation: Relaxation, *, known: int, step_limit: int
) -> Outcome:
    """Search for a choice that saves more than `known`, depth first.

    A branch ends where the profits of what is decided and the best of what isn't can't beat the best so
    far, at the relaxation's prices. Sets of needs that no offsets were found for are never tried again.
    """
    run = _Search(problem, options, relaxation, known, step_limit)
    complete = run.descend(0, relaxation.slack + sum(run.hopes))
    return Outcome(run.best, run.saving, complete and run.proved, run.steps)


class _Search:
    def __init__(
        self, problem: BankProblem, options: Options, relaxation: Relaxation, known: int, step_limit: int
    ) -> None:
        self.problem, self.options = problem, options
        self.saving, self.step_limit = known, step_limit
        self.best: tuple[Chosen, ...] | None = None
        self.steps, self.proved = 0, True
        # the items whose decision costs the most come first
        self.items = sorted(options, key=lambda item: (-abs(options[item][0][0]), item))
        self.hopes = [max(options[item][0][0], 0) for item in self.items]
        self.placed: list[tuple[int, int, tuple[int, ...]]] = []
        self.banks: list[list[Need]] = [[] for _ in range(problem.bank_count)]
        self.hopeless: set[frozenset[tuple[int, int, int, int]]] = set()

    def descend(self, depth: int, bound: int) -> bool:
        """Decide the item at this depth; False where the limit stopped it. `bound` is in units of profit."""
        if bound // SCALE <= self.saving:
            return True
        if depth == len(self.items):
            self._accept()
            return True
        item, hope = self.items[depth], self.hopes[depth]
        choices = [*self.options[item], (0, -1)]
        for profit, option in sorted(choices, reverse=True):
            rest = bound - hope + profit
            if rest // SCALE <= self.saving:
                break
            for banks in self._assignments(item, option):
                self.steps += 1
                if self.steps > self.step_limit:
                    return False
                self._enter(item, option, banks)
                done = self.descend(depth + 1, rest)
                self._leave(item, option, banks)
                if not done:
                    return False
        return True

    def _assignments(self, item: int, option: int) -> Iterator[tuple[int, ...]]:
        """Give the banks that an option's needs may take; of the empty banks only the first."""
        if option < 0:
            yield ()
            return
        yield from self._banks_for(item, self.problem.items[item][option].needs, ())

    def _banks_for(
        self, item: int, needs: Sequence[Need], taken: tuple[int, ...]
    ) -> Iterator[tuple[int, ...]]:
        if len(taken) == len(needs):
            yield taken
            return
        need = needs[len(taken)]
        empty_seen = False
        for bank, others in enumerate(self.banks):
            empty = not others and bank not in taken
            if empty and empty_seen:
                continue
            empty_seen = empty_seen or empty
            inside = [*others, *(n for n, b in zip(needs, taken, strict=False) if b == bank)]
            if self._holds(inside, need) and not self._has_rival(bank, item, need):
                yield from self._banks_for(item, needs, (*taken, bank))

    def _holds(self, inside: Sequence[Need], need: Need) -> bool:
        meeting = [other for other in inside if other.first < need.end and need.first < other.end]
        times = {need.first, *(other.first for other in meeting if other.first > need.first)}
        rounded = self.problem.rounded
        used = (
            sum(rounded(other.size) for other in meeting if other.first <= time < other.end) for time in times
        )
        return max(used) + rounded(need.size) <= self.problem.room

    def _has_rival(self, bank: int, item: int, need: Need) -> bool:
        times = {
            (other, time)
            for other, time in self.problem.rivals.get(item, ())
            if need.first <= time < need.end
        }
        for other, option, banks in self.placed if times else ():
            for there, theirs in zip(banks, self.problem.items[other][option].needs, strict=True):
                if there == bank and any(o == other and theirs.first <= t < theirs.end for o, t in times):
                    return True
        return False

    def _enter(self, item: int, option: int, banks: Sequence[int]) -> None:
        if option >= 0:
            self.placed.append((item, option, tuple(banks)))
            for bank, need in zip(banks, self.problem.items[item][option].needs, strict=True):
                self.banks[bank].append(need)

    def _leave(self, item: int, option: int, banks: Sequence[int]) -> None:
        if option >= 0:
            self.placed.pop()
            for bank in reversed(banks):
                self.banks[bank].pop()

    def _accept(self) -> None:
        """Look for offsets in each bank; a complete choice that has them is the best so far."""
        saving = sum(self.problem.items[item][option].saving for item, option, _ in self.placed)
        if saving <= self.saving:
            return
        offsets = [self._offsets(bank) for bank in range(self.problem.bank_count)]
        if any(found is None for found in offsets):
            return
        rows = [iter(found or ()) for found in offsets]
        self.saving = saving
        self.best = tuple(
            sorted(
                (
                    Chosen(item, option, tuple(Stay(bank, next(rows[bank])) for bank in banks))
                    for item, option, banks in self.placed
                ),
                key=lambda chosen: chosen.item,
            )
        )

    def _offsets(self, bank: int) -> tuple[int, ...] | None:
        needs = self.banks[bank]
        if not needs:
            return ()
        names = frozenset((at, need.size, need.first, need.end) for at, need in enumerate(needs))
        if names in self.hopeless:
            return None
        rectangles = tuple(Rectangle(need.size, need.first, need.end) for need in needs)
        packing = pack(PackingProblem(rectangles, self.problem.alignment), node_limit=PACK_NODES)
        if packing.bound.objective <= self.problem.room:
            return packing.offsets
        self.hopeless.add(names)
        self.proved = self.proved and packing.bound.lower_bound > self.problem.room
        return None
