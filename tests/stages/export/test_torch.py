"""PyTorch modules as the source, proved against the module itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from deploykit.artifacts.model import StatePair
from deploykit.core.errors import InputError

CODE = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.norm.running_mean.uniform_()

    def forward(self, x, prev):
        mem = torch.relu(self.norm(self.conv(x))) + 0.5 * prev
        return torch.nn.functional.hardswish(mem).mean((2, 3)), mem

def build():
    torch.manual_seed(0)
    return Net(), {"x": torch.rand(1, 3, 8, 8), "prev": torch.zeros(1, 4, 8, 8)}, ("score", "mem")

def plain():
    return torch.nn.ReLU(), (torch.rand(2, 3),)

def fails():
    raise ValueError("no weights here")

def wrong_names():
    return torch.nn.ReLU(), (torch.rand(2, 3),), ("a", "b")

def nothing():
    return 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of an importable module with networks."""
    pytest.importorskip("torch")
    (tmp_path / "torch_nets.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch_nets", raising=False)
    return "torch_nets"


@pytest.mark.slow
def test_a_module_with_state_is_exported_and_compared_with_itself(bench: Any, module: str) -> None:
    model = bench.export(None, torch=f"{module}:build", state=(StatePair("mem", "prev"),), proof_frames=3)
    assert (model.graph.inputs, model.graph.outputs) == (("x", "prev"), ("score", "mem"))
    assert model.equality.runs == 3
    assert model.equality.max_abs < 1e-5
    assert "Conv" in [node.op for node in model.graph.nodes]


@pytest.mark.slow
def test_inputs_and_outputs_without_names_get_some(bench: Any, module: str) -> None:
    model = bench.export(None, torch=f"{module}:plain")
    assert (model.graph.inputs, model.graph.outputs) == (("input0",), ("output0",))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{m}:fails", "the function fails: ValueError: no weights here"),
        ("{m}:none", "cannot load torch_nets:none"),
        ("no_such_module:f", "cannot load no_such_module:f"),
        ("{m}", "is not of the form package.module:function"),
        ("{m}:wrong_names", "2 output names are given, the module gives 1 outputs"),
        ("{m}:nothing", r"has to return \(module, example inputs\)"),
    ],
)
def test_what_is_wrong_with_the_function_is_said(bench: Any, module: str, spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bench.export(None, torch=spec.format(m=module))
