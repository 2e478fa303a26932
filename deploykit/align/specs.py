"""Small texts that users write: `PATTERN:...` options, and files of them with a line each.

--tolerance 'head*:sqnr_db>=20,cosine>=.99'      --contract 'out*:layout=NHWC,dtype=int8,scale=0.05'
--group     'out@boxes=1:0-3'                    --map FILE with lines "reference-name board-name"
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploykit.align.details import MEASURES
from deploykit.align.metrics import METRICS
from deploykit.align.readers.manifest import parse_fields
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean

KNOWN_MEASURES = (*METRICS, *MEASURES)
LIMIT = re.compile(r"\s*(\w+)\s*(>=|<=)\s*(\S+)\s*")
GROUP = re.compile(r"(?:(?P<match>.+)@)?(?P<name>[^@=]+)=(?P<ranges>.+)")
RANGE = re.compile(r"(\d+):(\d+)(?:-(\d+)?)?")


@dataclass(frozen=True)
class Limit:
    """One bound on a measure."""

    measure: str
    at_least: bool
    bound: float

    def holds(self, value: float) -> bool:
        """Say whether a value meets the bound; NaN never does."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{self.measure}{'>=' if self.at_least else '<='}{self.bound:g}"


@dataclass(frozen=True)
class Tolerance:
    """What tensors whose name fits `match` have to meet: all limits."""

    match: str
    limits: tuple[Limit, ...]


@dataclass(frozen=True)
class Declared:
    """Fields of the contract for board tensors whose name fits `match`."""

    match: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Group:
    """A part of a tensor with a meaning of its own: for some axes, the half-open range of indices."""

    name: str
    match: str
    ranges: tuple[tuple[int, int, int | None], ...]


def lines_of(given: Sequence[str], option: str) -> list[tuple[str, str]]:
    """Give (place, text) of every text; `@FILE` stands for the lines of a file, # begins a comment.

    Raises:
        InputError: a file that cannot be read.
    """
    found = []
    for text in given:
        if not text.startswith("@"):
            found.append((option, text))
            continue
        try:
            lines = Path(text[1:]).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise input_error(f"{option} {text}", f"cannot be read: {error}") from error
        found += [(f"{text[1:]}:{number}", line.rstrip()) for number, line in enumerate(lines, 1)]
    return [(place, text) for place, text in found if text.strip() and not text.lstrip().startswith("#")]


def _with_blocks(lines: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join `PATTERN:` and the `field: value` lines that are indented below it, as a diagnosis writes them."""
    found: list[tuple[str, str]] = []
    for place, text in lines:
        if text[0].isspace() and found:
            head, (key, _, value) = found.pop(), text.strip().partition(":")
            values = value.strip().strip("[]").replace(",", ";")
            found.append((head[0], f"{head[1]}{'' if head[1].endswith(':') else ','}{key.strip()}={values}"))
        else:
            found.append((place, text.strip()))
    return found


def parse_tolerances(given: Sequence[str]) -> tuple[Tolerance, ...]:
    """Read `PATTERN:measure>=number,...`.

    Raises:
        InputError: every text that is none.
    """
    found, faults = [], []
    for place, text in lines_of(given, "--tolerance"):
        match, _, conditions = text.strip().rpartition(":")
        limits = []
        for condition in conditions.split(","):
            parts = LIMIT.fullmatch(condition)
            if parts is None:
                faults.append(Fault(place, f"{condition!r} is no limit", "write it as sqnr_db>=20"))
                continue
            if parts[1] not in KNOWN_MEASURES:
                faults.append(
                    Fault(place, f"no measure {parts[1]!r}{did_you_mean(parts[1], KNOWN_MEASURES)}")
                )
                continue
            try:
                limits.append(Limit(parts[1], parts[2] == ">=", float(parts[3])))
            except ValueError:
                faults.append(Fault(place, f"{parts[3]!r} is no number"))
        found.append(Tolerance(match or "*", tuple(limits)))
    if faults:
        raise InputError(*faults)
    return tuple(found)


def parse_contracts(given: Sequence[str]) -> tuple[Declared, ...]:
    """Read `PATTERN:field=value,...`; lists are written with `x` (`shape=1x3x8x8`) or `;`.

    Raises:
        InputError: every text that is none.
    """
    found: list[Declared] = []
    faults: list[Fault] = []
    for place, text in _with_blocks(lines_of(given, "--contract")):
        match, _, assignments = text.rpartition(":")
        pairs = [assignment.partition("=") for assignment in assignments.split(",")]
        wrong = [key for key, sign, _ in pairs if not sign]
        faults += [Fault(place, f"{key!r} is no field=value", "write it as layout=NHWC") for key in wrong]
        try:
            fields = parse_fields({key.strip(): value for key, sign, value in pairs if sign}, place)
        except InputError as error:
            faults += error.faults
            continue
        found.append(Declared(match or "*", fields))
    if faults:
        raise InputError(*faults)
    return tuple(found)


def parse_groups(given: Sequence[str]) -> tuple[Group, ...]:
    """Read `[PATTERN@]NAME=AXIS:FIRST-LAST,...`: both ends count, `4-` goes to the end.

    Raises:
        InputError: every text that is none.
    """
    found, faults = [], []
    for place, text in lines_of(given, "--group"):
        parts = GROUP.fullmatch(text.strip())
        ranges = [RANGE.fullmatch(word.strip()) for word in parts["ranges"].split(",")] if parts else [None]
        if parts is None or None in ranges:
            faults.append(Fault(place, f"{text!r} is no group", "write it as scores=1:4-83"))
            continue
        found.append(
            Group(parts["name"], parts["match"] or "*", tuple(_range(part) for part in ranges if part))
        )
    if faults:
        raise InputError(*faults)
    return tuple(found)


def _range(part: re.Match[str]) -> tuple[int, int, int | None]:
    first = int(part[2])
    if part[3]:
        return int(part[1]), first, int(part[3]) + 1
    return int(part[1]), first, None if "-" in part[0] else first + 1


def fits(name: str, match: str) -> bool:
    """Say whether a name fits a pattern; a name fits itself, also one with brackets."""
    return name == match or fnmatch.fnmatchcase(name, match)


def last_match(items: Sequence[Any], name: str) -> Any:
    """Give the last item whose pattern fits a name; None where none does."""
    return next((item for item in reversed(items) if fits(name, item.match)), None)


def declared_for(declared: Sequence[Declared], name: str) -> dict[str, Any]:
    """Give the fields for a board tensor; a later pattern goes before an earlier one, field by field."""
    fields: dict[str, Any] = {}
    for item in declared:
        if fits(name, item.match):
            fields.update(item.fields)
    return fields
