"""Draws pages of text with known words and places, as a camera might see them.

The font is Aileron Regular (CC0), the one that Pillow carries. Everything follows from the generator given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from deploykit.core.errors import EnvironmentFault
from deploykit.tasks.ocr.words import line_text

FONT_PIXELS = (30, 42)
"""Half-open range of font sizes."""


@dataclass(frozen=True)
class PageLook:
    """How pages look; each line and page draws its own value up to these."""

    height: int = 720
    width: int = 960
    lines: int = 6
    """Lines of text on a page."""
    max_characters: int = 14
    """Characters in a line; longer ones would be squeezed in the recogniser's input."""
    rotation_degrees: float = 2.0
    """Largest rotation of a line, to either side."""
    upside_down_share: float = 0.25
    """How many lines stand on their head."""
    blur_pixels: float = 0.8
    noise: float = 6.0
    """Largest standard deviation of the sensor's noise, of 255."""


@dataclass(frozen=True)
class TextLine:
    """A line on a page. `corners` (4, 2): the text's own top left, then clockwise as it is read.

    The box is as high as the font's line (ascent and descent), whatever letters are there.
    """

    text: str
    corners: NDArray[np.float64]
    upside_down: bool


@dataclass(frozen=True)
class Page:
    """An image (height, width, 3), RGB, and what stands on it."""

    image: NDArray[np.uint8]
    lines: tuple[TextLine, ...]


def draw_page(rng: np.random.Generator, words: tuple[str, ...], look: PageLook) -> Page:
    """Draw a page of lines below each other on a textured ground, then blur it and add noise."""
    dark = bool(rng.random() < 0.25)
    picture = Image.fromarray(_ground(rng, look, dark))
    row = look.height / look.lines
    lines = tuple(
        _draw_line(
            rng, picture, line_text(rng, words, look.max_characters), (row * at, row * (at + 1)), dark, look
        )
        for at in range(look.lines)
    )
    blurred = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, look.blur_pixels)))
    noise = rng.normal(0, rng.uniform(0, look.noise), (look.height, look.width, 1))
    image = np.clip(np.rint(np.asarray(blurred) + noise), 0, 255).astype(np.uint8)
    return Page(image, lines)


def rotated(points: Any, degrees: float) -> NDArray[np.float64]:
    """Turn points (..., 2) of (x, y), y downwards, counter-clockwise as seen, about the origin."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved: NDArray[np.float64] = np.asarray(points, dtype=np.float64) @ turn
    return moved


def _ground(rng: np.random.Generator, look: PageLook, dark: bool) -> NDArray[np.uint8]:
    """Paper: a base colour, soft stains, a slope of light."""
    base = rng.uniform(20, 80, 3) if dark else rng.uniform(170, 245, 3)
    stains = rng.normal(0, rng.uniform(2, 10), (look.height // 60, look.width // 60)).astype(np.float32)
    soft = np.asarray(Image.fromarray(stains).resize((look.width, look.height), Image.Resampling.BICUBIC))
    slope = np.linspace(-1, 1, look.width) * rng.uniform(-15, 15)
    return np.clip(base + (soft + slope)[..., None], 0, 255).astype(np.uint8)


def _draw_line(
    rng: np.random.Generator,
    picture: Image.Image,
    text: str,
    rows: tuple[float, float],
    dark: bool,
    look: PageLook,
) -> TextLine:
    font = _font(float(rng.integers(*FONT_PIXELS)))
    bold = int(rng.random() < 0.2)
    upside_down = bool(rng.random() < look.upside_down_share)
    degrees = rng.uniform(-look.rotation_degrees, look.rotation_degrees) + (180 if upside_down else 0)
    left, _, right, _ = font.getbbox(text, stroke_width=bold)
    width, height = math.ceil(right - left), sum(font.getmetrics()) + 2 * bold
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).text((-left, bold), text, fill=255, font=font, stroke_width=bold)
    turned = mask.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    x = int(rng.uniform(8, max(9, look.width - turned.width - 8)))
    y = int((rows[0] + rows[1] - turned.height) / 2 + rng.uniform(-6, 6))
    ink = rng.uniform(170, 255, 3) if dark else rng.uniform(0, 90, 3)
    picture.paste(Image.new("RGB", turned.size, _rgb(ink)), (x, y), turned)
    half = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    centre = np.array([x + turned.width / 2, y + turned.height / 2])
    return TextLine(text, rotated(half, degrees) + centre, upside_down)


def _font(pixels: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(pixels)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise EnvironmentFault("this Pillow was built without FreeType; install Pillow's own wheel")
    return font


def _rgb(colour: NDArray[np.float64]) -> tuple[int, int, int]:
    red, green, blue = (int(channel) for channel in colour)
    return red, green, blue
