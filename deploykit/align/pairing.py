"""Which board tensor is which reference tensor: by name, a map, a pattern. Never by position."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploykit.align.dump import Dump
from deploykit.align.specs import lines_of
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean


@dataclass(frozen=True)
class Pairing:
    """Reference name -> board name, and the names that have no partner."""

    pairs: Mapping[str, str]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def pair(reference: Dump, board: Dump, *, maps: Sequence[str] = (), patterns: Sequence[str] = ()) -> Pairing:
    """Pair the tensors of two dumps.

    In this order: what a map says; what a pattern makes of the name; the same name; the same name but for
    the characters that a file name cannot hold (`/head/Conv` and `_head_Conv`), where only one fits. Two
    single files of one tensor without a name inside are a pair: the user put them side by side.

    Raises:
        InputError: a map or pattern that names no tensor, or one board tensor for two of the reference.
    """
    names, others = reference.names, board.names
    if _nameless(reference) and _nameless(board) and not maps and not patterns:
        return Pairing({names[0]: others[0]}, (), ())
    pairs = {**_by_pattern(names, others, patterns), **_by_map(names, others, maps)}
    pairs.update({name: name for name in names if name in others and name not in pairs})
    taken = set(pairs.values())
    pairs.update(_by_safe_name([n for n in names if n not in pairs], [o for o in others if o not in taken]))
    _refuse_shared(pairs)
    taken = set(pairs.values())
    return Pairing(
        {name: pairs[name] for name in names if name in pairs},
        tuple(name for name in names if name not in pairs),
        tuple(name for name in others if name not in taken),
    )


def _nameless(dump: Dump) -> bool:
    return dump.kind == "file" and len(dump.stored) == 1 and not dump.stored[0].member


def _by_map(names: Sequence[str], others: Sequence[str], maps: Sequence[str]) -> dict[str, str]:
    """Read lines of two words (or two cells between tabs): the reference's name, the board's."""
    pairs, faults = {}, []
    for place, text in lines_of([item if "=" in item else f"@{item}" for item in maps], "--map"):
        words = re.split(r"\t+|=" if "\t" in text or "=" in text else r"\s+", text.strip())
        if len(words) != 2:
            faults.append(Fault(place, f"{text!r} does not hold two names"))
            continue
        ours, theirs = (word.strip() for word in words)
        for name, known, side in ((ours, names, "reference"), (theirs, others, "board dump")):
            if name not in known:
                faults.append(
                    Fault(place, f"the {side} has no tensor {name!r}{did_you_mean(name, known[:200])}")
                )
        if ours in pairs:
            faults.append(Fault(place, f"{ours!r} stands in the map twice"))
        pairs[ours] = theirs
    if faults:
        raise InputError(*faults)
    return pairs


def _by_pattern(names: Sequence[str], others: Sequence[str], patterns: Sequence[str]) -> dict[str, str]:
    """Apply `REFERENCE=BOARD` with one * on either side, such as `/head/*=head_*`."""
    pairs: dict[str, str] = {}
    for text in patterns:
        ours, sign, theirs = text.partition("=")
        if not sign or ours.count("*") != 1 or theirs.count("*") != 1:
            raise input_error(
                "--pattern", f"{text!r} is no REFERENCE=BOARD with one * each", "write it as '/head/*=head_*'"
            )
        head, tail = ours.split("*")
        matched = [
            name
            for name in names
            if name.startswith(head) and name.endswith(tail) and len(name) >= len(head + tail)
        ]
        found = {name: theirs.replace("*", name[len(head) : len(name) - len(tail)]) for name in matched}
        there = {name: other for name, other in found.items() if other in others}
        if not there:
            made = next(iter(found.values()), theirs)
            raise input_error("--pattern", f"{text!r} pairs nothing{did_you_mean(made, others[:200])}")
        pairs.update(there)
    return pairs


def _by_safe_name(names: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    ours, theirs = _grouped(names), _grouped(others)
    return {
        found[0]: theirs[key][0]
        for key, found in ours.items()
        if len(found) == 1 and len(theirs.get(key, ())) == 1
    }


def _grouped(names: Sequence[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(re.sub(r"[^0-9A-Za-z]", "_", name).strip("_"), []).append(name)
    return groups


def _refuse_shared(pairs: Mapping[str, str]) -> None:
    owners: dict[str, list[str]] = {}
    for ours, theirs in pairs.items():
        owners.setdefault(theirs, []).append(ours)
    faults = [
        Fault(
            "--map", f"{theirs!r} of the board is paired with {', '.join(map(repr, names))}", "pair each once"
        )
        for theirs, names in owners.items()
        if len(names) > 1
    ]
    if faults:
        raise InputError(*faults)
