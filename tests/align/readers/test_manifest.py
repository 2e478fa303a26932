"""Manifests: what they may say, and every fault of one with its line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy
import pytest

from deploykit.align.contract import Contract, encode
from deploykit.align.readers import read_dump
from deploykit.core.errors import InputError
from tests.align.conftest import feature_map

if TYPE_CHECKING:
    from tests.align.conftest import Lab


def test_json_with_a_scale_a_channel(lab: Lab) -> None:
    values = numpy.array([[[1.0, 2.0]], [[0.5, -0.5]]], numpy.float32).reshape(1, 2, 1, 2)
    contract = Contract((1, 2, 1, 2), "int8", layout="NHWC", scale=(0.5, 0.25), zero_point=(0, 10))
    lab.save("ref/t.npy", values)
    lab.write("board/t.bin", encode(values, contract))
    row = {
        "name": "t",
        "file": "t.bin",
        "dtype": "int8",
        "shape": [1, 2, 1, 2],
        "layout": "NHWC",
        "scale": [0.5, 0.25],
        "zero_point": [0, 10],
    }
    lab.write("board/deploykit_dump.json", json.dumps({"model": "m1", "tensors": [row]}))
    assert lab.diff("--tolerance", "*:max_abs<=0").code == 0


def test_mnn_qnn_has_channels_last(lab: Lab) -> None:
    values = feature_map(1, 3, 2, 4)
    lab.save("ref/frame_1/conv.npy", values)
    lab.save("board/conv.raw", values.transpose(0, 2, 3, 1))
    head = "index\tname\tfile\tdata_type\tdimensions\tquant_encoding\tscale\toffset\n"
    lab.write(
        "board/manifest_000001.tsv", head + "0\tconv\tconv.raw\tQNN_DATATYPE_FLOAT_32\t1x2x4x3\t-\t-\t-\n"
    )
    answer = lab.diff("--tolerance", "*:bit_exact>=1", "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.tensor("conv")["frames"] == [1]


def test_every_fault_with_its_line(lab: Lab) -> None:
    lab.write(
        "board/deploykit_dump.tsv",
        "name\tfile\tdtype\tshape\tlayuot\na\ta.bin\tfloat\t1,2\tNCHW\nb\t../../etc/passwd\tfloat\t1,2\n",
    )
    with pytest.raises(InputError) as caught:
        read_dump(lab.folder / "board")
    text = str(caught.value)
    assert "deploykit_dump.tsv:1: no column 'layuot', did you mean 'layout'?" in text
    assert "deploykit_dump.tsv:3: 4 cells, the header has 5" in text


def test_paths_cannot_leave_the_folder(lab: Lab) -> None:
    lab.save("secret.bin", [1.0])
    lab.write("board/deploykit_dump.tsv", "name\tfile\na\t../secret.bin\n")
    with pytest.raises(InputError, match=r"tsv:2: the file '../secret.bin' lies outside of"):
        read_dump(lab.folder / "board")


def test_links_cannot_leave_the_folder(lab: Lab) -> None:
    lab.save("secret.bin", [1.0])
    lab.write("board/deploykit_dump.tsv", "name\tfile\na\ta.bin\n")
    (lab.folder / "board/a.bin").symlink_to(lab.folder / "secret.bin")
    with pytest.raises(InputError, match="lies outside of"):
        read_dump(lab.folder / "board")


def test_a_file_that_is_not_there_makes_its_tensor_unreadable(lab: Lab) -> None:
    for name in ("a", "b"):
        lab.save(f"ref/{name}.npy", [1.0])
    lab.save("board/a.bin", [1.0])
    lab.write("board/deploykit_dump.tsv", "name\tfile\na\ta.bin\nb\tb.bin\n")
    answer = lab.diff("--format", "json")
    assert answer.code == 4
    assert "No such file" in answer.tensor("b")["reason"]


def test_other_models_are_told_apart(lab: Lab) -> None:
    for side, model in (("ref", "m1"), ("board", "m2")):
        lab.save(f"{side}/a.bin", [1.0])
        lab.write(f"{side}/deploykit_dump.tsv", f"name\tfile\tshape\tmodel\na\ta.bin\t[1]\t{model}\n")
    assert "the dumps are of different models: m1 and m2" in lab.diff().out


def test_a_contract_of_the_command_goes_before_the_manifest(lab: Lab) -> None:
    lab.save("ref/a.npy", feature_map(1, 2, 3, 4))
    lab.save("board/a.bin", feature_map(1, 2, 3, 4).transpose(0, 2, 3, 1))
    lab.write("board/deploykit_dump.tsv", "name\tfile\tlayout\na\ta.bin\tNCHW\n")
    assert lab.diff().code == 1
    assert lab.diff("--contract", "a:layout=NHWC").code == 0
