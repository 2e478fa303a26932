"""Numbers as people read them: three significant digits, decimal prefixes, a unit. None becomes a dash."""

from __future__ import annotations

from datetime import datetime

NOTHING = "–"  # noqa: RUF001  (an en dash on purpose)
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SMALL = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def digits(value: float) -> str:
    """Give three significant digits without an exponent where that stays short."""
    if value == 0:
        return "0"
    size = abs(value)
    if not 1e-4 <= size < 1e6:
        return f"{value:.2e}"
    if size >= 99.95:
        return f"{value:.0f}"
    for limit, places in ((9.995, 1), (0.9995, 2), (0.09995, 3), (0.009995, 4)):
        if size >= limit:
            return f"{value:.{places}f}"
    return f"{value:.5f}".rstrip("0")


def quantity(value: float | None, unit: str) -> str:
    """Give a count with a decimal prefix: 1.24 GMACs, 3.40 MB, 512 B."""
    if value is None:
        return NOTHING
    for factor, prefix in _PREFIXES:
        if abs(value) >= factor * 0.9995:
            return f"{digits(value / factor)} {prefix}{unit}"
    return f"{digits(value)} {unit}".rstrip()


def count(number: int, noun: str) -> str:
    """Give a number of things: 1 block, 2 blocks."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size(value_bytes: float | None) -> str:
    """Give bytes with a decimal prefix."""
    return quantity(value_bytes, "B")


def duration(value_s: float | None) -> str:
    """Give seconds with the prefix that suits: 12.3 ms, 850 µs."""
    if value_s is None:
        return NOTHING
    if value_s == 0:
        return "0 s"
    for factor, prefix in _SMALL:
        if abs(value_s) >= factor * 0.9995:
            return f"{digits(value_s / factor)} {prefix}s"
    return f"{digits(value_s / 1e-9)} ns"


def rate(value_per_s: float) -> str:
    """Give a frame rate as it was asked for: 10, 29.97."""
    return f"{value_per_s:.4g}"


def moment(iso: str) -> str:
    """Give an ISO 8601 time to the minute, without its T."""
    time = datetime.fromisoformat(iso)
    return f"{time:%Y-%m-%d %H:%M} {time.tzname() or ''}".rstrip()


def percent(value: float | None) -> str:
    """Give a share as a percentage; a small part of something is never shown as nothing."""
    if value is None:
        return NOTHING
    if 0 < value < 0.001:
        return "< 0.1 %"
    return f"{100 * value:.0f} %" if value == 0 or abs(value) >= 0.0995 else f"{100 * value:.1f} %"


def decibel(value_db: float | None, equal: bool = False) -> str:
    """Give an SQNR; two equal tensors have none."""
    if equal:
        return "equal"
    return NOTHING if value_db is None else f"{value_db:.1f} dB"


def measure(value: float | None, unit: str = "") -> str:
    """Give a metric or a difference measure with its own unit."""
    if value is None:
        return NOTHING
    return f"{digits(value)} {unit}".rstrip()


def metric(value: float | None, unit: str = "") -> str:
    """Give a task metric: three decimals below 100, so that float and quantized line up."""
    if value is None:
        return NOTHING
    return f"{value:.3f} {unit}".rstrip() if abs(value) < 100 else measure(value, unit)


def signed(value: float | None) -> str:
    """Give a difference with its sign."""
    if value is None:
        return NOTHING
    return f"{value:+.3f}" if abs(value) < 100 else f"{value:+.0f}"


def cosine(value: float | None) -> str:
    """Give a cosine similarity; close to 1 its distance from 1, for a rounded 1.0000 would hide it."""
    if value is None:
        return NOTHING
    return f"{value:.4f}" if value < 0.999 else f"1 - {digits(max(1 - value, 0.0))}"


def printable(text: str) -> str:
    """Replace control and other unprintable characters: a name must not steer a terminal."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def shortened(text: str, width: int) -> str:
    """Cut the middle out of a long name: its head and its tail tell more than its middle."""
    if len(text) <= width:
        return text
    tail = (width - 1) * 2 // 3
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"
