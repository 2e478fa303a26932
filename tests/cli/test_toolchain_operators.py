"""Operators that a toolchain lacks are split off before it is started, or written in others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx.parser
import pytest

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
toy (float[1,3,8,8] image, float[1,4,8,8] memory) => (float[1,4,8,8] next_memory, float[1,4,8,8] heat)
<float[4,3,1,1] weight = {0.5,-0.25,0.125,1,0.75,-0.5,0.25,0.5,-1,0.3,0.2,0.1}, float half = {0.5},
 float[8] scale = {1,2,1,2,1,2,1,2}>
{
  [stem] features = Conv(image, weight)
  [norm] active = LayerNormalization<axis=-1>(features, scale)
  [old] faded = Mul(memory, half)
  [fuse] next_memory = Add(active, faded)
  [head] heat = Sigmoid(next_memory)
}
"""
DESCRIPTION = """
name: few
chips: {one: [w8a8]}
operators: [Conv, Mul, Add, Sigmoid, ReduceMean, Sub, Sqrt, Div]
compile: {command: [cp, '{model}', '{name}.bin'], files: ['{name}.bin']}
"""
USE = "networks.toy.compile={toolchain: few.yaml, chip: one}"


def artifact(folder: Path, step: str) -> Any:
    store = folder / ".deploykit"
    manifest = json.loads(max((store / "runs").glob("*.json"), key=lambda f: f.stat().st_mtime).read_text())
    digest = next(item["artifact_digest"] for item in manifest["steps"] if item["step"] == step)
    return json.loads((store / "blobs" / digest[:2] / digest).read_text())


@pytest.fixture
def few(shell: Any) -> Any:
    onnx.save(onnx.parser.parse_model(MODEL), shell.folder / "toy.onnx")
    (shell.folder / "few.yaml").write_text(DESCRIPTION)
    return shell


def test_they_go_to_the_host_and_the_rest_is_compiled(few: Any) -> None:
    small = "networks.toy.split.min_nodes=1"
    answer = few.command("compile", few.pipeline, "--set", USE, "--set", small)
    assert answer.code == 0, answer.err
    segments = {item["name"]: item for item in artifact(few.folder, "toy.split")["segments"]}
    on_host = [name for name, item in segments.items() if item["engine"] == "cpu"]
    assert [node["op"] for node in segments[on_host[0]]["graph"]["nodes"]] == ["LayerNormalization"]
    made = artifact(few.folder, "toy.compile")
    assert [name for name, _ in made["host"]] == on_host
    assert {item["segment"] for item in made["binaries"]} == segments.keys() - set(on_host)


def test_they_are_written_in_others_where_the_export_is_asked(few: Any) -> None:
    rewrite = "networks.toy.export.rewrite=[LayerNormalization]"
    answer = few.command("compile", few.pipeline, "--set", USE, "--set", rewrite)
    assert answer.code == 0, answer.err
    model = artifact(few.folder, "toy.export")
    assert "LayerNormalization" not in {node["op"] for node in model["graph"]["nodes"]}
    assert model["equality"]["max_abs"] < 1e-5
    made = artifact(few.folder, "toy.compile")
    assert made["host"] == []
    assert len(made["binaries"]) == 1


def test_a_rewrite_that_does_not_exist_is_refused(few: Any) -> None:
    answer = few.command("export", few.pipeline, "--set", "networks.toy.export.rewrite=[GridSampel]")
    assert answer.code == 2
    assert "export.rewrite: no rule for 'GridSampel', did you mean 'GridSample'?" in answer.err


def test_schemes_that_the_chip_lacks_name_the_node_and_what_there_is(few: Any) -> None:
    (few.folder / "few.yaml").write_text(DESCRIPTION.replace("w8a8", "w4a16"))
    answer = few.command("compile", few.pipeline, "--set", USE)
    assert answer.code == 2
    assert "node 'stem': one has no w8a8; it offers there: w4a16" in answer.err
