"""What every plan file is written from, and what they all say in the same words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.dtypes import is_float
from deploykit.core.errors import Fault, InputError


@dataclass(frozen=True)
class SegmentPlan:
    """A segment of the float network, its nodes' schemes, and the encodings that quantizing gave.

    `before` is the text of the file that the vendor's own first step wrote, where a format builds on one.
    """

    segment: Segment
    schemes: Mapping[str, Scheme]
    encodings: tuple[Encoding, ...]
    before: str | None = None

    @cached_property
    def nodes(self) -> tuple[NodeInfo, ...]:
        """The nodes that write real numbers; index and shape arithmetic has no precision to choose."""
        known = self.segment.graph.tensor
        return tuple(
            node
            for node in self.segment.graph.nodes
            if any(name in known and is_float(known[name].dtype) for name in node.outputs)
        )

    @cached_property
    def encoding_of(self) -> dict[str, Encoding]:
        """The encoding of each tensor: the stored one where readers take it in two widths."""
        found: dict[str, Encoding] = {}
        for encoding in self.encodings:
            found.setdefault(encoding.tensor, encoding)
        return found

    def scheme(self, node: NodeInfo) -> Scheme:
        """Give a node's scheme; nodes that the plan doesn't name run in float32."""
        return self.schemes.get(node.id, "float32")

    def with_scheme(self, *schemes: Scheme) -> tuple[NodeInfo, ...]:
        """Give the nodes with these schemes."""
        return tuple(node for node in self.nodes if self.scheme(node) in schemes)

    def has_weights(self, node: NodeInfo) -> bool:
        """Say whether a node reads a weight of real numbers."""
        known = self.segment.graph.tensor
        weights = (known[name] for name in node.inputs if name in known and known[name].is_weight)
        return any(is_float(weight.dtype) for weight in weights)


@dataclass(frozen=True)
class PlanFiles:
    """A segment's files: (what follows the segment's name, text), and sentences for the user."""

    files: tuple[tuple[str, str], ...]
    notices: tuple[str, ...] = ()


Writer: TypeAlias = Callable[[SegmentPlan], PlanFiles]


def refuse(plan: SegmentPlan, vendor: str, words: Iterable[Scheme], fix: str) -> None:
    """Raise InputError with every layer whose scheme is not among `words`, one fault a scheme."""
    offered = tuple(words)
    missing: dict[Scheme, list[NodeInfo]] = {}
    for node in plan.nodes:
        if plan.scheme(node) not in offered:
            missing.setdefault(plan.scheme(node), []).append(node)
    faults = [
        Fault(f"segment {plan.segment.name!r}", f"{vendor} has no word for {scheme}: {names(nodes)}", fix)
        for scheme, nodes in missing.items()
    ]
    if faults:
        raise InputError(*faults)


def refuse_names(plan: SegmentPlan, vendor: str, found: Iterable[str], forbidden: str) -> None:
    """Raise InputError with every name that holds a character which the format gives a meaning."""
    faults = [
        Fault(
            f"segment {plan.segment.name!r}",
            f"the name {name!r} holds {', '.join(sorted(repr(letter) for letter in bad))}, "
            f"which {vendor} reads as a separator",
            "rename the node or tensor in the source",
        )
        for name in dict.fromkeys(found)
        if (bad := set(name).intersection(forbidden))
    ]
    if faults:
        raise InputError(*faults)


def names(nodes: Iterable[NodeInfo]) -> str:
    """Name nodes for people, all of them."""
    return ", ".join(node.name or node.id for node in nodes)


def note(text: str, nodes: Iterable[NodeInfo]) -> tuple[str, ...]:
    """Give a notice that names its layers, or nothing where there are none."""
    found = names(nodes)
    return (f"{text}: {found}",) if found else ()


def width_notices(plan: SegmentPlan) -> tuple[str, ...]:
    """Name the tensors that are read in two widths, of which a file with one entry a tensor holds one."""
    other = [
        f"{encoding.tensor} (also {encoding.dtype})"
        for encoding in plan.encodings
        if plan.encoding_of[encoding.tensor] != encoding
    ]
    return (f"only the stored width is in the file: {', '.join(other)}",) if other else ()
