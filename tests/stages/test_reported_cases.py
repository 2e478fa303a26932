"""Small models on which other tools fail: each loads, splits and runs equal to its source, or says what is wrong.

The models lie beside the golden files that `DEPLOYKIT_GOLDEN` names; without it these tests are skipped. Tests of
`core/graph`, `export` and `split` build their own models of the same kinds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from deploykit.artifacts.model import Model, Partition, StatePair
from deploykit.core.errors import InputError
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.profile import ChipProfile, load_profile
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.stages.export import ExportParams, export_model
from deploykit.stages.split import SplitParams, split_model

CASES = Path(os.environ.get("DEPLOYKIT_GOLDEN", "/nowhere/golden")).parent / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="DEPLOYKIT_GOLDEN names no folder beside `cases`")

BROKEN = ("case_15",)


class Cases:
    """Exports and splits a case by its number."""

    def __init__(self, folder: Path, profile: ChipProfile) -> None:
        self.workspace = Workspace(Store(folder))
        self.profile = profile

    def export(self, name: str, **options: Any) -> Model:
        (file,) = [*CASES.glob(f"{name}*.onnx"), *CASES.glob(f"{name}*/*.onnx")]
        params = ExportParams(**{"proof_frames": 2, **options})
        return export_model(file, (), network="net", params=params, workspace=self.workspace)

    def split(self, model: Model, **options: Any) -> Partition:
        params = SplitParams(**{"proof_frames": 2, **options})
        return split_model(model, (), profile=self.profile, params=params, workspace=self.workspace)

    def open(self, files: Any) -> OnnxModel:
        return load_model(self.workspace.folder(files) / files[0].name)


@pytest.fixture
def cases(tmp_path: Path) -> Cases:
    profile, _ = load_profile("rk3588")
    return Cases(tmp_path, profile)


def all_names() -> list[str]:
    files = [*CASES.glob("*.onnx"), *CASES.glob("*/*.onnx")] if CASES.is_dir() else []
    return sorted("_".join(file.stem.split("_")[:2]) for file in files)


@pytest.mark.parametrize("name", [name for name in all_names() if name not in BROKEN])
def test_every_valid_case_loads_splits_and_runs_equal_to_its_source(cases: Cases, name: str) -> None:
    model = cases.export(name)
    assert model.equality is not None
    assert model.equality.max_abs < 1e-6
    partition = cases.split(model)
    assert partition.equality is not None
    assert partition.equality.bit_equal
    assert partition.outputs == model.graph.outputs
    two = cases.split(model, balance=min(2, len(model.graph.nodes)))
    assert two.equality is not None
    assert two.equality.bit_equal


def test_01_a_weight_that_only_a_branch_reads_is_kept(cases: Cases) -> None:
    partition = cases.split(cases.export("case_01"), at=("h",))
    assert set(partition.segments[1].graph.inputs) == {"h", "cond"}
    assert [t.name for t in cases.open(partition.segments[1].files).proto.graph.initializer] == ["W2"]


def test_02_a_cut_inside_a_branch_is_refused_by_name(cases: Cases) -> None:
    with pytest.raises(InputError, match=r"'inner'.*then_branch of If 'if0'"):
        cases.split(cases.export("case_02"), at=("inner",))


def test_05_a_segment_has_its_own_data_file(
    cases: Cases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cases.export("case_05", simplify=False).files[1].size_bytes == 16384


def test_06_shape_arithmetic_is_static_when_bound_and_symbolic_else(cases: Cases) -> None:
    assert cases.export("case_06").graph.tensor["y"].shape == ("N", 3, 16)
    bound = cases.export("case_06", sizes={"N": 2}).graph
    assert bound.tensor["y"].shape == (2, 3, 16)
    assert all(isinstance(size, int) for tensor in bound.tensors for size in tensor.shape or ("?",))


def test_08_a_size_of_minus_one_is_the_outputs_symbol(cases: Cases) -> None:
    model = cases.export("case_08")
    assert model.graph.tensor["x"].shape == ("N", 3, 8, 8)
    assert model.graph.tensor["y"].shape == ("N", 4, 1, 1)
    assert any("sizes of -1" in notice for notice in model.notices)


@pytest.mark.parametrize(("name", "outputs"), [("case_10", ("y0", "y1", "y2")), ("case_11", ("y", "priors"))])
def test_10_11_outputs_keep_names_order_and_number(cases: Cases, name: str, outputs: tuple[str, ...]) -> None:
    assert cases.split(cases.export(name)).outputs == outputs


def test_12_metadata_reaches_every_segment(cases: Cases) -> None:
    written = cases.open(cases.split(cases.export("case_12")).segments[0].files).proto
    assert {entry.key for entry in written.metadata_props} == {"names", "stride", "mean"}
    assert written.doc_string == "calib: bev v1"
    assert written.producer_name == "deploykit-cases"


def test_13_every_node_has_an_id(cases: Cases) -> None:
    nodes = cases.export("case_13").graph.nodes
    assert [node.id for node in nodes] == ["a", "b", "c", "y"]
    assert len({node.name for node in nodes}) == 4


def test_15_a_tensor_written_twice_is_refused(cases: Cases) -> None:
    with pytest.raises(InputError, match=r"not SSA: t written by Relu .*and Neg"):
        cases.export("case_15")


def test_17_a_tied_weight_is_stored_once(cases: Cases) -> None:
    partition = cases.split(cases.export("case_17"), at=("h",))
    (shared,) = partition.shared_weights
    assert (shared.name, shared.size_bytes, len(shared.segments)) == ("W", 32768, 2)
    stored = {file.digest: file.size_bytes for segment in partition.segments for file in segment.files}
    assert sum(stored.values()) < 36000


def test_18_a_custom_operator_stands_alone(cases: Cases) -> None:
    model = cases.export("case_18")
    assert model.graph.tensor["y"].shape == (1, 8, 4, 4)
    segments = cases.split(model).segments
    assert [[node.op for node in segment.graph.nodes] for segment in segments] == [
        ["Conv"],
        ["BevPoolV2"],
        ["Relu", "Conv"],
    ]
    assert segments[1].engine == "cpu"


def test_20_double_writes_are_named(cases: Cases) -> None:
    assert any(
        "ScatterND_y" in n and "(1,)" in n and "undefined" in n for n in cases.export("case_20").notices
    )


def test_21_deformable_convolution_stays_and_is_explained(cases: Cases) -> None:
    (segment,) = cases.split(cases.export("case_21")).segments
    assert [node.op for node in segment.graph.nodes] == ["DeformConv"]
    assert "npu lacks DeformConv (DeformConv 'DeformConv_y'" in segment.reason


def test_22_a_lower_opset_is_equal(cases: Cases) -> None:
    model = cases.export("case_22", opset=13)
    assert model.graph.opset == 13
    assert model.equality is not None
    assert model.equality.bit_equal


def test_23_the_lowest_ir_version_is_written(cases: Cases) -> None:
    model = cases.export("case_23")
    assert cases.open(model.files).proto.ir_version == 8
    assert "IR version 99 is newer than" in model.notices[0]


def test_26_data_dependent_sizes_have_bounds(cases: Cases) -> None:
    partition = cases.split(cases.export("case_26"))
    tensor = partition.tensor["nz"]
    assert tensor.shape is not None
    assert tensor.shape[0] == 2
    assert not isinstance(tensor.shape[1], int)
    assert tensor.upper_bound == (2, 16)
    assert partition.segments[-1].engine == "cpu"


def test_31_a_weight_listed_as_an_input_is_frozen(cases: Cases) -> None:
    assert cases.export("case_31").graph.inputs == ("x",)


def test_36_a_cut_at_an_output_keeps_it(cases: Cases) -> None:
    partition = cases.split(cases.export("case_36"), at=("f",))
    assert partition.outputs == ("f", "y")
    assert partition.segments[0].graph.outputs == partition.segments[1].graph.inputs == ("f",)


def test_38_state_is_streamed_over_six_frames(cases: Cases) -> None:
    model = cases.export("case_38", state=(StatePair("mem", "prev"),), proof_frames=6)
    partition = cases.split(model, proof_frames=6)
    assert partition.state == (StatePair("mem", "prev"),)
    assert partition.equality is not None
    assert (partition.equality.runs, partition.equality.bit_equal) == (6, True)


def test_40_unsorted_nodes_are_sorted_with_a_notice(cases: Cases) -> None:
    model = cases.export("case_40")
    assert [node.id for node in model.graph.nodes] == ["a", "b", "y"]
    assert any("sorted" in notice for notice in model.notices)
