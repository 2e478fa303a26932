"""Detectors that the libraries lack, as configurations that ultralytics reads.

Sources of the shapes: darknet's yolov3.cfg; WongKinYiu/yolov7 cfg/deploy @7204aba and @c8ed2b5;
Megvii-BaseDetection/YOLOX; meituan/YOLOv6 3.0. Each docstring has the published figures, which the tests
hold the tables against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

LEAKY = "torch.nn.LeakyReLU(0.1)"


class Layers:
    """Layers in order; each method adds some and gives the index of the last."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []

    def add(self, module: str, *arguments: object, source: int | Sequence[int] = -1, repeat: int = 1) -> int:
        """Add one layer, after the one before or after `source`."""
        self.rows.append(
            [source if isinstance(source, int) else list(source), repeat, module, list(arguments)]
        )
        return len(self.rows) - 1

    def conv(self, width: int, kernel: int = 1, stride: int = 1, *, source: int = -1, repeat: int = 1) -> int:
        """Add a convolution with its activation."""
        return self.add("Conv", width, kernel, stride, source=source, repeat=repeat)

    def join(self, *sources: int) -> int:
        """Concatenate channels."""
        return self.add("Concat", 1, source=sources)

    def up(self) -> int:
        """Double the size."""
        return self.add("nn.Upsample", None, 2, "nearest")

    def pool(self, kernel: int, stride: int = 1, *, source: int = -1) -> int:
        """Add a max pool; with stride 1 the size stays."""
        return self.add("nn.MaxPool2d", kernel, stride, kernel // 2 if stride == 1 else 0, source=source)

    def config(self, levels: Sequence[int], **scales: Any) -> dict[str, Any]:
        """Give the configuration of a detector of 80 classes over these layers."""
        detect = [list(levels), 1, "Detect", ["nc"]]
        return {"nc": 80, "backbone": self.rows, "head": [detect], **scales}


def yolov3() -> dict[str, Any]:
    """YOLOv3: 61.9 M parameters; 65.9 GFLOPs at 416, as darknet counts them."""
    net = Layers()
    net.conv(32, 3)
    stages = []
    for channels, repeat in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        net.conv(channels, 3, 2)
        stages.append(net.add("Bottleneck", channels, True, 1, [1, 3], 0.5, repeat=repeat))
    levels: list[int] = []
    narrow = stages[4]
    for width, route in ((512, stages[4]), (256, stages[3]), (128, stages[2])):
        if levels:
            net.conv(width, source=narrow)
            net.join(net.up(), route)
        for _ in range(2):
            net.conv(width)
            net.conv(2 * width, 3)
        narrow = net.conv(width)
        levels.append(net.conv(2 * width, 3))
    return net.config(levels, activation=LEAKY)


def yolov7() -> dict[str, Any]:
    """YOLOv7 as it is deployed: 36.9 M parameters, 104.7 GFLOPs at 640."""
    net = Layers()

    def block(split: int, inner: int, out: int, *, every: bool) -> int:
        first, second = net.conv(split), net.conv(split, source=-2)
        made = [first, second, *(net.conv(inner, 3) for _ in range(4))]
        net.join(*reversed(made if every else [made[at] for at in (0, 1, 3, 5)]))
        return net.conv(out)

    def down(width: int, *routes: int) -> int:
        source = len(net.rows) - 1
        net.pool(2, 2)
        pooled = net.conv(width)
        net.conv(width, source=source)
        return net.join(net.conv(width, 3, 2), pooled, *routes)

    for width, stride in ((32, 1), (64, 2), (64, 1), (128, 2)):
        net.conv(width, 3, stride)
    block(64, 64, 256, every=False)
    down(128)
    fine = block(128, 128, 512, every=False)
    down(256)
    middle = block(256, 256, 1024, every=False)
    down(512)
    coarse = block(256, 256, 1024, every=False)
    pyramid = _pooled_split(net, coarse, 512)
    net.conv(256)
    upper = net.up()
    net.join(net.conv(256, source=middle), upper)
    merged = block(256, 128, 256, every=True)
    net.conv(128)
    upper = net.up()
    net.join(net.conv(128, source=fine), upper)
    levels = [block(128, 64, 128, every=True)]
    down(128, merged)
    levels.append(block(256, 128, 256, every=True))
    down(256, pyramid)
    levels.append(block(512, 256, 512, every=True))
    return net.config([net.conv(2 ** (8 + at), 3, source=level) for at, level in enumerate(levels)])


def _pooled_split(net: Layers, source: int, width: int) -> int:
    """Add a spatial pyramid pooling on one of two branches."""
    net.conv(width, source=source)
    net.conv(width, 3)
    last = net.conv(width)
    net.join(last, *(net.pool(kernel, source=last) for kernel in (5, 9, 13)))
    net.conv(width)
    long = net.conv(width, 3)
    net.join(long, net.conv(width, source=source))
    return net.conv(width)


def yolov7_tiny() -> dict[str, Any]:
    """YOLOv7-tiny: 6.2 M parameters, 13.8 GFLOPs at 640."""
    net = Layers()

    def block(inner: int, out: int) -> int:
        first, second = net.conv(inner), net.conv(inner, source=-2)
        third, fourth = net.conv(inner, 3), net.conv(inner, 3)
        net.join(fourth, third, second, first)
        return net.conv(out)

    net.conv(32, 3, 2)
    net.conv(64, 3, 2)
    block(32, 64)
    routes = []
    for inner in (64, 128, 256):
        net.pool(2, 2)
        routes.append(block(inner, 2 * inner))
    fine, middle, coarse = routes
    short = net.conv(256, source=coarse)
    long = net.conv(256, source=coarse)
    net.join(*(net.pool(kernel, source=long) for kernel in (13, 9, 5)), long)
    net.join(net.conv(256), short)
    pyramid = net.conv(256)
    net.conv(128)
    upper = net.up()
    net.join(net.conv(128, source=middle), upper)
    merged = block(64, 128)
    net.conv(64)
    upper = net.up()
    net.join(net.conv(64, source=fine), upper)
    levels = [block(32, 64)]
    net.join(net.conv(128, 3, 2), merged)
    levels.append(block(64, 128))
    net.join(net.conv(256, 3, 2), pyramid)
    levels.append(block(128, 256))
    outputs = [net.conv(2 ** (7 + at), 3, source=level) for at, level in enumerate(levels)]
    return net.config(outputs, activation=LEAKY)


def yolox(depth: float, width: float) -> dict[str, Any]:
    """YOLOX: s has 9.0 M parameters and 26.8 GFLOPs at 640, m 25.3 M and 73.8."""
    net = Layers()
    net.add("Focus", 64, 3)
    stages = []
    for channels, repeat in ((128, 3), (256, 9), (512, 9)):
        net.conv(channels, 3, 2)
        stages.append(net.add("C3", channels, True, repeat=repeat))
    _, fine, middle = stages
    net.conv(1024, 3, 2)
    net.add("SPP", 1024, [5, 9, 13])
    net.add("C3", 1024, False, repeat=3)
    lateral = net.conv(512)
    net.join(net.up(), middle)
    net.add("C3", 512, False, repeat=3)
    reduced = net.conv(256)
    net.join(net.up(), fine)
    levels = [net.add("C3", 256, False, repeat=3)]
    for channels, route in ((256, reduced), (512, lateral)):
        net.join(net.conv(channels, 3, 2), route)
        levels.append(net.add("C3", 2 * channels, False, repeat=3))
    return net.config(levels, depth_multiple=depth, width_multiple=width)


def yolov6(width: float) -> dict[str, Any]:
    """YOLOv6 3.0 as it is deployed, n and s: 4.7 M and 18.5 M parameters, 11.4 and 45.3 GFLOPs at 640."""
    net = Layers()

    def fusion(below: int, beside: int, above: int, channels: int) -> int:
        upper = net.add("nn.ConvTranspose2d", channels, 2, 2, 0, source=below)
        same = net.conv(channels, source=beside)
        net.conv(channels, source=above)
        net.join(upper, same, net.conv(channels, 3, 2))
        return net.conv(channels)

    net.conv(64, 3, 2)
    stages = []
    for channels, repeat in ((128, 2), (256, 4), (512, 6), (1024, 2)):
        net.conv(channels, 3, 2)
        stages.append(net.conv(channels, 3, repeat=repeat))
    high, fine, middle, coarse = stages
    _chained_pools(net, coarse, 512)
    wide = net.conv(256)
    fusion(wide, middle, fine, 256)
    net.conv(256, 3, repeat=4)
    narrow = net.conv(128)
    fusion(narrow, fine, high, 128)
    levels = [net.conv(128, 3, repeat=4)]
    for channels, route in ((128, narrow), (256, wide)):
        net.join(net.conv(channels, 3, 2), route)
        levels.append(net.conv(2 * channels, 3, repeat=4))
    return net.config(levels, width_multiple=width, activation="torch.nn.ReLU()")


def _chained_pools(net: Layers, source: int, width: int) -> int:
    """Add a spatial pyramid pooling of chained pools on one of two branches."""
    net.conv(width, source=source)
    net.conv(width, 3)
    last = net.conv(width)
    net.join(last, net.pool(5), net.pool(5), net.pool(5))
    net.conv(width)
    long = net.conv(width, 3)
    net.join(net.conv(width, source=source), long)
    return net.conv(2 * width)


GRAPHS: dict[str, Callable[[], dict[str, Any]]] = {
    "yolov3": yolov3,
    "yolov6n": lambda: yolov6(0.25),
    "yolov6s": lambda: yolov6(0.5),
    "yolov7": yolov7,
    "yolov7_tiny": yolov7_tiny,
    "yolox_m": lambda: yolox(0.67, 0.75),
    "yolox_s": lambda: yolox(0.33, 0.5),
}
