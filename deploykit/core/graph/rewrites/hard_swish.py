"""HardSwish(x) = x * HardSigmoid(x), with alpha = 1/6 and beta = 0.5 (ONNX, HardSwish)."""

from __future__ import annotations

from deploykit.core.graph.rewrites.rule import Site


def rewrite(site: Site) -> str:
    """Write it as HardSigmoid and Mul."""
    x, y = site.node.input[0], site.node.output[0]
    gate = site.add("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    site.add("Mul", x, gate, to=y)
    return ""
