"""What goes wrong between a reference and a board: one function a fault, written without the detector's
help."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy

from deploykit.align.contract import Contract, encode
from deploykit.align.diagnosis import Context
from deploykit.core.errors import InputError
from deploykit.core.graph.sketch import Sketch
from deploykit.core.runtime import open_session, run_session

Array = numpy.ndarray[Any, numpy.dtype[Any]]
Random = numpy.random.Generator


@dataclass(frozen=True)
class Board:
    """A board that is still right: values and how it stores them. Faults change one or the other."""

    reference: Array
    values: Array
    stored: Contract
    declared: Contract
    expected: tuple[frozenset[str], ...] = ()
    context: Context = field(default_factory=Context)
    fixable: bool = True

    def with_fault(self, *kinds: str, **changes: Any) -> Board:
        """Change this board and add what the right answer is."""
        return replace(self, expected=(*self.expected, frozenset(kinds)), **changes)


Fault = Callable[[Board, Random], Board | None]


def clean(reference: Array, random: Random) -> Board:
    """Give a board that agrees: exact, or with the noise of 8 bits."""
    values = reference
    if random.random() < 0.5:
        low, high = float(reference.min()), float(reference.max())
        step = (high - low) / 255 or 1.0
        values = (numpy.rint((reference - low) / step) * step + low).astype(numpy.float32)
    contract = Contract(reference.shape)
    return Board(reference, values, contract, contract)


def _stored(board: Board, kinds: tuple[str, ...], **changes: Any) -> Board | None:
    """Store in another way than is declared; None where that is the same bytes or impossible."""
    try:
        stored = replace(board.stored, **changes)
        if encode(board.values, stored) == encode(board.values, board.stored):
            return None
    except InputError:
        return None
    return board.with_fault(*kinds, stored=stored)


def layout_nhwc(board: Board, random: Random) -> Board | None:
    return _stored(board, ("layout", "transpose"), layout="NHWC")


def layout_nhcw(board: Board, random: Random) -> Board | None:
    return _stored(board, ("layout", "transpose"), layout="NHCW")


def transpose(board: Board, random: Random) -> Board | None:
    if (
        board.values.ndim < 4
        or min(board.values.shape[-2:]) < 2
        or board.stored != Contract(board.values.shape)
    ):
        return None
    moved = board.values.swapaxes(-1, -2).copy().reshape(board.values.shape)
    return board.with_fault("transpose", "layout", values=moved)


def channel_block(board: Board, random: Random) -> Board | None:
    block = int(random.choice([2, 3, 4, 8, 16, 32, 10]))
    layout = str(random.choice(["NC1HWC0", "NC1HWC2", "NHWC"]))
    same = (
        ("tail",) if math.prod(board.values.shape[2:]) * board.values.shape[0] == 1 else ()
    )  # the same bytes
    return _stored(board, ("channel_block", "layout", *same), layout=layout, channel_block=block)


def tile(board: Board, random: Random) -> Board | None:
    size = int(random.choice([4, 8, 16]))
    one = math.prod(board.values.shape[2:]) == 1  # a tile of one pixel is a pitch
    same = ("channel_pitch", "row_pitch", "crop") if one else ()
    return _stored(board, ("tile", *same), layout="tiled", tile=(size, size))


def row_pitch(board: Board, random: Random) -> Board | None:
    row = _row_bytes(board.stored)
    width = _width(board.stored)
    pitch = -(-row // 64) * 64 if random.random() < 0.5 else row + width * int(random.integers(1, 12))
    same = ("channel_pitch",) if numpy.prod(board.values.shape[2:-1]) == 1 else ()  # a row is a channel
    return _stored(board, ("row_pitch", "crop", *same), row_pitch_bytes=pitch) if pitch > row else None


def channel_pitch(board: Board, random: Random) -> Board | None:
    if board.values.ndim < 3 or 1 in (numpy.prod(board.values.shape[2:]), numpy.prod(board.values.shape[:2])):
        return None  # no second channel, or no plane
    plane = int(numpy.prod(board.values.shape[2:])) * _width(board.stored)
    pitch = (
        -(-plane // 16) * 16
        if random.random() < 0.5 and plane % 16
        else plane + 4 * _width(board.stored) * int(random.integers(1, 9))
    )
    kinds = ("channel_pitch", "crop", *(("row_pitch",) if numpy.prod(board.values.shape[2:-1]) == 1 else ()))
    return _stored(board, kinds, channel_pitch_bytes=pitch)


def tail(board: Board, random: Random) -> Board | None:
    return _stored(board, ("tail",), tail_bytes=int(random.choice([1, 16, 64, 200, 4096])))


def header(board: Board, random: Random) -> Board | None:
    return _stored(
        board, ("header", "crop"), header_bytes=int(random.choice([8, 12, 16, 64, 128, 200, 1024]))
    )


def crop(board: Board, random: Random) -> Board | None:
    shape = board.values.shape
    if len(shape) < 3 or min(shape[-2:]) < 2:
        return None
    first = tuple(int(step) for step in random.integers(1, 4, 2))
    last = tuple(int(step) for step in random.integers(0, 4, 2))
    stored = (*shape[:-2], shape[-2] + first[0] + last[0], shape[-1] + first[1] + last[1])
    return _stored(board, ("crop",), stored_shape=stored, crop=(*(0,) * (len(shape) - 2), *first))


def channel_reverse(board: Board, random: Random) -> Board | None:
    if board.values.ndim < 2:
        return None
    return _moved(board, board.values[:, ::-1], "channel_order", "flip")


def channel_permutation(board: Board, random: Random) -> Board | None:
    if board.values.ndim < 2 or board.values.shape[1] < 3:
        return None
    if board.values.size < 4 * board.values.shape[1]:
        return None  # no telling which channel is which
    return _moved(
        board, board.values[:, random.permutation(board.values.shape[1])], "channel_order", "index_order"
    )


def flip(board: Board, random: Random) -> Board | None:
    if board.values.ndim < 3:
        return None
    axes = [(-1,), (-2,), (-1, -2)][int(random.integers(3))]
    found = _moved(board, numpy.flip(board.values, axes), "flip")
    if found is None or len(axes) < 2 or 1 in board.values.shape[-2:]:
        return found
    return replace(found, expected=(*found.expected, frozenset({"flip"})))


def shift(board: Board, random: Random) -> Board | None:
    if board.values.ndim < 3 or min(board.values.shape[-2:]) < 6:
        return None
    down, right = [(0, 1), (1, 0), (1, 1), (-1, 0), (0, -1), (2, -1)][int(random.integers(6))]
    return _moved(board, _shifted(board.values, down, right), "shift", "letterbox")


def letterbox(board: Board, random: Random) -> Board | None:
    """A picture that should be in the middle of its border is at the top or at the left."""
    shape = board.reference.shape
    if len(shape) < 4 or min(shape[-2:]) < 12:
        return None
    axis = int(random.integers(-2, 0))
    border = int(random.integers(2, shape[axis] // 4 + 1))
    grey = float(numpy.median(board.reference))
    inner = [slice(None)] * len(shape)
    inner[axis] = slice(border, shape[axis] - border)
    reference, values = numpy.full(shape, grey, numpy.float32), numpy.full(shape, grey, numpy.float32)
    reference[tuple(inner)] = board.reference[tuple(inner)]
    outer = list(inner)
    outer[axis] = slice(0, shape[axis] - 2 * border)
    values[tuple(outer)] = board.values[tuple(inner)]
    return _moved(replace(board, reference=reference), values, "letterbox", "shift")


def half_pixel(board: Board, random: Random) -> Board | None:
    """The same small map enlarged in two conventions."""
    shape = board.reference.shape
    if len(shape) < 4 or min(shape[-2:]) < 6:
        return None
    factor = int(random.choice([2, 4]))
    ways = random.permutation(["asymmetric", "half_pixel", "nearest", "align_corners"])[:2]
    small = board.reference[:, :8, :48, :48].astype(numpy.float32)
    reference, values = (_enlarged(small, factor, str(way)) for way in ways)
    contract = Contract(reference.shape)
    changed = replace(
        board, reference=reference, stored=contract, declared=contract, values=reference, fixable=False
    )
    return _moved(changed, values, "resample", "shift")


def _enlarged(small: Array, factor: int, way: str) -> Array:
    """Enlarge as onnxruntime's Resize does."""
    *lead, height, width = small.shape
    sketch = Sketch("resize")
    x = sketch.input(math.prod(lead), 1, height, width)
    sizes = (math.prod(lead), 1, factor * height, factor * width)
    mode = {"mode": "nearest", "nearest_mode": "floor"} if way == "nearest" else {"mode": "linear"}
    convention = {"coordinate_transformation_mode": "asymmetric" if way == "nearest" else way}
    y = sketch.op("Resize", (x, "", "", sketch.integers(*sizes)), sizes, **mode, **convention)
    planes = small.reshape(sketch.shape[x])
    (values,) = run_session(open_session(sketch.model(y).SerializeToString()), {x: planes})
    return numpy.asarray(values).reshape(*lead, *sizes[2:])


def sub_pixel(board: Board, random: Random) -> Board | None:
    if board.values.ndim < 4 or min(board.values.shape[-2:]) < 12:
        return None
    part = float(random.choice([0.25, 0.5, 0.75]))
    axes = [(-1,), (-2,), (-1, -2)][int(random.integers(3))]
    values = board.values
    for axis in axes:
        values = (1 - part) * values + part * _shifted(values, *((0, 1) if axis == -1 else (1, 0)))
    return _moved(replace(board, fixable=False), values.astype(numpy.float32), "resample")


def batch_first_only(board: Board, random: Random) -> Board | None:
    if board.values.ndim < 2 or board.values.shape[0] < 2:
        return None
    values = board.values.copy()
    values[1:] = 0 if random.random() < 0.5 else values[:1]
    return _moved(replace(board, fixable=False), values, "batch")


def batch_swapped(board: Board, random: Random) -> Board | None:
    if board.values.ndim < 2 or board.values.shape[0] < 2:
        return None
    return _moved(board, board.values[::-1], "batch")


def int8_as_uint8(board: Board, random: Random) -> Board | None:
    return _quantized(board, "int8", "uint8")


def uint8_as_int8(board: Board, random: Random) -> Board | None:
    return _quantized(board, "uint8", "int8")


def float16(board: Board, random: Random) -> Board | None:
    return _stored(board, ("dtype",), dtype="float16") if _fits_half(board) else None


def bfloat16_as_float16(board: Board, random: Random) -> Board | None:
    declared = replace(board.declared, dtype="float16")
    return _stored(replace(board, declared=declared), ("dtype",), dtype="bfloat16")


def big_endian(board: Board, random: Random) -> Board | None:
    if _width(board.stored) == 1:
        return None
    return _stored(board, ("endian",), endian="big")


def affine(board: Board, random: Random) -> Board | None:
    """A normalisation that is done twice, or not at all."""
    spread = float(board.values.std())
    gain = float(numpy.exp(random.uniform(0.3, 2))) ** float(random.choice([-1, 1]))
    values = board.values * gain + spread * random.uniform(0.5, 3) * random.choice([-1, 1]) * gain
    return _moved(board, values.astype(numpy.float32), "affine")


def affine_channel(board: Board, random: Random) -> Board | None:
    if board.values.ndim < 3 or board.values.shape[1] < 2 or numpy.prod(board.values.shape[2:]) < 16:
        return None
    shape = (1, board.values.shape[1], *(1,) * (board.values.ndim - 2))
    gain = numpy.exp(random.uniform(-1, 1, shape))
    offset = board.values.std() * random.normal(size=shape)
    return _moved(board, (board.values * gain + offset).astype(numpy.float32), "affine_channel")


def wrong_scale(board: Board, random: Random) -> Board | None:
    found = _quantized(board, "int8", "int8")
    if found is None:
        return None
    factor = float(numpy.exp(random.choice([-1, 1]) * random.uniform(0.2, 1.5)))
    declared = replace(found.declared, scale=(found.declared.scale[0] * factor,))
    return replace(found, declared=declared, expected=(*board.expected, frozenset({"scale"})))


def wrong_zero_point(board: Board, random: Random) -> Board | None:
    found = _quantized(board, "int8", "int8")
    if found is None:
        return None
    moved = found.declared.zero_point[0] + int(random.choice([-1, 1]) * random.integers(20, 128))
    return replace(
        found,
        declared=replace(found.declared, zero_point=(moved,)),
        expected=(*board.expected, frozenset({"offset"})),
    )


def saturation(board: Board, random: Random) -> Board | None:
    high = float(numpy.quantile(board.values, random.uniform(0.8, 0.97)))
    if float((board.values > high).mean()) < 0.01:
        return None
    return _moved(
        replace(board, fixable=False), numpy.minimum(board.values, numpy.float32(high)), "saturation"
    )


def fp16_overflow(board: Board, random: Random) -> Board | None:
    peak = float(numpy.abs(board.reference).max())
    factor = 65504 * random.uniform(1.2, 3) / peak
    reference = (board.reference * factor).astype(numpy.float32)
    with numpy.errstate(over="ignore"):
        values = (board.values * factor).astype(numpy.float16).astype(numpy.float32)
    if random.random() < 0.3:
        values = numpy.clip(values, -65504, 65504)
    changed = replace(board, reference=reference, fixable=False)
    return _moved(changed, values, "fp16_overflow")


def not_a_number(board: Board, random: Random) -> Board | None:
    values = board.values.copy()
    if random.random() < 0.5 and values.ndim >= 2 and values.shape[1] > 2:
        values[:, int(random.integers(values.shape[1]))] = numpy.nan
    else:
        values.reshape(-1)[random.integers(0, values.size, max(1, values.size // 200))] = random.choice(
            [numpy.nan, numpy.inf]
        )
    return _moved(replace(board, fixable=False), values, "nan")


def zero_channels(board: Board, random: Random) -> Board | None:
    if board.values.ndim < 3 or board.values.shape[1] < 4:
        return None
    values = board.values.copy()
    chosen = random.permutation(values.shape[1])[: max(1, values.shape[1] // int(random.integers(3, 8)))]
    values[:, chosen] = (
        0 if random.random() < 0.6 else values[:, chosen].mean((0, *range(2, values.ndim)), keepdims=True)
    )
    lost = float(numpy.square(board.values - values).mean() / max(1e-30, board.values.var()))
    return _moved(replace(board, fixable=False), values, "constant_channels") if lost > 0.01 else None


def bias_only(board: Board, random: Random) -> Board | None:
    if board.values.ndim < 3 or numpy.prod(board.values.shape[2:]) < 4:
        return None
    means = board.values.mean((0, *range(2, board.values.ndim)), keepdims=True)
    return _moved(replace(board, fixable=False), numpy.broadcast_to(means, board.values.shape), "constant")


def reordered(board: Board, random: Random) -> Board | None:
    flat = board.reference.reshape(-1)
    if len(numpy.unique(flat)) < 16:
        return None
    order = random.permutation(flat.size)
    return _moved(replace(board, fixable=False), flat[order].reshape(board.values.shape), "reordered")


def wrong_frame(board: Board, random: Random) -> Board | None:
    """The board holds the frame before: the same tensor, moved and a little brighter."""
    if board.values.ndim < 3:
        return None
    noise = _noise(board.reference, 0.5, random)
    frames = {
        "frame 3": board.reference + noise,
        "frame 4": board.reference,
        "frame 5": board.reference - noise,
    }
    shown = frames["frame 3"] + (board.values - board.reference)
    return _moved(replace(board, context=Context(references=frames), fixable=False), shown, "wrong_frame")


def stale(board: Board, random: Random) -> Board | None:
    earlier = board.values + _noise(board.values, 0.3, random)
    dump = encode(earlier, board.stored)
    context = Context(earlier_board=dump, earlier_reference=earlier)
    return _moved(replace(board, context=context, fixable=False), earlier, "stale")


def nondeterminism(board: Board, random: Random) -> Board | None:
    places: Array = numpy.asarray(random.random(size=board.values.shape)) < 0.05
    once, again = (numpy.where(places, _noise(board.values, 1, random), board.values) for _ in range(2))
    if numpy.array_equal(once, again):
        return None
    context = Context(second_run=encode(again, board.stored))
    return _moved(replace(board, context=context, fixable=False), once, "nondeterminism")


def _noise(values: Array, share: float, random: Random) -> Array:
    spread = share * float(values.std())
    return numpy.asarray(random.normal(0.0, spread, values.shape)).astype(numpy.float32)


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        affine, affine_channel, batch_first_only, batch_swapped, bfloat16_as_float16, bias_only, big_endian,
        channel_block, channel_permutation, channel_pitch, channel_reverse, crop, flip, float16,
        fp16_overflow,
        half_pixel, header, int8_as_uint8, layout_nhcw, layout_nhwc, letterbox, nondeterminism, not_a_number,
        reordered, row_pitch, saturation, shift, stale, sub_pixel, tail, tile, transpose, uint8_as_int8,
        wrong_frame, wrong_scale, wrong_zero_point, zero_channels,
    )
}  # fmt: skip

PAIRS: tuple[tuple[Fault, Fault], ...] = (
    (affine, layout_nhwc), (affine, channel_block), (affine_channel, layout_nhwc), (row_pitch, float16),
    (layout_nhwc, float16), (channel_block, float16), (channel_reverse, layout_nhwc), (flip, layout_nhwc),
    (int8_as_uint8, layout_nhwc), (big_endian, layout_nhwc), (saturation, layout_nhwc), (zero_channels,
    layout_nhwc),
    (channel_reverse, affine), (shift, affine), (row_pitch, channel_permutation), (transpose, affine),
    (tail, layout_nhwc), (wrong_scale, channel_block),
)  # fmt: skip


def _moved(board: Board, values: Array, *kinds: str) -> Board | None:
    if numpy.array_equal(values, board.values):
        return None
    return board.with_fault(*kinds, values=numpy.ascontiguousarray(values))


def _shifted(values: Array, down: int, right: int) -> Array:
    """Move by whole pixels; the border repeats."""
    height, width = values.shape[-2:]
    rows = numpy.clip(numpy.arange(height) - down, 0, height - 1)
    columns = numpy.clip(numpy.arange(width) - right, 0, width - 1)
    return values[..., rows, :][..., columns]


def _quantized(board: Board, stored: str, declared: str) -> Board | None:
    low, high = min(0.0, float(board.values.min())), max(0.0, float(board.values.max()))
    scale = (high - low) / 255
    if scale == 0 or board.stored.dtype != "float":
        return None
    zero = round(-low / scale) - (128 if stored == "int8" else 0)
    there = replace(board.stored, dtype=stored, scale=(scale,), zero_point=(zero,))
    said = replace(board.declared, dtype=declared, scale=(scale,), zero_point=(zero,))
    return board.with_fault("dtype", stored=there, declared=said)


def _width(contract: Contract) -> int:
    return {"float": 4, "float16": 2, "bfloat16": 2}.get(contract.dtype, 1)


def _row_bytes(contract: Contract) -> int:
    row = contract.shape[-1] * _width(contract)
    return row * contract.shape[1] if contract.layout == "NHWC" else row


def _fits_half(board: Board) -> bool:
    return float(numpy.abs(board.values).max()) < 60000 and board.declared.dtype == "float"
