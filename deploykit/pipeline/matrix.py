"""The combinations of a `matrix:`, each as `--set` words and a stable name."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploykit.pipeline.config import Matrix


@dataclass(frozen=True)
class Combination:
    """One run of a matrix: its name (`@chip=rk3588,default=w8a8`; "" without a matrix) and its settings."""

    suffix: str
    overrides: tuple[str, ...]


def combinations(matrix: Matrix | None) -> tuple[Combination, ...]:
    """Give the combinations in the order of the axes, the last one moving fastest, then the included ones."""
    if matrix is None:
        return (Combination("", ()),)
    return tuple(dict.fromkeys(_combination(values) for values in _all(matrix)))


def _all(matrix: Matrix) -> Iterator[dict[str, Any]]:
    for row in itertools.product(*matrix.axes.values()):
        values = dict(zip(matrix.axes, row, strict=True))
        if not any(unwanted.items() <= values.items() for unwanted in matrix.exclude if unwanted):
            yield values
    yield from matrix.include


def _combination(values: dict[str, Any]) -> Combination:
    short = ",".join(f"{name.rpartition('.')[2]}={_text(value)}" for name, value in values.items())
    return Combination(f"@{short}", tuple(f"{name}={json.dumps(value)}" for name, value in values.items()))


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in text)
