"""Layers that need one width of activations, and what each may take then."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from deploykit.analysis.layer_units import Unit
from deploykit.artifacts.precision import ACTIVATION_BITS, Scheme, is_integer
from deploykit.core.errors import Fault, InputError

Planned: TypeAlias = tuple[Scheme, str]
"""A node's scheme and its reason."""

Allowed: TypeAlias = Mapping[str, Sequence[Scheme]]
"""What each node may take, in the order of preference of its engine."""


@dataclass(frozen=True)
class Group:
    """Layers with one width; `choices` are each one's schemes at a width that all of them have."""

    units: tuple[Unit, ...]
    choices: dict[str, tuple[Scheme, ...]]


def groups_of(joined: Collection[tuple[Unit, ...]], allowed: Allowed) -> tuple[Group, ...]:
    """Give each group its choices.

    Raises:
        InputError: groups without a width that all may take, all at once.
    """
    groups = []
    faults = []
    for units in joined:
        common = set.intersection(*({width(scheme) for scheme in allowed[unit.name]} for unit in units))
        if not common:
            faults.append(_no_common_width(units, allowed))
        choices = {unit.name: tuple(s for s in allowed[unit.name] if width(s) in common) for unit in units}
        groups.append(Group(units, choices))
    if faults:
        raise InputError(*faults)
    return tuple(groups)


def with_followers(unit: Unit, planned: Planned, allowed: Allowed) -> dict[str, Planned]:
    """Give a layer its scheme, and what follows it the same, or one with the same activations."""
    scheme, _ = planned
    found = {unit.name: planned}
    for node in unit.nodes[1:]:
        same = [one for one in allowed[node] if width(one) == width(scheme)]
        own = scheme if scheme in same else next(iter(same), allowed[node][0])
        found[node] = own, f"Follows {unit.name}."
    return found


def width(scheme: Scheme) -> str:
    """Name the activations of a scheme."""
    return f"{ACTIVATION_BITS[scheme]}-bit{'' if is_integer(scheme) else ' floating point'}"


def _no_common_width(units: Sequence[Unit], allowed: Allowed) -> Fault:
    names = {", ".join(allowed[unit.name]): unit.name for unit in units}
    shown = "; ".join(f"{name} may take {schemes}" for schemes, name in names.items())
    fix = "allow a width of activations that they have in common, or set one by an exception"
    return Fault("precision.allow", f"these share a scale, and no width of activations: {shown}", fix)
