"""What a board did to a raw frame before the network, beside what the input's contract says.

Each way to place the image in the tensor (resize rule, anchor, channel order, layout) is tried; over the
pixels inside, board = gain * raw + offset is fitted channel by channel. The way that leaves least of the
board's variance is the board's: gain and offset are its mean and scale, what lies outside is padding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deploykit.artifacts.contract import Anchor, InputContract, Layout, Resize
from deploykit.core.errors import InputError, input_error
from deploykit.tasks.preprocess import to_tensor

Array = NDArray[Any]

MARK = -1e6
"""Stands for padding while pixels are placed: no raw value is that low."""

EXPLAINED = 0.1
"""More of the board's variance than this left over: no way explains it."""

FILTER = 2e-3
"""Above this share the pixels come from another filter or another source."""

SAME = 1e-4
"""Ways whose shares differ by less cannot be told apart; the contract's own is taken."""

STEP = 0.01
"""Gain and offset are the same where all values from 0 to 255 are nearer than this part of the range."""


@dataclass(frozen=True)
class InputFinding:
    """One thing that the board does otherwise: `line` is the YAML that would describe the board."""

    kind: Literal[
        "constant", "unexplained", "values", "colour", "resize", "layout", "padding", "type", "filter"
    ]
    explanation: str
    line: str = ""


@dataclass(frozen=True)
class InputAlignment:
    """What was found. `left` is the share of the board's variance that the best way leaves; `gain` and
    `offset` are those of each channel. Without findings the board does what the contract says."""

    findings: tuple[InputFinding, ...]
    left: float
    gain: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    max_abs: float = math.nan


@dataclass(frozen=True)
class _Way:
    """A contract that is tried, its fit, and the board's values by it: (images, channels, rows, columns)."""

    contract: InputContract
    changes: int
    left: float
    gain: Array
    offset: Array
    outside: Array
    board: Array


def align_input(raw: Array, board: Array, contract: InputContract) -> InputAlignment:
    """Compare a board's input, as it lies in memory, with a raw frame brought through a contract.

    Raises:
        InputError: sizes that do not belong together, a contract that is no rgb, bgr or gray image.
    """
    if contract.colour not in ("rgb", "bgr", "gray") or contract.raw == "nv12":
        what = f"its contract is {contract.raw} to {contract.colour}; rgb, bgr and gray images are aligned"
        raise input_error(contract.name, what, "compare other inputs with `deploykit diff`")
    if board.size != math.prod(contract.shape):
        what = f"the board's input has {board.size} values, the contract {list(contract.shape)}"
        raise input_error(contract.name, what, "dump the tensor that the network reads")
    values = board.astype(np.float64).reshape(-1)
    if not np.isfinite(values).all():
        raise input_error(contract.name, "the board's input has NaN or infinite values", "look at its source")
    if np.ptp(values) == 0:
        text = f"the board's input is {values[0]:g} everywhere: no frame reached the network"
        return InputAlignment((InputFinding("constant", text),), 1.0)
    ways = [_fitted(raw, values, way, changes) for way, changes in _ways(contract, raw)]
    least = min(way.left for way in ways)
    best = min((way for way in ways if way.left <= least + SAME), key=lambda way: (way.changes, way.left))
    if best.left > EXPLAINED:
        text = (
            f"no way to place, turn or scale this frame gives the board's input; the nearest leaves "
            f"{100 * best.left:.0f} % of its variance: another frame, a crop of its own, or a layout with "
            "gaps"
        )
        return InputAlignment((InputFinding("unexplained", text),), best.left)
    expected = to_tensor(raw, contract).astype(np.float64).reshape(-1)
    return InputAlignment(
        tuple(_findings(best, contract, board.dtype)),
        best.left,
        tuple(float(value) for value in best.gain),
        tuple(float(value) for value in best.offset),
        float(np.abs(expected - values).max()),
    )


def _ways(contract: InputContract, raw: Array) -> Iterator[tuple[InputContract, int]]:
    """Give the contracts to try, with the number of things that each changes; its own goes first."""
    placements: list[tuple[Resize, Anchor]] = [(contract.resize, contract.anchor)]
    rank = 2 if contract.raw == "gray" else 3
    rows, columns = raw.shape[-rank], raw.shape[-rank + 1]
    rules: tuple[Resize, ...] = ("stretch", "letterbox", "crop", "fit_height")
    anchors: tuple[Anchor, ...] = ("centre", "top_left")
    if (rows, columns) != (contract.rows, contract.columns):
        placements += [(rule, anchor) for rule in rules for anchor in anchors]
    colours = [contract.colour]
    if contract.colour in ("rgb", "bgr"):
        colours.append("bgr" if contract.colour == "rgb" else "rgb")
    layouts: tuple[Layout, ...] = ("NCHW", "NHWC")
    for resize, anchor in dict.fromkeys(placements):
        for colour in colours:
            for layout in layouts:
                way = replace(
                    contract,
                    resize=resize,
                    anchor=anchor,
                    colour=colour,
                    raw_colour=contract.raw,
                    layout=layout,
                    shape=_shape(contract, layout),
                )
                changed = (resize != contract.resize, anchor != contract.anchor, colour != contract.colour)
                yield way, sum(changed) + (layout != contract.layout)


def _shape(contract: InputContract, layout: Layout) -> tuple[int, ...]:
    inside = (contract.channels, contract.rows, contract.columns)
    return (*contract.leading, *(inside if layout == "NCHW" else (*inside[1:], inside[0])))


def _fitted(raw: Array, values: Array, way: InputContract, changes: int) -> _Way:
    plain = replace(way, mean=(0.0,), scale=(1.0,), padding=MARK, dtype="double")
    try:
        pixels = _planes(to_tensor(raw, plain), plain)
    except InputError:  # `none` with an image of another size
        zeros = np.zeros(way.channels)
        return _Way(way, changes, math.inf, zeros, zeros, np.zeros(0, bool), values)
    board = _planes(values.reshape(way.shape), way)
    inside = pixels[:, 0] != MARK
    gain, offset = np.zeros(way.channels), np.zeros(way.channels)
    rest = total = 0.0
    for channel in range(way.channels):
        x, y = pixels[:, channel][inside], board[:, channel][inside]
        middle_x, middle_y = x.mean(), y.mean()
        spread = float(((x - middle_x) ** 2).sum())
        gain[channel] = float(((x - middle_x) * (y - middle_y)).sum()) / spread if spread else 0.0
        offset[channel] = middle_y - gain[channel] * middle_x
        rest += float(((y - gain[channel] * x - offset[channel]) ** 2).sum())
        total += float(((y - middle_y) ** 2).sum())
    left = rest / total if total else math.inf
    return _Way(way, changes, left if (gain > 0).all() else math.inf, gain, offset, ~inside, board)


def _planes(tensor: Array, contract: InputContract) -> Array:
    """Give (images, channels, rows, columns)."""
    images = tensor.reshape(-1, *contract.shape[-3:])
    return images if contract.layout == "NCHW" else np.moveaxis(images, -1, 1)


def _findings(best: _Way, contract: InputContract, dtype: np.dtype[Any]) -> Iterator[InputFinding]:
    way = best.contract
    if way.layout != contract.layout:
        text = f"the board's input lies as {way.layout}, the contract says {contract.layout}"
        yield InputFinding("layout", text, f"layout: {way.layout}")
    if way.colour != contract.colour:
        text = f"the board's channels are {way.colour}, the contract says {contract.colour}"
        yield InputFinding("colour", text, f"colour: {way.colour}")
    if (way.resize, way.anchor) != (contract.resize, contract.anchor):
        text = f"the board places the image by {way.resize} ({way.anchor}), the contract by {contract.resize}"
        lines = f"resize: {way.resize}" + (f"\nanchor: {way.anchor}" if way.anchor != contract.anchor else "")
        yield InputFinding("resize", f"{text} ({contract.anchor})", lines)
    yield from _values(best, contract)
    yield from _padding(best, contract)
    if dtype.kind in "iu" and contract.dtype.startswith(("float", "double", "bfloat")):
        text = f"the board's input holds {dtype} values, the contract says {contract.dtype}"
        yield InputFinding("type", text, f"dtype: {dtype}")
    if best.left > FILTER:
        share = f"{100 * best.left:.2f} % of their variance"
        text = f"pixels differ by {share}: another resize filter, or another decoder"
        yield InputFinding("filter", text)


def _values(best: _Way, contract: InputContract) -> Iterator[InputFinding]:
    """Name the gain and offset of each channel."""
    count = len(best.gain)
    mean, scale = np.resize(contract.mean, count), np.resize(contract.scale, count)
    ones = np.ones(count)
    known: tuple[tuple[str, Array, Array], ...] = (
        ("", scale, -mean * scale),
        ("mean and scale are not applied: the board gives raw pixels", ones, 0 * ones),
        ("pixels are only divided by 255", ones / 255, 0 * ones),
        ("pixels are only moved by -128", ones, -128 * ones),
        ("mean and scale are applied twice", scale * scale, -mean * scale * scale - mean * scale),
        ("mean and scale have the other channel order", scale[::-1], -(mean * scale)[::-1]),
        ("the scale is applied, the mean is not", scale, 0 * ones),
        ("the mean is taken off, the scale is not applied", ones, -mean),
        ("the mean is added, not taken off", scale, mean * scale),
        ("mean and scale are for pixels from 0 to 1", scale / 255, -mean * scale),
    )
    name = next((name for name, gain, offset in known if _same(best, gain, offset)), None)
    if name == "":
        return
    found_scale, found_mean = best.gain, -best.offset / best.gain
    lines = f"mean: {_numbers(found_mean)}\nscale: {_numbers(found_scale)}"
    text = name or "mean and scale are others"
    yield InputFinding("values", text, lines)


def _same(best: _Way, gain: Array, offset: Array) -> bool:
    """Compare two straight lines at both ends of the pixels' range."""
    span = np.abs(gain) * 255
    ends = (np.abs((best.gain - gain) * at + best.offset - offset) for at in (0, 255))
    return bool(all((end <= STEP * span).all() for end in ends))


def _padding(best: _Way, contract: InputContract) -> Iterator[InputFinding]:
    if not best.outside.any():
        return
    around = np.moveaxis(best.board, 1, -1)[best.outside]  # (places, channels)
    raw = (around - best.offset) / best.gain
    middle = np.median(raw, axis=0)
    if (np.abs(raw - middle) > 1.5).mean() > 0.01:
        yield InputFinding("padding", "what lies around the image is not of one value")
    elif (np.abs(middle - contract.padding) > 1.5).any():
        text = f"the board pads with {_numbers(middle)} (raw), the contract with {contract.padding:g}"
        one = float(np.round(middle.mean(), 1))
        yield InputFinding("padding", text, f"padding: {one:g}" if np.ptp(middle) < 1.5 else "")


def _numbers(values: Array) -> str:
    rounded = [float(f"{value:.6g}") for value in values]
    return f"[{', '.join(f'{value:g}' for value in rounded)}]"
