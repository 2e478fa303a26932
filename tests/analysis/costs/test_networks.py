"""Whole networks against published figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest

from deploykit.analysis.graph_work import WorkSettings, graph_works
from deploykit.analysis.op_costs.work import total
from deploykit.analysis.roofline import cost_nodes
from deploykit.analysis.summary import summarise
from deploykit.artifacts.costs import NodeCost
from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo
from deploykit.core.graph.model import load_model
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.profile import ChipProfile

VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Output channels of the 3x3 convolutions; 0 is a 2x2 max pool."""


def vgg16(*, pooled_head: bool = False, batch: int = 1) -> GraphInfo:
    """Build VGG16 layer by layer; `pooled_head` replaces its two hidden fully connected layers by global
    pooling."""
    tensors = [TensorInfo("x", "float", (batch, 3, 224, 224))]
    nodes: list[NodeInfo] = []
    shape = [batch, 3, 224, 224]

    def add(
        op: str, out: tuple[int, ...], weight: tuple[int, ...] = (), **options: int | tuple[int, ...]
    ) -> None:
        name = f"{op}{len(nodes)}"
        inputs = [nodes[-1].outputs[0] if nodes else "x"]
        if weight:
            inputs += [f"{name}.w", f"{name}.b"]
            tensors.append(TensorInfo(f"{name}.w", "float", weight, is_weight=True))
            tensors.append(TensorInfo(f"{name}.b", "float", weight[:1], is_weight=True))
        tensors.append(TensorInfo(name, "float", out))
        nodes.append(NodeInfo(name, op, "", tuple(inputs), (name,), tuple(options.items())))
        shape[:] = out

    for channels in VGG16:
        if channels:
            add("Conv", (batch, channels, *shape[2:]), (channels, shape[1], 3, 3), pads=(1, 1, 1, 1))
        else:
            add(
                "MaxPool",
                (batch, shape[1], shape[2] // 2, shape[3] // 2),
                kernel_shape=(2, 2),
                strides=(2, 2),
            )
    if pooled_head:
        add("GlobalAveragePool", (batch, 512, 1, 1))
    add("Flatten", (batch, shape[1] * shape[2] * shape[3]))
    for width in (1000,) if pooled_head else (4096, 4096, 1000):
        add("Gemm", (batch, width), (width, shape[1]), transB=1)
    return GraphInfo("vgg16", 17, ("x",), (nodes[-1].id,), tuple(tensors), tuple(nodes))


def test_vgg16_has_its_published_macs_and_parameters() -> None:
    work = total(graph_works(vgg16()))
    assert work.macs == 15_470_264_320  # torchvision: 15.470 GMACs
    assert work.weight_elements == 138_357_544  # torchvision: num_params


def test_vgg16_textbook_figures(chip: ChipProfile) -> None:
    """About 15.5 GMACs, 600 MB, 25 operations a byte; without the big head over four times the intensity."""
    settings = WorkSettings(accounting="textbook")
    macs, moved = _total(cost_nodes(vgg16(), chip, engine="cpu", settings=settings))
    assert macs == pytest.approx(15.5e9, rel=0.01)
    assert moved == pytest.approx(600e6, rel=0.02)
    assert macs / moved == pytest.approx(25, rel=0.03)
    pooled = cost_nodes(vgg16(pooled_head=True), chip, engine="cpu", settings=settings)
    without_head = _total(pooled)
    assert without_head[0] / without_head[1] > 4 * macs / moved


def test_activations_scale_with_the_batch_and_weights_do_not() -> None:
    one, six = total(graph_works(vgg16())), total(graph_works(vgg16(batch=6)))
    assert six.macs == 6 * one.macs
    assert (six.read_elements, six.write_elements) == (6 * one.read_elements, 6 * one.write_elements)
    assert six.weight_elements == one.weight_elements


def _total(nodes: Sequence[NodeCost]) -> tuple[int, int]:
    return sum(node.macs for node in nodes), sum(node.at("float32").traffic_bytes for node in nodes)


LIGHT_NETWORKS = [
    ("resnet50", 4.089),
    ("vgg19", 19.632),
    ("densenet121", 2.834),
    ("squeezenet", 0.349),
    ("inception_v1", 1.43),
]
"""GMACs as torchvision publishes them (`_ops`); GoogLeNet's from Sze et al., Efficient Processing of DNNs."""


@pytest.mark.parametrize(("name", "giga_macs"), LIGHT_NETWORKS)
def test_networks_of_the_onnx_wheel(name: str, giga_macs: float) -> None:
    path = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx"
    model = normalise(load_model(path))
    infer_shapes(model)
    assert total(graph_works(summarise(model))).macs == pytest.approx(giga_macs * 1e9, rel=0.01)
