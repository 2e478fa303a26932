"""GridSample at fixed places is a fixed choice of pixels: Gather, and for bilinear a weighted sum of four.

Places are found as ONNX says: with `align_corners`, -1 and 1 are the centres of the outer pixels, otherwise
their outer edges. Padding "zeros" gives the pixels outside a weight of 0.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy

from deploykit.core.graph.rewrites.rule import Array, Site

Corner: TypeAlias = tuple[Array, Array]


def rewrite(site: Site) -> str:
    """Write it as Reshape, Gather, Mul and Add."""
    x, grid_name = site.node.input
    grid, shape = site.constant(grid_name), site.shape(x)
    mode, padding = site.attribute("mode", "bilinear"), site.attribute("padding_mode", "zeros")
    if grid is None:
        return "its grid is computed"
    if shape is None or len(shape) != 4:
        return "its input has no known shape of four sizes"
    if mode not in ("bilinear", "linear", "nearest"):
        return f"mode {mode!r} has no rule"
    if padding not in ("zeros", "border"):
        return f"padding {padding!r} has no rule"
    if any((grid[0] != other).any() for other in grid[1:]):
        return "its grid differs from image to image"
    batch, channels, height, width = shape
    rows, columns = _places(grid[0], height, width, align=bool(site.attribute("align_corners", 0)))
    corners = _corners(rows, columns, height, width, nearest=mode == "nearest", border=padding == "border")
    flat = site.weight("flat", numpy.array([batch, channels, height * width], numpy.int64))
    pixels = site.add("Reshape", x, flat)
    total = ""
    for number, (index, weight) in enumerate(corners):
        name = site.add("Gather", pixels, site.weight(f"index{number}", index), axis=2)
        if not (weight == 1).all():
            name = site.add("Mul", name, site.weight(f"weight{number}", weight))
        total = site.add("Add", total, name) if total else name
    size = site.weight("size", numpy.array([batch, channels, *grid.shape[1:3]], numpy.int64))
    site.add("Reshape", total, size, to=site.node.output[0])
    return ""


def _places(grid: Array, height: int, width: int, *, align: bool) -> tuple[Array, Array]:
    """Give rows and columns of all places in pixels, in float32 as runtimes compute them."""
    found = []
    for values, size in ((grid[..., 1], height), (grid[..., 0], width)):
        given = values.astype(numpy.float32).ravel()
        one, two, extent = (numpy.float32(number) for number in (1, 2, size))
        found.append((given + one) / two * (extent - one) if align else ((given + one) * extent - one) / two)
    return found[0], found[1]


def _corners(
    rows: Array, columns: Array, height: int, width: int, *, nearest: bool, border: bool
) -> list[Corner]:
    """Give (flat index, weight) of each pixel that counts; pixels outside have index 0 and weight 0."""
    if border:
        rows, columns = numpy.clip(rows, 0, height - 1), numpy.clip(columns, 0, width - 1)
    if nearest:
        one = numpy.ones(rows.shape, numpy.float32)
        return [_corner(numpy.rint(rows), numpy.rint(columns), one, height, width)]
    top, left = numpy.floor(rows), numpy.floor(columns)
    down, right = rows - top, columns - left
    return [
        _corner(top, left, (1 - down) * (1 - right), height, width),
        _corner(top, left + 1, (1 - down) * right, height, width),
        _corner(top + 1, left, down * (1 - right), height, width),
        _corner(top + 1, left + 1, down * right, height, width),
    ]


def _corner(rows: Array, columns: Array, weights: Array, height: int, width: int) -> Corner:
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    index = numpy.where(inside, rows * width + columns, 0).astype(numpy.int64)
    return index, numpy.where(inside, weights, 0).astype(numpy.float32)
