"""What would make a network faster on a chip, and where more of the chip would gain nothing."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.artifacts.costs import Bound


@dataclass(frozen=True)
class Advice:
    """One change and its predicted effect on one run: `before_s` becomes `after_s`.

    `bound` is that of the nodes that gain most of it; `nodes` are those that gain, most first, at most five;
    `node_count` is how many there are.
    """

    what: str
    bound: Bound
    before_s: float
    after_s: float
    nodes: tuple[str, ...]
    node_count: int

    @property
    def gain_share(self) -> float:
        """Share of the time that it saves."""
        return (self.before_s - self.after_s) / self.before_s


@dataclass(frozen=True)
class Headroom:
    """How the time of a run follows one figure of the chip: `times_s` by the figure's value, rising.

    `now` is the profile's value. `enough` is the value beyond which any more gains less than 1 % of the time
    at that value; None where even the largest value that was tried is too small.
    """

    figure: str
    unit: str
    now: float
    times_s: tuple[tuple[float, float], ...]
    enough: float | None
