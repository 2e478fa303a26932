"""Where a window starts, moves and ends: ONNX's pads as one of TensorFlow Lite's two modes, or as a PAD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from deploykit.toolchains.vela.lowering import Lowering
from deploykit.toolchains.vela.program import SAME, VALID
from deploykit.toolchains.vela.qdq import CODE_RANGE, Codes, Node


@dataclass(frozen=True)
class Window:
    """Kernel, strides, dilations and pads over (height, width); `after` is what the last window reads."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    size: tuple[int, int]
    results: tuple[int, int]

    @property
    def strides_and_dilations(self) -> dict[str, int]:
        """Give the options of a convolution."""
        return {
            "strideH": self.strides[0],
            "strideW": self.strides[1],
            "dilationHFactor": self.dilations[0],
            "dilationWFactor": self.dilations[1],
        }

    @property
    def is_same(self) -> bool:
        """Whether TensorFlow Lite's SAME pads as much: ceil(size / stride) results, the odd pad behind."""
        for axis in (0, 1):
            span = (self.kernel[axis] - 1) * self.dilations[axis] + 1
            results = -(-self.size[axis] // self.strides[axis])
            total = max((results - 1) * self.strides[axis] + span - self.size[axis], 0)
            if (self.before[axis], max(self.after[axis], 0)) != (total // 2, total - total // 2):
                return False
        return True


def window_of(low: Lowering, node: Node, kernel: Sequence[int]) -> Window:
    """Read a convolution's or pool's attributes, and what its last window really reads."""
    size = low.shape(node.reads[0].root)[2:]
    results = (low.shape(node.outputs[0])[2], low.shape(node.outputs[0])[3])
    strides = _pair(node, "strides", 1)
    dilations = _pair(node, "dilations", 1)
    spans = [(kernel[axis] - 1) * dilations[axis] + 1 for axis in (0, 1)]
    needed = [(results[axis] - 1) * strides[axis] + spans[axis] - size[axis] for axis in (0, 1)]
    mode = node.attributes.get("auto_pad", b"NOTSET")
    mode = mode.decode() if isinstance(mode, bytes) else str(mode)
    pads = [int(pad) for pad in node.attributes.get("pads", [0, 0, 0, 0])][:2]
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        total = [max(count, 0) for count in needed]
        pads = [count // 2 if mode == "SAME_UPPER" else count - count // 2 for count in total]
    after = (needed[0] - pads[0], needed[1] - pads[1])
    return Window(
        (kernel[0], kernel[1]), strides, dilations, (pads[0], pads[1]), after, (size[0], size[1]), results
    )


def padded(
    low: Lowering, node: Node, window: Window, source: str, *, lowest: bool = False
) -> tuple[str, int]:
    """Give what the windows move over, and the mode: SAME, or VALID with a PAD before where that is needed.

    `lowest` pads with the least value, as a maximum wants it, else with 0.
    """
    after = (max(window.after[0], 0), max(window.after[1], 0))
    if window.before == (0, 0) and after == (0, 0):
        return source, VALID
    if window.is_same:
        return source, SAME
    found = low.program.tensors[source]
    codes = Codes(found.scales[0], found.zero_points[0], found.dtype) if found.scales else None
    pads = [(0, 0), (window.before[0], after[0]), (window.before[1], after[1]), (0, 0)]
    shape = [size + sum(pad) for size, pad in zip(found.shape, pads, strict=True)]
    target = low.tensor(f"{node.outputs[0]}::padded", shape, found.dtype, codes)
    widths = low.constant(f"{target}::widths", numpy.array(pads, numpy.int32))
    if not lowest:
        low.emit("PAD", [source, widths], [target], "PadOptions")
        return target, VALID
    value = numpy.array([CODE_RANGE[found.dtype][0] if codes else -3.4e38], found.dtype)
    filler = low.tensor(f"{target}::value", (1,), found.dtype, codes, data=value)
    low.emit("PADV2", [source, widths, filler], [target], "PadV2Options")
    return target, VALID


def _pair(node: Node, name: str, default: int) -> tuple[int, int]:
    found = [int(value) for value in node.attributes.get(name, [default, default])]
    return found[0], found[1]
