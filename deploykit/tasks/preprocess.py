"""Turns raw pixels and numbers into a network input, as its contract says, and points back into raw pixels.

Coordinates are continuous: pixel i covers the half-open interval [i, i + 1), so resizing is a plain factor.
Pixels are resized bilinearly; where an image shrinks, the filter widens with it (Pillow's rule), so nothing
is skipped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from deploykit.artifacts.contract import Colour, InputContract
from deploykit.core.dtypes import ELEMENT_TYPES, numpy_dtype
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.tasks.protocol import Array

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of R, G and B in grey (ITU-R BT.601)."""

NV12_TO_RGB = np.array([[1.164, 0.0, 1.596], [1.164, -0.391, -0.813], [1.164, 2.018, 0.0]], dtype=np.float32)
"""Columns: Y - 16, U - 128, V - 128 (ITU-R BT.601, studio range: Y in 16..235)."""


@dataclass(frozen=True)
class Placement:
    """Where a raw image lies in a tensor: tensor position = raw position * scale + offset.

    The resized image has `width` x `height` pixels; offsets are whole pixels, negative where it is cut off.
    """

    scale_x: float
    scale_y: float
    offset_x: int
    offset_y: int
    width: int
    height: int

    def to_tensor(self, points: ArrayLike) -> NDArray[np.float64]:
        """Move points (..., 2) of (x, y) from the raw image into the tensor."""
        return np.asarray(points, dtype=np.float64) * self._scale + self._offset

    def to_raw(self, points: ArrayLike) -> NDArray[np.float64]:
        """Move points (..., 2) of (x, y) from the tensor into the raw image."""
        return (np.asarray(points, dtype=np.float64) - self._offset) / self._scale

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.scale_x, self.scale_y])

    @property
    def _offset(self) -> NDArray[np.float64]:
        return np.array([self.offset_x, self.offset_y], dtype=np.float64)


def place(raw_height: int, raw_width: int, contract: InputContract) -> Placement:
    """Find where a raw image of this size lies in the contract's tensor."""
    rows, columns = contract.rows, contract.columns
    if contract.resize == "none" and (raw_height, raw_width) != (rows, columns):
        raise input_error(
            contract.name,
            f"an image of {raw_height} x {raw_width} pixels does not fit the input's {rows} x {columns}",
            "give the input a `resize:` rule (stretch, letterbox, fit_height or crop)",
        )
    ratio_x, ratio_y = columns / raw_width, rows / raw_height
    if contract.resize == "letterbox":
        ratio_x = ratio_y = min(ratio_x, ratio_y)
    elif contract.resize == "crop":
        ratio_x = ratio_y = max(ratio_x, ratio_y)
    elif contract.resize == "fit_height":
        ratio_x = min(ratio_y, ratio_x)
    width, height = max(1, round(raw_width * ratio_x)), max(1, round(raw_height * ratio_y))
    centred = contract.anchor == "centre"
    offset_x, offset_y = ((columns - width) // 2, (rows - height) // 2) if centred else (0, 0)
    return Placement(width / raw_width, height / raw_height, offset_x, offset_y, width, height)


def to_tensor(raw: Array, contract: InputContract) -> Array:
    """Make a network input of raw data: colour, size, mean and scale, layout, type.

    One raw image is (height, width, channels), or (rows, width) for grey and NV12; where the tensor holds
    several (batch, cameras), they stand in the same leading dimensions.
    """
    if not contract.is_image:
        return _finish(raw.astype(np.float64), contract)
    rank = 2 if contract.raw in ("gray", "nv12") else 3
    many = raw.shape[:-rank] if raw.ndim > rank else ()
    if raw.ndim < rank or math.prod(many) != math.prod(contract.leading):
        want = f"{rank} dimensions after {contract.leading or 'none'} of batch and cameras"
        raise input_error(
            contract.name, f"raw data of shape {raw.shape} is no {contract.raw} image", f"it needs {want}"
        )
    images = [_image_tensor(image, contract) for image in raw.reshape(-1, *raw.shape[len(many) :])]
    return _finish(np.stack(images), contract)


def convert_colour(image: Array, raw: Colour, wanted: Colour) -> Array:
    """Change the channel order of one image to (height, width, channels); NV12 and grey come as one plane."""
    planes = image if image.ndim == 3 else image[..., None]
    if raw == wanted:
        return planes
    rgb = _to_rgb(image, planes, raw)
    if wanted == "bgr":
        return rgb[..., ::-1]
    if wanted == "gray":
        luma = rgb.astype(np.float32) @ LUMA
        return _like(luma[..., None], image.dtype)
    return rgb


def _to_rgb(image: Array, planes: Array, raw: Colour) -> Array:
    if raw == "nv12":
        return nv12_to_rgb(image)
    if raw == "gray":
        return np.repeat(planes, 3, axis=-1)
    return planes[..., ::-1] if raw == "bgr" else planes


def nv12_to_rgb(plane: Array) -> NDArray[np.uint8]:
    """Decode an NV12 plane (uint8, 3/2 H x W; both even) to (H, W, 3); each U and V covers 2 x 2 pixels."""
    height, width = plane.shape[0] * 2 // 3, plane.shape[1]
    if plane.shape[0] * 2 != height * 3 or height % 2 or width % 2:
        raise input_error(
            "nv12", f"{plane.shape} is no NV12 plane", "its rows are 3/2 of an even height, its width is even"
        )
    chroma = plane[height:].reshape(height // 2, width // 2, 2).repeat(2, axis=0).repeat(2, axis=1)
    yuv = np.concatenate([plane[:height, :, None], chroma], axis=-1).astype(np.float32)
    rgb: Array = (yuv - np.array([16, 128, 128], dtype=np.float32)) @ NV12_TO_RGB.T
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def resize_image(image: Array, height: int, width: int) -> Array:
    """Resize (H, W, C) bilinearly; three uint8 channels stay uint8, anything else becomes float32."""
    if image.shape[:2] == (height, width):
        return image
    if image.dtype == np.uint8 and image.shape[2] == 3:
        picture = Image.fromarray(np.ascontiguousarray(image))
        return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
    channels = [Image.fromarray(image[..., index].astype(np.float32)) for index in range(image.shape[2])]
    resized = [np.asarray(channel.resize((width, height), Image.Resampling.BILINEAR)) for channel in channels]
    return np.stack(resized, axis=-1)


def contract_faults(contract: InputContract, where: str) -> tuple[Fault, ...]:
    """Find what contradicts itself in a contract whose shape is bound."""
    faults: list[Fault] = []
    for option, dtype in (("dtype", contract.dtype), ("raw_dtype", contract.raw_dtype)):
        if dtype not in ELEMENT_TYPES:
            fix = "types are ONNX's: float, float16, uint8, int64 ..."
            faults.append(Fault(f"{where}.{option}", f"there is no type {dtype!r}", fix))
    if not contract.is_image:
        if contract.resize != "none":
            faults.append(
                Fault(
                    where, f"resize: {contract.resize} without a colour", "say `colour: rgb` (or bgr, gray)"
                )
            )
        return tuple(faults)
    if contract.layout == "flat" or len(contract.shape) < 3:
        what = f"an image needs layout NCHW or NHWC, not {contract.layout} with shape {list(contract.shape)}"
        return (*faults, Fault(where, what, "or say `colour: none`"))
    channels = 3 if contract.colour in ("rgb", "bgr") else 1
    if contract.channels != channels:
        what = f"colour {contract.colour} has {channels} channel(s), the shape {contract.channels}"
        faults.append(Fault(where, what, "check `layout:` and `shape:`"))
    for option, values in (("mean", contract.mean), ("scale", contract.scale)):
        if len(values) not in (1, channels):
            faults.append(
                Fault(
                    f"{where}.{option}",
                    f"{len(values)} values for {channels} channel(s)",
                    "give one, or one each",
                )
            )
    if contract.raw == "none" or (
        contract.colour == "nv12" and (contract.raw != "nv12" or contract.resize != "none")
    ):
        what = f"{contract.raw} data cannot become {contract.colour} with resize: {contract.resize}"
        faults.append(Fault(where, what, "an NV12 input takes NV12 data of its own size"))
    return tuple(faults)


def _image_tensor(raw: Array, contract: InputContract) -> NDArray[np.float64]:
    image = convert_colour(raw, contract.raw, contract.colour)
    placement = place(image.shape[0], image.shape[1], contract)
    resized = resize_image(image, placement.height, placement.width)
    canvas = _pasted(resized, placement, contract) if contract.resize != "none" else resized
    return canvas.astype(np.float64)


def _pasted(image: Array, placement: Placement, contract: InputContract) -> Array:
    """Put the resized image on a canvas of padding; what reaches outside of it is cut off."""
    canvas = np.full((contract.rows, contract.columns, image.shape[2]), contract.padding, dtype=np.float64)
    left, top = max(0, placement.offset_x), max(0, placement.offset_y)
    cut = image[max(0, -placement.offset_y) :, max(0, -placement.offset_x) :]
    cut = cut[: contract.rows - top, : contract.columns - left]
    canvas[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    return canvas


def _finish(values: NDArray[np.float64], contract: InputContract) -> Array:
    """Apply mean and scale on the last axis, then the layout, the shape and the type."""
    values = (values - np.array(contract.mean)) * np.array(contract.scale)
    if contract.is_image and contract.layout == "NCHW":
        values = np.moveaxis(values, -1, -3)
    if math.prod(values.shape) != math.prod(contract.shape):
        raise InputError(
            Fault(contract.name, f"data of shape {values.shape} for an input of {contract.shape}")
        )
    return _like(values.reshape(contract.shape), numpy_dtype(contract.dtype))


def _like(values: Array, dtype: np.dtype[Any]) -> Array:
    """Set the type; integers are rounded and kept inside their range."""
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
