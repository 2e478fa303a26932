"""What a network's input means: the pixels behind the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Layout: TypeAlias = Literal["NCHW", "NHWC", "flat"]
Colour: TypeAlias = Literal["rgb", "bgr", "gray", "nv12", "none"]
Resize: TypeAlias = Literal["none", "stretch", "letterbox", "fit_height", "crop"]
Anchor: TypeAlias = Literal["centre", "top_left"]


@dataclass(frozen=True)
class InputContract:
    """How raw data becomes one network input: value = (raw - mean) * scale, channel by channel.

    `shape` is the bound shape of the tensor, `dtype` its ONNX type. Dimensions before the last three of an
    image (batch, cameras) are counted, never resized. `raw_dtype` is what a sensor or a file delivers
    ("uint8" for images). `colour` is the channel order that the network reads, `raw_colour` that of the raw
    data (None: the same); `nv12` is a plane of H rows of Y over H / 2 rows of interleaved U and V; `none`
    marks inputs that are no image. `mean` and `scale` have one entry, or one a channel, in the network's
    order.

    `resize` says how an image of another size is brought to the tensor's: `stretch` each axis by itself;
    `letterbox` by the smaller of both ratios, the rest is padding; `crop` by the larger one, the rest is cut
    off; `fit_height` to the full height, padded where it is too narrow and squeezed where it is too wide
    (text lines); `none` refuses another size. `anchor` says where it lies then, `padding` fills the rest (a
    raw value). `raw_range` is the half-open range of raw values that random data is drawn from.
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
    raw_colour: Colour | None = None
    anchor: Anchor = "centre"
    raw_range: tuple[float, float] | None = None

    @property
    def is_image(self) -> bool:
        """True where the input is made of pixels."""
        return self.colour != "none"

    @property
    def leading(self) -> tuple[int, ...]:
        """The dimensions before those of one image, such as batch or cameras; all where it is no image."""
        return self.shape[:-3] if self.is_image else self.shape

    @property
    def channels(self) -> int:
        """Channels of one image."""
        return self.shape[-1] if self.layout == "NHWC" else self.shape[-3]

    @property
    def rows(self) -> int:
        """Rows of one image tensor; an NV12 plane has one and a half times as many as the picture."""
        return self.shape[-3] if self.layout == "NHWC" else self.shape[-2]

    @property
    def columns(self) -> int:
        """Columns of one image tensor."""
        return self.shape[-2] if self.layout == "NHWC" else self.shape[-1]

    @property
    def raw(self) -> Colour:
        """The colour order of raw data."""
        return self.raw_colour or self.colour
