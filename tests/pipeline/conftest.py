"""A pipeline of three small stages: a network's number is read, scaled, and all are added up."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deploykit.core.blob import Blob
from deploykit.core.profile import ChipProfile, DramProfile, EngineProfile, OnChipProfile, Quantity
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.core.yaml_file import Document
from deploykit.pipeline import context as context_module
from deploykit.pipeline.config import NetworkConfig, NetworkCore, PipelineConfig, PipelineCore
from deploykit.pipeline.context import Context
from deploykit.pipeline.file_digests import FileDigests
from deploykit.pipeline.records import Records
from deploykit.pipeline.runner import Artifacts, RunState, Unwatched, run_steps
from deploykit.pipeline.steps import Selection
from deploykit.stages import Stage
from deploykit.stages.call import StageCall

EVERYTHING = Selection()


@dataclass(frozen=True)
class Number:
    value: float
    file: Blob | None = None


@dataclass(frozen=True)
class ReadParams:
    pass


@dataclass(frozen=True)
class ScaleParams:
    factor: float = 2.0


def read_number(call: StageCall) -> Number:
    assert call.source is not None
    with call.workspace.scratch() as folder:
        copy = folder / "copy.txt"
        copy.write_bytes(call.source.read_bytes())
        return Number(float(call.source.read_text()), call.workspace.keep(copy))


def scale(call: StageCall) -> Number:
    return Number(call.inputs["number"].value * call.params.factor)


def add_up(call: StageCall) -> Number:
    return Number(sum(number.value for number in call.inputs["scale"]))


STAGES = {
    "number": Stage("fake_number", "Read.", 1, section="number", uses_source=True),
    "scale": Stage("fake_scale", "Scale.", 1, ("number",), section="scale", uses_profile=True),
    "total": Stage("fake_total", "Add up.", 1, ("scale",), scope="pipeline", section="total"),
}
MODULES = {
    "fake_number": (ReadParams, read_number),
    "fake_scale": (ScaleParams, scale),
    "fake_total": (ReadParams, add_up),
}


@dataclass
class Bench:
    """A pipeline folder under test."""

    folder: Path
    factors: dict[str, float] = field(default_factory=lambda: {"a": 2.0, "b": 2.0})
    bandwidth: float = 1e9
    calls: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(self.folder / ".deploykit")

    @property
    def records(self) -> Records:
        return Records(self.store)

    def context(self) -> Context:
        networks = {
            name: NetworkConfig(
                NetworkCore(source=f"{name}.txt"), {"number": ReadParams(), "scale": ScaleParams(factor)}
            )
            for name, factor in self.factors.items()
        }
        npu = EngineProfile("npu", "npu", 1, {"w8a8": Quantity(1e12)}, ("*",))
        chip = ChipProfile(
            "chip",
            "Chip",
            (npu,),
            "npu",
            DramProfile(Quantity(self.bandwidth)),
            OnChipProfile(Quantity(None)),
        )
        return Context(
            name="test",
            config=PipelineConfig(PipelineCore("test", "chip"), networks, {"total": ReadParams()}),
            document=Document(self.folder / "test.yaml", {}, {}),
            profile=chip,
            profile_path=self.folder / "chip.yaml",
            digests=FileDigests.load(self.store),
        )

    def run(self, selection: Selection = EVERYTHING) -> tuple[Artifacts, RunState]:
        state = RunState()
        artifacts = run_steps(
            self.context(),
            self.records,
            selection,
            workspace=Workspace(self.store),
            watcher=Unwatched(),
            state=state,
        )
        return artifacts, state

    def states(self, selection: Selection = EVERYTHING) -> dict[str, str]:
        return {outcome.step: outcome.state for outcome in self.run(selection)[1].outcomes}


def stage_module(
    params: type[Any], function: Callable[[StageCall], Any], bench: Bench
) -> types.SimpleNamespace:
    def run(call: StageCall) -> Any:
        bench.calls.append(function.__name__)
        return function(call)

    return types.SimpleNamespace(PARAMS=params, GIVES=Number, run=run)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setattr(context_module, "STAGES", STAGES)
    monkeypatch.setattr(
        context_module, "_external_files", lambda model: ()
    )  # these sources are no ONNX files
    for name, (params, function) in MODULES.items():
        monkeypatch.setitem(sys.modules, f"deploykit.stages.{name}", stage_module(params, function, made))
    (tmp_path / "a.txt").write_text("3")
    (tmp_path / "b.txt").write_text("5")
    return made
