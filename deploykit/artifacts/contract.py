"""What a network's input means: the pixels behind the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Layout: TypeAlias = Literal["NCHW", "NHWC", "flat"]
Colour: TypeAlias = Literal["rgb", "bgr", "gray", "nv12", "none"]
Resize: TypeAlias = Literal["none", "stretch", "letterbox", "crop"]


@dataclass(frozen=True)
class InputContract:
    """How raw data becomes one network input: value = (raw - mean) * scale, channel by channel.

    `shape` is the bound shape of the tensor, `dtype` its ONNX type. `raw_dtype` is what a sensor or a file
    delivers ("uint8" for images). `mean` and `scale` have one entry, or one a channel. `padding` fills letterbox borders
    (a raw value). `colour: none` marks inputs that are no image.
    """

    name: str
    shape: tuple[int, ...] = ()
    layout: Layout = "flat"
    dtype: str = "float"
    raw_dtype: str = "float"
    colour: Colour = "none"
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    resize: Resize = "none"
    padding: float = 0.0
