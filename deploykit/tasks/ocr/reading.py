"""From a box on a page to its text: cutting the line out, turning it, decoding the recogniser's output."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deploykit.core.errors import input_error
from deploykit.tasks.ocr.boxes import Points, sides
from deploykit.tasks.protocol import Array

BLANK = 0
"""The class that means "no character here" (connectionist temporal classification, CTC)."""


def cut_line(image: NDArray[np.uint8], corners: Points) -> NDArray[np.uint8]:
    """Cut a rotated rectangle out of an image: (height, width, 3), as large as the rectangle is."""
    width, height = (max(1, math.ceil(side)) for side in sides(corners))
    top_left, top_right, bottom_right, bottom_left = corners
    quad = tuple(
        float(value) for point in (top_left, bottom_left, bottom_right, top_right) for value in point
    )
    picture = Image.fromarray(image).transform(
        (width, height), Image.Transform.QUAD, quad, Image.Resampling.BICUBIC
    )
    return np.asarray(picture)


def upside_down(probabilities: Array, threshold: float) -> bool:
    """Say whether the classifier's two probabilities (upright, upside down) call for turning the line."""
    upright, turned = np.asarray(probabilities, dtype=np.float64).reshape(-1)[:2]
    return bool(turned > upright and turned > threshold)


def decode_text(probabilities: Array, characters: tuple[str, ...]) -> str:
    """Decode (time, class) greedily: the best class of each step, repeats merged, blanks dropped."""
    best = np.argmax(probabilities, axis=-1)
    changed = np.concatenate([[True], best[1:] != best[:-1]])
    return "".join(characters[index] for index in best[changed & (best != BLANK)])


def read_characters(model: Path) -> tuple[str, ...]:
    """Read a PaddleOCR recogniser's classes from its metadata: blank, one character a line, space."""
    import onnx

    loaded = onnx.load(model, load_external_data=False)
    listed = {item.key: item.value for item in loaded.metadata_props}.get("character")
    if listed is None:
        what = "the recogniser's metadata has no `character` list"
        raise input_error(f"{model}", what, "name an ONNX file that has one in `task.characters`")
    return ("", *listed.split("\n"), " ")
