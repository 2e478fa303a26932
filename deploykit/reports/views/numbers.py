"""Numbers that may be undefined."""

from __future__ import annotations

import math


def finite(value: float) -> float | None:
    """Give the value, or None for NaN and infinities."""
    return value if math.isfinite(value) else None


def share(part: float, whole: float) -> float:
    """Give part / whole; 0 where there is no whole."""
    return part / whole if whole > 0 else 0.0
