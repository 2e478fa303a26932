"""Small networks that show what a CPU does with each kind of layer, at sizes that real networks have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import onnx

from deploykit.core.graph.sketch import Sketch


@dataclass(frozen=True)
class Probe:
    """A network to measure; `family` is what it is made of."""

    name: str
    family: str
    model: onnx.ModelProto


Layers = Callable[[Sketch, str, int], str]
"""Adds layers behind a tensor; the number is a width."""


def probes() -> Iterator[Probe]:
    """Give all probes, one after the other: none has to stay in memory."""
    for family, layers in IMAGE_FAMILIES.items():
        for channels, side in IMAGES[family]:
            yield _image_probe(family, layers, channels, side)
    for family, layers in TOKEN_FAMILIES.items():
        for tokens, width in TOKENS:
            sketch = Sketch(f"{family}_{tokens}x{width}")
            x = sketch.input(1, tokens, width)
            yield Probe(sketch.name, family, sketch.model(layers(sketch, x, width)))


def _image_probe(family: str, layers: Layers, channels: int, side: int) -> Probe:
    sketch = Sketch(f"{family}_{channels}x{side}")
    x = sketch.input(1, 3 if family == "stem" else channels, side, side)
    return Probe(sketch.name, family, sketch.model(layers(sketch, x, channels)))


def _stem(sketch: Sketch, x: str, channels: int) -> str:
    return sketch.conv(x, channels, 3, stride=2)


def _plain(sketch: Sketch, x: str, channels: int) -> str:
    for _ in range(3):
        x = sketch.conv(x, channels)
    return x


def _pointwise(sketch: Sketch, x: str, channels: int) -> str:
    for _ in range(4):
        x = sketch.conv(x, channels, 1)
    return x


def _depthwise(sketch: Sketch, x: str, channels: int) -> str:
    for kernel in (3, 3, 5):
        x = sketch.conv(x, channels, kernel, groups=channels)
    return x


def _grouped(sketch: Sketch, x: str, channels: int) -> str:
    for _ in range(3):
        x = sketch.conv(x, channels, groups=8)
    return x


def _bottleneck(sketch: Sketch, x: str, channels: int) -> str:
    """Residual blocks of three convolutions."""
    for _ in range(2):
        y = sketch.conv(sketch.conv(x, channels // 4, 1), channels // 4)
        x = sketch.unary("Relu", sketch.add(sketch.conv(y, channels, 1, act=""), x))
    return x


def _inverted(sketch: Sketch, x: str, channels: int) -> str:
    """Wide depthwise convolutions between narrow ends."""
    for _ in range(2):
        y = sketch.conv(x, 4 * channels, 1, act="HardSwish")
        y = sketch.conv(y, 4 * channels, groups=4 * channels, act="HardSwish")
        x = sketch.add(sketch.conv(y, channels, 1, act=""), x)
    return x


def _gated(sketch: Sketch, x: str, channels: int) -> str:
    """Convolutions whose channels are weighed by their own means."""
    for _ in range(2):
        x = sketch.conv(x, channels, 3, groups=channels)
        gate = sketch.conv(sketch.average(x), max(channels // 4, 8), 1)
        x = sketch.multiply(x, sketch.conv(gate, channels, 1, act="Sigmoid"))
    return x


def _swish(sketch: Sketch, x: str, channels: int) -> str:
    """Convolutions behind x * sigmoid(x), as in detectors."""
    for _ in range(2):
        x = sketch.conv(x, channels, act="")
        x = sketch.multiply(x, sketch.unary("Sigmoid", x))
    return x


def _joined(sketch: Sketch, x: str, channels: int) -> str:
    """Convolutions that see all that came before."""
    for _ in range(4):
        x = sketch.concat(x, sketch.conv(x, max(channels // 4, 8)))
    return x


def _pyramid(sketch: Sketch, x: str, channels: int) -> str:
    """Down, up again, and joined."""
    small = sketch.conv(sketch.pool(x), channels)
    return sketch.conv(sketch.concat(sketch.upsample(small), x), channels, 1)


def _pools(sketch: Sketch, x: str, channels: int) -> str:
    for kind in ("MaxPool", "AveragePool", "MaxPool"):
        x = sketch.pool(x, 3, stride=1, kind=kind)
    return x


def _sums(sketch: Sketch, x: str, channels: int) -> str:
    y = sketch.pool(x, 3, stride=1)
    for _ in range(6):
        x, y = sketch.multiply(sketch.add(x, y), y), x
    return x


def _curves(sketch: Sketch, x: str, channels: int) -> str:
    for kind in ("Sigmoid", "HardSwish", "Tanh", "Erf"):
        x = sketch.unary(kind, x)
    return x


def _shuffled(sketch: Sketch, x: str, channels: int) -> str:
    """Grouped pointwise convolutions and a shuffle of their channels."""
    _, _, height, width = sketch.shape[x]
    for _ in range(2):
        x = sketch.conv(x, channels, 1, groups=4)
        x = sketch.transpose(sketch.reshape(x, 1, 4, channels // 4, height, width), 0, 2, 1, 3, 4)
        x = sketch.reshape(x, 1, channels, height, width)
    return x


def _classifier(sketch: Sketch, x: str, channels: int) -> str:
    flat = sketch.reshape(sketch.average(x), 1, channels)
    return sketch.dense(sketch.dense(flat, 8 * channels, act="Relu"), 1000)


def _perceptron(sketch: Sketch, x: str, width: int) -> str:
    for _ in range(2):
        x = sketch.add(sketch.dense(sketch.dense(x, 4 * width, act="Relu"), width), x)
    return x


def _encoder(sketch: Sketch, x: str, width: int) -> str:
    """A transformer's layer."""
    x = sketch.add(x, sketch.attention(sketch.norm(x), width // 64))
    return sketch.add(x, sketch.dense(sketch.dense(sketch.norm(x), 2 * width, act="Gelu"), width))


def _normed(sketch: Sketch, x: str, width: int) -> str:
    for _ in range(3):
        x = sketch.unary("Softmax", sketch.norm(x), axis=-1)
    return x


USUAL = ((16, 160), (24, 112), (64, 56), (128, 28), (256, 14), (512, 7))
WIDE = ((64, 80), (160, 28), (320, 14))
IMAGE_FAMILIES: dict[str, Layers] = {
    "stem": _stem,
    "plain": _plain,
    "pointwise": _pointwise,
    "depthwise": _depthwise,
    "grouped": _grouped,
    "bottleneck": _bottleneck,
    "inverted": _inverted,
    "gated": _gated,
    "swish": _swish,
    "joined": _joined,
    "pyramid": _pyramid,
    "pools": _pools,
    "sums": _sums,
    "curves": _curves,
    "shuffled": _shuffled,
    "classifier": _classifier,
}
IMAGES: dict[str, tuple[tuple[int, int], ...]] = {
    family: ((32, 224), (16, 320), (64, 256))
    if family == "stem"
    else (USUAL if family in ("plain", "pointwise", "depthwise") else WIDE)
    for family in IMAGE_FAMILIES
}
"""(channels, side) of the images that each family starts from."""

TOKEN_FAMILIES: dict[str, Layers] = {"perceptron": _perceptron, "encoder": _encoder, "normed": _normed}
TOKENS = ((64, 256), (197, 192), (256, 384))
