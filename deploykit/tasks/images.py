"""A folder of images as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from deploykit.artifacts.contract import InputContract
from deploykit.core.errors import InputError, input_error
from deploykit.tasks.folder import FolderTask
from deploykit.tasks.preprocess import to_tensor
from deploykit.tasks.protocol import Array, Frame


@dataclass(frozen=True)
class ImageTask(FolderTask):
    """Images of a folder, through the contract of a network's one image input.

    A file is decoded to RGB (also where the board's camera gives NV12: its coarser colour is not imitated).
    """

    suffixes = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")

    def read(self, file: Path, contracts: Sequence[InputContract]) -> list[Frame]:
        """Read one image as one frame."""
        contract = image_input(contracts)
        image = read_image(file)
        try:
            return [{contract.name: to_tensor(image, contract)}]
        except InputError as error:
            raise InputError(
                *(replace(fault, where=f"{file}: {fault.where}") for fault in error.faults)
            ) from error


def image_input(contracts: Sequence[InputContract]) -> InputContract:
    """Give the contract of a network's only input, which has to be an image, as one that takes RGB."""
    if len(contracts) != 1 or not contracts[0].is_image or contracts[0].colour == "nv12":
        names = ", ".join(f"{item.name} ({item.colour})" for item in contracts)
        fix = "give its data as a folder of arrays (kind: arrays) or from a function (kind: function)"
        raise input_error(
            "task.images", f"an image folder feeds one rgb, bgr or gray input, this network has {names}", fix
        )
    if np.prod(contracts[0].leading) != 1:
        what = f"an image folder gives one image a frame, the input holds {contracts[0].leading}"
        raise input_error("task.images", what, "give its data as a folder of arrays (kind: arrays)")
    return replace(contracts[0], raw_colour="rgb")


def read_image(file: Path) -> Array:
    """Decode an image file to RGB, uint8, (height, width, 3)."""
    try:
        with Image.open(file) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise input_error(
            str(file), f"not a readable image ({error})", "remove it, or save it again"
        ) from error
