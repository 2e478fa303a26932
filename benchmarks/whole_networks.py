"""Well-known networks, layer by layer with random weights: for measurements on this machine."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from deploykit.core.graph.sketch import Sketch


def vgg11(sketch: Sketch) -> str:
    """Simonyan and Zisserman 2014, configuration A."""
    x = sketch.input(1, 3, 224, 224)
    for widths in ((64,), (128,), (256, 256), (512, 512), (512, 512)):
        for width in widths:
            x = sketch.conv(x, width)
        x = sketch.pool(x)
    x = sketch.reshape(x, 1, 512 * 49)
    return sketch.dense(sketch.dense(sketch.dense(x, 4096, act="Relu"), 4096, act="Relu"), 1000)


def _resnet(sketch: Sketch, blocks: tuple[int, ...], block: Callable[..., str], expansion: int) -> str:
    x = sketch.pool(sketch.conv(sketch.input(1, 3, 224, 224), 64, 7, stride=2), 3)
    for stage, count in enumerate(blocks):
        for index in range(count):
            stride = 2 if stage and not index else 1
            width = 64 << stage
            y = block(sketch, x, width, stride)
            if sketch.shape[x] != sketch.shape[y]:
                x = sketch.conv(x, width * expansion, 1, stride=stride, act="")
            x = sketch.unary("Relu", sketch.add(y, x))
    return _head(sketch, x)


def _head(sketch: Sketch, x: str) -> str:
    return sketch.dense(sketch.reshape(sketch.average(x), 1, sketch.shape[x][1]), 1000)


def _basic(sketch: Sketch, x: str, width: int, stride: int) -> str:
    return sketch.conv(sketch.conv(x, width, stride=stride), width, act="")


def _bottleneck(sketch: Sketch, x: str, width: int, stride: int) -> str:
    y = sketch.conv(sketch.conv(x, width, 1), width, stride=stride)
    return sketch.conv(y, 4 * width, 1, act="")


def resnet18(sketch: Sketch) -> str:
    """He et al. 2015."""
    return _resnet(sketch, (2, 2, 2, 2), _basic, 1)


def resnet50(sketch: Sketch) -> str:
    """He et al. 2015, with the stride in the 3x3 convolution."""
    return _resnet(sketch, (3, 4, 6, 3), _bottleneck, 4)


def mobilenet_v1(sketch: Sketch) -> str:
    """Howard et al. 2017."""
    x = sketch.conv(sketch.input(1, 3, 224, 224), 32, stride=2)
    rows = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
    for width, stride in rows:
        depth = sketch.shape[x][1]
        x = sketch.conv(sketch.conv(x, depth, stride=stride, groups=depth), width, 1)
    return _head(sketch, x)


def _inverted(
    sketch: Sketch, x: str, width: int, *, wide: int, kernel: int, stride: int, act: str, gate: bool
) -> str:
    y = sketch.conv(x, wide, 1, act=act) if wide != sketch.shape[x][1] else x
    y = sketch.conv(y, wide, kernel, stride=stride, groups=wide, act=act)
    if gate:
        weights = sketch.conv(sketch.conv(sketch.average(y), wide // 4, 1), wide, 1, act="HardSigmoid")
        y = sketch.multiply(y, weights)
    y = sketch.conv(y, width, 1, act="")
    return sketch.add(y, x) if sketch.shape[y] == sketch.shape[x] else y


def mobilenet_v2(sketch: Sketch) -> str:
    """Sandler et al. 2018; ReLU6 written as Relu."""
    x = sketch.conv(sketch.input(1, 3, 224, 224), 32, stride=2)
    for factor, width, count, first in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for index in range(count):
            stride = 1 if index else first
            wide = factor * sketch.shape[x][1]
            x = _inverted(sketch, x, width, wide=wide, kernel=3, stride=stride, act="Relu", gate=False)
    return _head(sketch, sketch.conv(x, 1280, 1))


def mobilenet_v3(sketch: Sketch) -> str:
    """Howard et al. 2019, the large one."""
    x = sketch.conv(sketch.input(1, 3, 224, 224), 16, stride=2, act="HardSwish")
    rows = """
        3 16 16 1 r -, 3 64 24 2 r -, 3 72 24 1 r -, 5 72 40 2 r g, 5 120 40 1 r g, 5 120 40 1 r g,
        3 240 80 2 h -, 3 200 80 1 h -, 3 184 80 1 h -, 3 184 80 1 h -, 3 480 112 1 h g,
        3 672 112 1 h g, 5 672 160 2 h g, 5 960 160 1 h g, 5 960 160 1 h g
    """
    for row in rows.split(","):
        kernel, wide, width, stride, act, gate = row.split()
        x = _inverted(
            sketch,
            x,
            int(width),
            wide=int(wide),
            kernel=int(kernel),
            stride=int(stride),
            act="HardSwish" if act == "h" else "Relu",
            gate=gate == "g",
        )
    x = sketch.average(sketch.conv(x, 960, 1, act="HardSwish"))
    return sketch.dense(sketch.dense(sketch.reshape(x, 1, 960), 1280, act="HardSwish"), 1000)


def squeezenet(sketch: Sketch) -> str:
    """Iandola et al. 2016, version 1.1."""
    x = sketch.pool(sketch.conv(sketch.input(1, 3, 224, 224), 64, stride=2), 3)
    for index, width in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
        if index in (2, 4):
            x = sketch.pool(x, 3)
        x = sketch.conv(x, width, 1)
        x = sketch.concat(sketch.conv(x, 4 * width, 1), sketch.conv(x, 4 * width))
    return sketch.average(sketch.conv(x, 1000, 1))


def densenet(sketch: Sketch) -> str:
    """Huang et al. 2016, DenseNet-121 without its normalisations."""
    x = sketch.pool(sketch.conv(sketch.input(1, 3, 224, 224), 64, 7, stride=2), 3)
    for stage, count in enumerate((6, 12, 24, 16)):
        if stage:
            x = sketch.pool(sketch.conv(x, sketch.shape[x][1] // 2, 1), kind="AveragePool")
        for _ in range(count):
            x = sketch.concat(x, sketch.conv(sketch.conv(x, 128, 1), 32))
    return _head(sketch, x)


def unet(sketch: Sketch) -> str:
    """Ronneberger et al. 2015, an eighth as wide, on 256 x 256."""
    x = sketch.input(1, 3, 256, 256)
    kept = []
    for width in (16, 32, 64, 128):
        x = sketch.conv(sketch.conv(x, width), width)
        kept.append(x)
        x = sketch.pool(x)
    x = sketch.conv(sketch.conv(x, 256), 256)
    for width, beside in zip((128, 64, 32, 16), reversed(kept), strict=True):
        x = sketch.concat(sketch.conv(sketch.upsample(x), width), beside)
        x = sketch.conv(sketch.conv(x, width), width)
    return sketch.conv(x, 2, 1, act="")


def _silu(sketch: Sketch, x: str, width: int, kernel: int, stride: int = 1) -> str:
    x = sketch.conv(x, width, kernel, stride=stride, act="")
    return sketch.multiply(x, sketch.unary("Sigmoid", x))


def detector(sketch: Sketch) -> str:
    """A YOLO-like backbone and one joined scale: SiLU, partial blocks, 320 x 320."""
    x = _silu(sketch, sketch.input(1, 3, 320, 320), 16, 3, 2)
    scales = []
    for width, count in ((32, 1), (64, 2), (128, 2), (256, 1)):
        x = _silu(sketch, x, width, 3, 2)
        parts = [_silu(sketch, x, width // 2, 1), _silu(sketch, x, width // 2, 1)]
        for _ in range(count):
            inner = _silu(sketch, _silu(sketch, parts[-1], width // 2, 3), width // 2, 3)
            parts.append(sketch.add(inner, parts[-1]))
        x = _silu(sketch, sketch.concat(*parts), width, 1)
        scales.append(x)
    x = sketch.concat(sketch.upsample(scales[3]), scales[2])
    x = _silu(sketch, _silu(sketch, x, 128, 1), 128, 3)
    return sketch.conv(x, 144, 1, act="")


def vision_transformer(sketch: Sketch) -> str:
    """Touvron et al. 2020, DeiT-Tiny without its class token."""
    x = sketch.input(1, 3, 224, 224)
    weight = sketch.weight(192, 3, 16, 16, inputs=768)
    x = sketch.op("Conv", (x, weight), (1, 192, 14, 14), kernel_shape=[16, 16], strides=[16, 16])
    x = sketch.transpose(sketch.reshape(x, 1, 192, 196), 0, 2, 1)
    for _ in range(12):
        x = sketch.add(x, sketch.attention(sketch.norm(x), 3))
        x = sketch.add(x, sketch.dense(sketch.dense(sketch.norm(x), 768, act="Gelu"), 192))
    return sketch.dense(sketch.norm(x), 1000)


NETWORKS: dict[str, Callable[[Sketch], str]] = {
    "densenet121": densenet,
    "detector": detector,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3": mobilenet_v3,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "squeezenet": squeezenet,
    "unet": unet,
    "vgg11": vgg11,
    "vit_tiny": vision_transformer,
}
"""What builds each network, by name."""


def build(name: str) -> onnx.ModelProto:
    """Build a network."""
    sketch = Sketch(name)
    return sketch.model(NETWORKS[name](sketch))
