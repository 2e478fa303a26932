"""The first look at a file: versions, foreign files, cut-off files."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import parser

from deploykit.core.errors import InputError
from deploykit.core.graph.model import load_model
from deploykit.core.graph.wire import read_header

TEXT = """<ir_version: 8, opset_import: ["" : 17, "edge.ops" : 3], producer_name: "maker">
    g (float[2] x) => (float[2] y) { y = Relu(x) }"""
CONTENT = parser.parse_model(TEXT).SerializeToString()


def test_versions_are_read_without_the_graph() -> None:
    header = read_header(CONTENT, Path("m.onnx"))
    assert (header.ir_version, header.producer, header.opsets) == (8, "maker", {"": 17, "edge.ops": 3})


@given(st.integers(0, len(CONTENT) - 1))
def test_every_cut_off_file_is_refused(size: int) -> None:
    graph_end = CONTENT.index(b"\x42\x04")
    if size in (
        graph_end,
        graph_end + 6,
    ):  # between outer fields behind the graph, the rest is a whole message
        assert read_header(CONTENT[:size], Path("m.onnx")).has_graph
        return
    with pytest.raises(InputError, match=r"m\.onnx"):
        read_header(CONTENT[:size], Path("m.onnx"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"hello, this is a text", "not an ONNX file"),
        (b"<!DOCTYPE html><html></html>", "not an ONNX file"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "not an ONNX file"),
        (b"PK\x03\x04" + b"\0" * 50, "not an ONNX file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer.*git lfs pull"),
        (CONTENT[: len(CONTENT) // 2], "cut off"),
        (b"\x08\x08", "cut off"),
    ],
)
def test_what_is_no_model_gets_one_message(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_model(file)
    assert len(caught.value.faults) == 1
    assert str(tmp_path) not in str(caught.value)


def test_a_damaged_graph_is_told_from_a_cut_off_file(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(b"\x08\x08" + b"\x3a\x04" + b"\xff\xff\xff\xff" + b"\x42\x02\x10\x11")
    with pytest.raises(InputError, match="damaged"):
        load_model(file)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(InputError, match="no such file"):
            load_model(path)


def test_a_file_above_the_protobuf_limit_is_not_even_read(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    with file.open("wb") as stream:
        stream.truncate(1 << 31)
    with pytest.raises(InputError, match="less than 2 GiB; save the model with external data"):
        load_model(file)


def test_a_newer_ir_version_is_noted_and_a_newer_opset_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    model = parser.parse_model(TEXT)
    model.ir_version = 99
    file.write_bytes(model.SerializeToString())
    assert f"IR version 99 is newer than {onnx.IR_VERSION}" in load_model(file).notices[0]
    model.opset_import[0].version = 99
    file.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=f"opset 99; onnx .* up to {onnx.defs.onnx_opset_version()}"):
        load_model(file)


def test_fields_of_a_newer_ir_version_pass() -> None:
    unknown = b"\xfa\x01\x02ab"  # field 31, two bytes
    assert read_header(CONTENT + unknown, Path("m.onnx")).ir_version == 8
