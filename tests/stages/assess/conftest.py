"""A small chip and a small network whose figures can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import onnx.parser
import pytest

from deploykit.core.profile import ChipProfile, DramProfile, EngineProfile, OnChipProfile, Quantity
from deploykit.stages.assess.read import Binding, ReadNetwork, read_network

NET = """<ir_version: 8, opset_import: ["" : 17]>
net (float[N,8,16,16] x, float[8,8,3,3] w) => (float[N,8,16,16] z)
{ c = Conv<pads=[1,1,1,1]>(x, w)  y = Relu(c)  z = Sigmoid(y) }"""


def known(value: float) -> Quantity:
    return Quantity(value, "test")


@pytest.fixture
def chip() -> ChipProfile:
    """Two NPUs of 1 Gops/s that run Conv and Relu as one layer, a CPU for the rest, 1 GB/s."""
    npu = EngineProfile(
        "npu",
        "npu",
        2,
        {"w8a8": known(1e9), "float16": known(0.5e9)},
        ("Conv", "Relu"),
        fuses=("Relu",),
    )
    cpu = EngineProfile("cpu", "cpu", 1, {"float32": known(1e9)}, ("*",))
    return ChipProfile(
        "toy", "A toy", (npu, cpu), "cpu", DramProfile(known(1e9), known(1e6)), OnChipProfile(known(1024))
    )


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[ReadNetwork, ...]]:
    """Read ONNX text with sizes bound; its weight `w` is an initializer."""

    def make(
        text: str = NET, *, rate_hz: float | None = None, name: str = "net", bind: tuple[dict[str, int], ...]
    ) -> tuple[ReadNetwork, ...]:
        proto = onnx.parser.parse_model(text)
        for value in [value for value in proto.graph.input if value.name == "w"]:
            dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            count = 1
            for size in dims:
                count *= size
            proto.graph.initializer.append(onnx.helper.make_tensor("w", 1, dims, [0.5] * count))
            proto.graph.input.remove(value)
        path = tmp_path / f"{name}.onnx"
        onnx.save(proto, path)
        bindings = [Binding(" ".join(f"{k}={v}" for k, v in sizes.items()), sizes) for sizes in bind]
        return read_network(path, network=name, rate_hz=rate_hz, bindings=bindings, simplify=False)

    return make
