"""Folders as the chips' tools write them."""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import pytest

from deploykit.align.dump import Dump
from deploykit.align.readers import read_dump
from deploykit.core.errors import InputError
from tests.align.conftest import feature_map

if TYPE_CHECKING:
    from tests.align.conftest import Lab


def listed(dump: Dump) -> list[tuple[str, int | None, str]]:
    """Name, frame and kind of file of every tensor."""
    return [(item.name, item.frame, item.kind) for item in dump.stored]


def test_rknn(lab: Lab) -> None:
    lab.write(
        "snapshot/map_name_to_file.txt", "layer_name file_name\n----\n/blk/r1   _blk_r1.txt\nc0  c0.txt\n"
    )
    lab.save("snapshot/runtime/npy/_blk_r1.npy", [1.0])
    lab.write("snapshot/runtime/c0.txt", "0.5\n-1.25\n")
    lab.write("snapshot/runtime/_blk_r1.txt", "1.0\n")
    found = read_dump(lab.folder / "snapshot/runtime")
    assert found.kind == "rknn"
    assert listed(found) == [("/blk/r1", None, "npy"), ("c0", None, "text")]
    assert found.order == ("/blk/r1", "c0")
    assert found.notes == ("1 tensors are text with six decimals: smaller differences are lost",)


def test_rknn_wants_one_part(lab: Lab) -> None:
    lab.write("snapshot/map_name_to_file.txt", "layer_name file_name\n----\nc0  c0.txt\n")
    lab.write("snapshot/golden/c0.txt", "1\n")
    lab.write("snapshot/simulator/c0.txt", "1\n")
    with pytest.raises(InputError, match="holds golden, simulator; name one of them"):
        read_dump(lab.folder / "snapshot")


def test_snpe(lab: Lab) -> None:
    lab.save("board/Result_0/head/out.raw", [1.0])
    lab.save("board/Result_10/head/out.raw", [1.0])
    lab.save("board/Result_10/head/out_native.raw", [1], "uint8")
    lab.save("board/Result_10/codes_native.raw", [1], "uint8")
    found = read_dump(lab.folder / "board")
    assert found.kind == "snpe"
    assert listed(found) == [("head/out", 0, "raw"), ("codes", 10, "raw"), ("head/out", 10, "raw")]
    assert found.notes == ("1 files *_native.raw stand beside the float ones and were not read",)


def test_tidl(lab: Lab) -> None:
    name = "tidl_trace_subgraph_0_0007_0001_0001_00001_00019_000160x00080"
    lab.save(f"board/{name}_float.bin", feature_map(1, 19, 80, 160))
    lab.save(f"board/{name}.y", numpy.zeros(19 * 80 * 160), "int8")
    lab.write("board/net.layer_info.txt", "7, 7, heat/Conv\n")
    lab.save("ref/heat/Conv.npy", feature_map(1, 19, 80, 160))
    found = read_dump(lab.folder / "board")
    assert (found.kind, listed(found)) == ("tidl", [("heat/Conv", None, "raw")])
    assert lab.diff().code == 0


def test_tidl_fixed_point_needs_a_type(lab: Lab) -> None:
    name = "tidl_trace_subgraph_0_0007_0001_0001_00001_00002_000003x00002.y"
    lab.save(f"board/{name}", numpy.arange(12), "int8")
    lab.save("ref/7.npy", numpy.arange(12).reshape(1, 2, 2, 3) * 0.25)
    assert "is fixed point, its type is not in the file" in lab.diff().err
    assert lab.diff("--contract", "7:dtype=int8,scale=0.25").code == 0


def test_horizon(lab: Lab) -> None:
    lab.save("board/frame_3/model_infer_output_0_heat.bin", [1.0])
    lab.save("board/frame_4/model_infer_output_0_heat.bin", [1.0])
    found = read_dump(lab.folder / "board")
    assert (found.kind, listed(found)) == ("horizon", [("heat", 3, "raw"), ("heat", 4, "raw")])


def test_ascend(lab: Lab) -> None:
    lab.save("board/Conv_12.0.1700000000000000.npy", [1.0])
    lab.save("board/Split_3.1.1700000000000001.npy", [1.0])
    found = read_dump(lab.folder / "board")
    assert (found.kind, listed(found)) == ("ascend", [("Conv_12", None, "npy"), ("Split_3:1", None, "npy")])


def test_npz_is_a_view_and_compressed_is_read(lab: Lab) -> None:
    a, b = feature_map(2, 3), feature_map(4, seed=1)
    numpy.savez(lab.folder / "ref.npz", a=a, b=b)
    numpy.savez_compressed(lab.folder / "board.npz", a=a, b=b)
    answer = lab.diff("--tolerance", "*:bit_exact>=1", reference="ref.npz", board="board.npz")
    assert answer.code == 0
    assert "2 compared" in answer.out


def test_polygraphy(lab: Lab) -> None:
    content = io.BytesIO()
    numpy.save(content, numpy.array([[1.0, 2.0]], numpy.float32))
    array = {"array": base64.b64encode(content.getvalue()).decode(), "polygraphy_class": "ndarray"}
    lazy = {"values": array, "polygraphy_class": "LazyArray"}
    iteration = {
        "outputs": {"out": lazy},
        "runtime": None,
        "runner_name": "trt",
        "polygraphy_class": "IterationResult",
    }
    results = {"lst": [["trt", [iteration, iteration]]], "polygraphy_class": "RunResults"}
    lab.write("board.json", json.dumps(results))
    found = read_dump(lab.folder / "board.json")
    assert listed(found) == [("out", 0, "polygraphy"), ("out", 1, "polygraphy")]
    for frame in range(2):
        lab.save(f"ref/frame_{frame}/out.npy", [[1.0, 2.0]])
    assert lab.diff("--tolerance", "*:bit_exact>=1", board="board.json").code == 0


def test_files_that_are_no_tensors_are_named(lab: Lab) -> None:
    lab.save("ref/t.npy", [1.0])
    lab.save("board/t.npy", [1.0])
    lab.write("board/notes.md", "x")
    assert "1 files were not read as tensors (notes.md)" in lab.diff().out.replace("\n    ", " ")


def test_an_unreadable_folder(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.save("ref/t.npy", [1.0])
    (lab.folder / "board").mkdir()

    def refuse(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(Path, "iterdir", refuse)
    answer = lab.diff()
    assert answer.code == 2
    assert "cannot be read: Permission denied" in answer.err


def test_the_steps_of_a_pipeline(lab: Lab) -> None:
    digest = "ab" + "0" * 62
    numpy.save(lab.folder / "t.npy", numpy.array([[[1.0, 2.0]], [[3.0, 4.0]]], numpy.float32))
    lab.write(f".deploykit/blobs/ab/{digest}", (lab.folder / "t.npy").read_bytes())
    tensor = {"name": "t", "inputs": [], "file": {"digest": digest, "name": "t.npy", "size_bytes": 144}}
    artifact = {"network": "net", "label": "float", "clips": [["c", 2]], "tensors": [tensor], "state": []}
    made = "cd" + "0" * 62
    lab.write(f".deploykit/blobs/cd/{made}", json.dumps(artifact))
    key = {"step": "net.dump"}
    lab.write(".deploykit/steps/1.json", json.dumps({"key": key, "artifact": {"digest": made}}))
    lab.write(".deploykit/latest/p.net.dump.json", json.dumps(key))
    lab.save("board/t.bin", [[[1.0, 2.0]], [[3.0, 4.0]]])
    answer = lab.diff("--format", "json", reference=".deploykit/latest/p.net.dump.json")
    assert answer.code == 0
    assert (answer.tensor("t")["frames"], answer.tensor("t")["shape"]) == ([0, 1], [1, 2])
