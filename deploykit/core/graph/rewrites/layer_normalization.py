"""LayerNormalization: (x - mean) / sqrt(variance + epsilon) * scale + bias, over the axes from `axis` on."""

from __future__ import annotations

import numpy

from deploykit.core.graph.rewrites.rule import Site

AXES_AS_INPUT = 18
"""From this opset on, ReduceMean takes its axes as an input."""


def rewrite(site: Site) -> str:
    """Write it as ReduceMean, Sub, Mul, Add, Sqrt and Div."""
    x, scale, *rest = site.node.input
    shape = site.shape(x)
    if shape is None:
        return "its shape is not known"
    if any(site.node.output[1:]):
        return "its mean or deviation is read too"
    if site.attribute("stash_type", 1) != 1:
        return "it computes in another type than float"
    first = site.attribute("axis", -1) % len(shape)
    axes = tuple(range(first, len(shape)))
    centred = site.add("Sub", x, _mean(site, x, axes))
    variance = _mean(site, site.add("Mul", centred, centred), axes)
    epsilon = site.weight("epsilon", numpy.array(site.attribute("epsilon", 1e-5), numpy.float32))
    deviation = site.add("Sqrt", site.add("Add", variance, epsilon))
    normed = site.add("Div", centred, deviation)
    y = site.node.output[0]
    if rest and rest[0]:
        site.add("Add", site.add("Mul", normed, scale), rest[0], to=y)
    else:
        site.add("Mul", normed, scale, to=y)
    return ""


def _mean(site: Site, name: str, axes: tuple[int, ...]) -> str:
    if site.opset < AXES_AS_INPUT:
        return site.add("ReduceMean", name, axes=axes, keepdims=1)
    number = len(site.nodes)
    given = site.weight(f"axes{number}", numpy.array(axes, numpy.int64))
    return site.add("ReduceMean", name, given, keepdims=1)
