"""`deploykit plan-files` on a small pipeline."""

from __future__ import annotations

import json
from typing import Any

EXCEPTION = "networks.toy.precision.exceptions=[{match: heat, scheme: float16}]"


def test_encodings_of_the_quantized_network_are_written(shell: Any) -> None:
    answer = shell.command("plan-files", "toy.yaml", "--format", "aimet", "-o", "out", "--set", EXCEPTION)
    assert answer.code == 0, answer.err
    files = sorted((shell.folder / "out" / "toy").iterdir())
    assert [str(path.relative_to(shell.folder)) for path in files] == answer.out.splitlines()
    found = json.loads(files[0].read_text())
    scales = [entry["scale"] for entry in found["param_encodings"]["weight"]]
    assert len(scales) == 4
    assert found["activation_encodings"]["image"][0]["bitwidth"] == 8
    assert found["activation_encodings"]["heat"] == [{"bitwidth": 16, "dtype": "float"}]
    # both ends of the state pair share one scale
    assert found["activation_encodings"]["memory"] == found["activation_encodings"]["next_memory"]


def test_a_scheme_without_a_word_is_refused_and_nothing_is_written(shell: Any) -> None:
    answer = shell.command(
        *("plan-files", "toy.yaml", "--format", "tensorrt", "-o", "out"),
        *("--set", "networks.toy.precision.scheme=w8a16", "--set", "chip=qcs8550"),
    )
    assert answer.code == 2
    assert "TensorRT's layer precision has no word for w8a16" in answer.err
    assert not (shell.folder / "out").exists()


def test_files_of_step_1_are_looked_for(shell: Any) -> None:
    (shell.folder / "cfg").mkdir()
    words = ("plan-files", "toy.yaml", "--format", "rknn", "-o", "out", "--step1", "cfg")
    answer = shell.command(*words)
    assert answer.code == 2
    assert "npu0.quantization.cfg: it cannot be read; run hybrid_quantization_step1" in answer.err
    text = (
        "custom_quantize_layers: {}\nquantize_parameters: {memory: {dtype: int8, min: [0.0], max: [0.0]}}\n"
    )
    (shell.folder / "cfg" / "npu0.quantization.cfg").write_text(text)
    answer = shell.command(*words)
    assert answer.code == 0, answer.err
    assert (
        "RKNN has no such tensor, the range is left out: active, faded, next_memory, heat, image"
        in answer.out
    )
    assert shell.command(*words[:3], "horizon", *words[4:]).code == 2
