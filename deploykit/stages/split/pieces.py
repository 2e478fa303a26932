"""From cuts to pieces: which nodes run together, under which name, on which engine, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import NodeProto

from deploykit.artifacts.graph import GraphInfo
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.graph.index import GraphIndex, describe
from deploykit.core.profile import ChipProfile
from deploykit.stages.split.auto import (
    FALLBACK,
    FOREIGN,
    MAIN,
    cut_by_engine,
    engine_kind,
    lacking,
    operator_name,
)
from deploykit.stages.split.balance import cut_balanced, roofline_times
from deploykit.stages.split.coarse import cut_at, cut_by_groups
from deploykit.stages.split.params import SplitParams

SEGMENT_NAME = re.compile(r"[A-Za-z0-9_.-]+")

WAYS_OUT = {
    "DeformConv": "it could also be expanded to GridSample and a 1x1 Conv",
    "NonMaxSuppression": "a TopK of fixed size could take its place",
    "NonZero": "a TopK of fixed size could take its place",
}
"""What else a user can do about an operator that chips often lack."""


@dataclass(frozen=True)
class Piece:
    """Nodes by position, ascending; `foreign` pieces hold operators that only the user's code runs."""

    name: str
    positions: tuple[int, ...]
    engine: str
    reason: str
    foreign: bool = False


def plan_pieces(
    index: GraphIndex,
    graph: GraphInfo,
    *,
    profile: ChipProfile,
    params: SplitParams,
    node_time_s: Mapping[str, float] | None,
    notices: list[str],
) -> tuple[Piece, ...]:
    """Cut a graph into pieces in the order of execution; adds to `notices`. Raises InputError."""
    _check(params)
    parts, groups = _coarse(index, graph, profile, params, node_time_s, notices)
    kinds = [engine_kind(node, profile) for node in index.graph.node]
    wanted = list(kinds)
    if not params.auto:
        short = {part for part, kind in zip(parts, kinds, strict=True) if kind == FALLBACK}
        kinds = [
            FALLBACK if kind == MAIN and part in short else kind
            for part, kind in zip(parts, kinds, strict=True)
        ]
    keys = cut_by_engine(index, parts, kinds, params.min_nodes if params.auto else 0)
    if not keys:
        return (
            Piece(profile.engines[0].name + "0", (), profile.engines[0].name, "the network computes nothing"),
        )
    pieces: list[Piece] = []
    for key in sorted(set(keys)):
        positions = tuple(at for at in range(len(keys)) if keys[at] == key)
        engine = profile.engines[0].name if key[2] == MAIN else profile.fallback
        group = groups[key[0]] if groups else ""
        siblings = len({other for other in keys if other[0] == key[0]})
        name = _name(group, engine, siblings, pieces)
        moved = [at for at in positions if key[2] != MAIN and wanted[at] == MAIN]
        reason = _reason([index.graph.node[at] for at in positions], key[2], profile, len(moved), group)
        pieces.append(Piece(name, positions, engine, reason, foreign=key[2] == FOREIGN))
    return tuple(pieces)


def _check(params: SplitParams) -> None:
    given = [
        name
        for name, value in (("at", params.at), ("groups", params.groups), ("balance", params.balance))
        if value
    ]
    if len(given) > 1:
        raise input_error(
            "split", f"{' and '.join(given)} are given together", "choose one; `auto` goes with each"
        )
    faults = [
        Fault(f"group {name!r}", "segment names may hold letters, digits and _ . - only")
        for name in params.groups
        if not SEGMENT_NAME.fullmatch(name)
    ]
    if params.balance < 0:
        faults.append(
            Fault("balance", f"{params.balance} is no number of segments", "give 2 or more, or leave it out")
        )
    if faults:
        raise InputError(*faults)


def _coarse(
    index: GraphIndex,
    graph: GraphInfo,
    profile: ChipProfile,
    params: SplitParams,
    node_time_s: Mapping[str, float] | None,
    notices: list[str],
) -> tuple[list[int], tuple[str, ...]]:
    if params.at:
        return cut_at(index, params.at), ()
    if params.groups:
        return cut_by_groups(index, params.groups)
    if params.balance:
        times = roofline_times(graph, profile, notices) if node_time_s is None else node_time_s
        return cut_balanced(index, graph, times, parts=params.balance, slack=params.balance_slack), ()
    return [0] * len(index.graph.node), ()


def _name(group: str, engine: str, siblings: int, before: Sequence[Piece]) -> str:
    taken = {piece.name for piece in before}
    if group and siblings == 1 and group not in taken:
        return group
    prefix = f"{group}_{engine}" if group else engine
    number = sum(piece.name.startswith(f"{group}_") for piece in before) if group else len(before)
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"


def _reason(nodes: Sequence[NodeProto], kind: int, profile: ChipProfile, moved: int, group: str) -> str:
    """Say in one sentence why a piece runs where it does."""
    main, start = profile.engines[0].name, f"group {group!r}: " if group else ""
    if kind == MAIN:
        return f"{start}{main} runs all of its operators"
    if kind == FOREIGN:
        shown = ", ".join(f"{operator_name(node)} ({node.name})" for node in nodes)
        return f"{start}no operator of ONNX: {shown}; {profile.fallback} needs an implementation of it"
    lacked: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for operator in lacking(node, profile):
            lacked.setdefault(operator, []).append(node)
    shown = ", ".join(
        f"{operator} ({describe(users[0])}{f' and {len(users) - 1} more' if len(users) > 1 else ''})"
        for operator, users in lacked.items()
    )
    hints = "".join(f"; {WAYS_OUT[operator]}" for operator in lacked if operator in WAYS_OUT)
    rest = (
        f"; {moved} other {'node comes' if moved == 1 else 'nodes come'} along, which saves a hand-over"
        if moved
        else ""
    )
    return (
        f"{start}{main} lacks {shown}{hints}{rest}" if shown else f"{start}too little work for {main}{rest}"
    )
