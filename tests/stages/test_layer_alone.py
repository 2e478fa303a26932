"""Each layer's own error beside the one that it carries on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper, parser

from deploykit.align.main import main
from deploykit.stages.layer_alone import open_network

MODEL = """<ir_version: 10, opset_import: ["" : 17]>
g (float[1,16] x) => (float[1,16] y)
{
    first = MatMul (x, w)
    kept = Relu (first)
    inner = Mul (kept, kept)
    second = MatMul (inner, w)
    y = Add (second, x)
}"""
WEIGHTS = numpy.random.default_rng(0).standard_normal((16, 16)).astype(numpy.float32) / 4


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write the network."""
    proto = parser.parse_model(MODEL)
    proto.graph.initializer.append(numpy_helper.from_array(WEIGHTS, "w"))
    onnx.save(proto, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def save(folder: Path, frames: int, *, kept_is_wrong: bool = False, left_out: str = "") -> None:
    """Write dumps of the network; half of the values of `kept` may be others."""
    for frame in range(frames):
        x = numpy.random.default_rng(frame).standard_normal((1, 16)).astype(numpy.float32)
        first = x @ WEIGHTS
        kept = numpy.maximum(first, 0)
        if kept_is_wrong:
            kept[:, ::2] = numpy.random.default_rng(100 + frame).random((1, 8))
        second = (kept * kept) @ WEIGHTS
        values: dict[str, NDArray[Any]] = {
            "x": x,
            "first": first,
            "kept": kept,
            "second": second,
            "y": second + x,
        }
        for name, value in values.items():
            if name != left_out:
                path = folder / f"frame_{frame}" / f"{name}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                numpy.save(path, value)


def run(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> tuple[int, str]:
    arguments = [str(folder / "ref"), str(folder / "board"), "--model", str(folder / "net.onnx"), *options]
    code = main([*arguments, "--no-diagnosis"], open_network=open_network)
    return code, capsys.readouterr().out


def test_the_layer_that_is_wrong_by_itself(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(model.parent / "ref", 2)
    save(model.parent / "board", 2, kept_is_wrong=True)
    code, out = run(capsys, model.parent, "--format", "json")
    assert code == 1
    result = json.loads(out)
    layers = {layer["tensor"]: layer for layer in result["layers"]}
    assert list(layers) == ["first", "kept", "second", "y"]
    assert [name for name, layer in layers.items() if layer["wrong"]] == ["kept"]
    assert layers["second"]["accumulated"] > 0.1
    assert layers["second"]["alone"] < 1e-6  # inner is no dump: the segment from kept on is run
    assert layers["second"]["reads"] == ["kept"]
    assert 1e-5 < layers["second"]["fp16"] < 1e-2  # 16-bit floats have 11 bits: 2^-11 = 5e-4 a rounding
    kept = next(item for item in result["tensors"] if item["name"] == "kept")
    assert kept["measures"]["layer_alone_relative_l2"] == layers["kept"]["alone"]
    assert result["first_divergence"] == "kept"  # the order comes from the network
    assert result["around"] == [
        "  x (input)",
        "  first (MatMul) reads x",
        "> kept (Relu) reads first",
        "  second (MatMul) reads kept",
        "  y (Add) reads x, second",
    ]
    _, out = run(capsys, model.parent)
    assert "layer by layer: kept (Relu) is wrong by itself: its own error is" in out


def test_what_the_board_has_not_dumped(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(model.parent / "ref", 1)
    save(model.parent / "board", 1, left_out="x")
    code, out = run(capsys, model.parent, "--format", "json")
    assert code == 4
    layers = {layer["tensor"]: layer for layer in json.loads(out)["layers"]}
    assert layers["first"]["alone"] is None
    assert layers["first"]["reason"] == "the board has not dumped x, which it reads"
    assert layers["kept"]["alone"] == 0.0


def test_errors_that_only_add_up(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each layer of the board adds 0.3 % noise: 16-bit floats cost a layer less, the noise limit is 2 %."""
    save(model.parent / "ref", 1)
    save(model.parent / "board", 1)
    rng = numpy.random.default_rng(5)
    for path in (model.parent / "board").rglob("*.npy"):
        values = numpy.load(path)
        numpy.save(path, (values * (1 + 0.003 * rng.standard_normal(values.shape))).astype(numpy.float32))
    code, out = run(
        capsys, model.parent, "--format", "json", "--noise", "0.001", "--tolerance", "*:sqnr_db>=90"
    )
    result = json.loads(out)
    assert code == 1
    assert all(0.0005 < layer["alone"] < 0.02 for layer in result["layers"])
    code, out = run(capsys, model.parent, "--format", "json")
    assert (code, json.loads(out)["layers_verdict"]) == (0, "no layer differs")


def test_a_network_of_other_names(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("ref", "board"):
        (model.parent / side).mkdir()
        numpy.save(model.parent / side / "other.npy", numpy.ones(3, numpy.float32))
    arguments = [str(model.parent / "ref"), str(model.parent / "board"), "--model", str(model)]
    assert main(arguments, open_network=open_network) == 2
    assert "--model: net.onnx has no tensor of" in capsys.readouterr().err
    assert main(arguments) == 2
    assert "--model: this build runs no networks" in capsys.readouterr().err


def test_a_board_of_few_bits_has_no_wrong_layer(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """3 % noise in every tensor is a hundred times what 16-bit floats cost, and no layer stands out."""
    save(model.parent / "ref", 1)
    save(model.parent / "board", 1)
    rng = numpy.random.default_rng(6)
    for path in sorted((model.parent / "board").rglob("*.npy")):
        values = numpy.load(path)
        numpy.save(path, (values * (1 + 0.03 * rng.standard_normal(values.shape))).astype(numpy.float32))
    _, out = run(capsys, model.parent, "--format", "json")
    result = json.loads(out)
    assert max(layer["alone"] for layer in result["layers"]) > 0.02
    assert not any(layer["wrong"] for layer in result["layers"])
    assert result["layers_verdict"].startswith("no layer is wrong by itself: errors add up")
