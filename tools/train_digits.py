"""Train the small network of `benchmarks/digits.onnx` on scikit-learn's digits.

    python -m tools.train_digits benchmarks/digits.onnx

Needs torch and scikit-learn, which are no dependencies of this project. Depthwise and pointwise layers as in
MobileNet, batch normalisation folded into the weights. Seven of ten images are for training, three are never
seen (`is_test`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy
import onnx
from onnx import helper, numpy_helper

LAYERS = ((1, 16, 3, 1, 1), (16, 16, 3, 1, 16), (16, 32, 1, 1, 1), (32, 32, 3, 2, 32), (32, 64, 1, 1, 1),
          (64, 64, 3, 1, 64), (64, 64, 1, 1, 1))  # fmt: skip  # channels in and out, kernel, stride, groups
EPOCHS, BATCH = 80, 64


def is_test(count: int) -> Any:
    """Say of each image whether it is for measuring: three of ten."""
    return numpy.arange(count) % 10 >= 7


def main() -> None:
    """Train and write the file."""
    import torch
    from sklearn import datasets

    digits = datasets.load_digits()
    images = digits.images.astype(numpy.float32)[:, None] / 16
    kept = ~is_test(len(images))
    torch.manual_seed(0)
    network = build(torch)
    train(torch, network, torch.tensor(images[kept]), torch.tensor(digits.target[kept]))
    network.eval()
    rest = network(torch.tensor(images[~kept])).argmax(1).numpy()
    print(f"{100 * (rest == digits.target[~kept]).mean():.2f} % of {len(rest)} unseen images")
    onnx.save(as_onnx(folded(network)), sys.argv[1])


def build(torch: Any) -> Any:
    """Give the network with batch normalisation."""
    nn = torch.nn
    parts: list[Any] = []
    for inputs, outputs, kernel, stride, groups in LAYERS:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        parts += [conv, nn.BatchNorm2d(outputs), nn.ReLU6()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def train(torch: Any, network: Any, images: Any, labels: Any) -> None:
    """Fit with Adam, each image turned, stretched, sheared and moved a little."""
    functional = torch.nn.functional
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images)).split(BATCH):
            maps = torch.eye(2, 3) + 0.12 * torch.randn(len(chosen), 2, 3)
            grid = functional.affine_grid(maps, [len(chosen), 1, 8, 8], align_corners=False)
            moved = functional.grid_sample(images[chosen], grid, align_corners=False)
            loss = functional.cross_entropy(network(moved), labels[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()


def folded(network: Any) -> list[tuple[Any, Any]]:
    """Give weight and bias of each layer, the last one's too."""
    found = []
    for at in range(len(LAYERS)):
        conv, norm = network[3 * at], network[3 * at + 1]
        factor = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().numpy()
        weight = conv.weight.detach().numpy() * factor.reshape(-1, 1, 1, 1)
        found.append((weight, norm.bias.detach().numpy() - norm.running_mean.numpy() * factor))
    found.append((network[-1].weight.detach().numpy(), network[-1].bias.detach().numpy()))
    return found


def as_onnx(parameters: Sequence[tuple[Any, Any]]) -> onnx.ModelProto:
    """Write the graph at opset 17."""
    weights = {"zero": numpy.array(0, numpy.float32), "six": numpy.array(6, numpy.float32)}
    nodes, last = [], "x"
    for at, (weight, bias) in enumerate(parameters):
        weights |= {f"w{at}": weight, f"b{at}": bias}
        if at == len(LAYERS):
            break
        _, _, kernel, stride, groups = LAYERS[at]
        options: dict[str, Any] = {"group": groups, "strides": [stride] * 2, "pads": [kernel // 2] * 4}
        nodes.append(helper.make_node("Conv", [last, f"w{at}", f"b{at}"], [f"c{at}"], **options))
        nodes.append(helper.make_node("Clip", [f"c{at}", "zero", "six"], [f"r{at}"]))
        last = f"r{at}"
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", f"w{at}", f"b{at}"], ["scores"], transB=1),
    ]
    inputs = [helper.make_tensor_value_info("x", 1, [1, 1, 8, 8])]
    outputs = [helper.make_tensor_value_info("scores", 1, [1, 10])]
    tensors = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "digits", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


if __name__ == "__main__":
    main()
